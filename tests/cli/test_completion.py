"""What completion offers.

Covered: verbs, options, values that are fixed, and those of this machine (runs, plans, contexts,
kinds, namespaces, clusters). Left out: how shells and kubectl ask (test_completion_protocols).
"""

import os
from pathlib import Path

import pytest

from fleetpatch.cli.app import VERBS
from fleetpatch.cli.completion import complete
from fleetpatch.cli.completion_scripts import SHELLS
from fleetpatch.cli.options import ResultFormat
from fleetpatch.kube.kubeconfig.content import SIZE_LIMIT
from fleetpatch.model.outcome import Reason
from fleetpatch.model.run import Standing
from fleetpatch.model.verification import VerifyResult
from tests.cli.calling import Caller
from tests.e2e.tool import Tool, plan

ROOT = Path(__file__).parents[2]

KUBECONFIG = """\
apiVersion: v1
clusters:
- cluster: {server: "https://10.0.0.1"}
  name: not-a-context
contexts:
- context:
    cluster: a
    name: nested
    namespace: team-blue
    user: u
  name: prod-a
- name: "arn:aws:eks:eu:1:cluster/b"
  context: {cluster: b, user: u}
current-context: prod-a
users:
- name: u
"""


def completed(*line: str) -> list[str]:
    """Return the values for the last word of the line."""
    return [one.value for one in complete(VERBS, line[:-1], line[-1])]


@pytest.fixture
def run(call: Caller, tool: Tool) -> str:
    """The name of a run of batch Jobs that was planned."""
    block = {"kinds": ["jobs.batch"], "selector": "app"}
    file = tool.write("paint.yaml", plan("paint", block, patch={"labels": {"colour": "red"}}))
    ended = call("plan", file, "-o", "json")
    assert ended.code == 0, ended.err
    return str(ended.json["run"])


def test_every_verb_is_a_first_word() -> None:
    options = ["--help", "--version", "--install-completion", "--show-completion"]
    assert completed("") == [*VERBS, *options]
    assert completed("ta") == ["targets"]
    assert completed("--") == options


@pytest.mark.parametrize("option", ["--install-completion", "--show-completion"])
def test_the_options_of_completion_take_a_shell(option: str) -> None:
    assert completed(option, "") == list(SHELLS)
    assert completed(option, "z") == completed(option, "=", "z") == ["zsh"]
    assert completed(f"{option}=z") == [f"{option}=zsh"]
    assert completed(option, "bash", "") == completed("plan", option, "z") == []


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_completes_its_options(verb: str) -> None:
    options = completed(verb, "-")

    assert "--help" in options
    assert all(option.startswith("-") for option in options)


def test_an_unknown_verb_completes_nothing() -> None:
    assert completed("get", "") == completed("get", "-") == []


@pytest.mark.parametrize(
    ("line", "values"),
    [
        (("targets", "x", "--reason", ""), list(Reason)),
        (("resume", "x", "--failed", "--reason", "ex"), ["exhausted"]),
        (("targets", "x", "--verified", "re"), ["reverted", "replaced"]),
        (("targets", "x", "-oj"), ["-ojson", "-ojsonl"]),
        (("plan", "x", "-o"), ["-o"]),
        (("label", "jobs", "-yo", "ya"), ["yaml"]),
        (("label", "jobs", "-yoya"), ["-yoyaml"]),
        (("label", "jobs", "-yoyaml", "mx"), []),
        (("label", "-yoyaml", "mx"), ["mxjobs.kubeflow.org"]),
        (("label", "jobs", "-yx"), []),
        (("targets", "x", "-o=j"), ["-o=json", "-o=jsonl"]),
        (("label", "jobs", "-yo="), [f"-yo={one}" for one in ResultFormat]),
        (("label", "jobs", "-yo", "=", "ya"), ["yaml"]),
        (("targets", "x", "--outcome", ""), list(Standing)),
        (("targets", "x", "-o", ""), ["text", "json", "jsonl", "csv", "name"]),
        (("plan", "x", "--output=m"), ["--output=markdown"]),
        (("plan", "x", "--output", "=", "m"), ["markdown"]),
        (("label", "jobs", "--dry-run=c"), ["--dry-run=client"]),
        (("label", "jobs", "--dry-run", "=", "c"), ["client"]),
        (("targets", "-o", "=", "js"), ["json", "jsonl"]),
        (("kinds", "--provider", ""), ["kubernetes", "cci"]),
        (("label", "tfj"), ["tfjobs.kubeflow.org"]),
        (("label", "jobs.batch,mx"), ["jobs.batch,mxjobs.kubeflow.org"]),
        (("label", "--dry-run", "mx"), ["mxjobs.kubeflow.org"]),
    ],
)
def test_fixed_values_are_completed(line: tuple[str, ...], values: list[str]) -> None:
    assert completed(*line) == values


@pytest.mark.parametrize("verb", ["status", "targets", "resume", "undo", "forget", "pause"])
def test_runs_are_completed_by_the_names_of_their_plans_and_their_own(verb: str, run: str) -> None:
    assert completed(verb, "pa") == ["paint", run]


def test_runs_of_another_state_folder_are_completed(run: str, tool: Tool, tmp_path: Path) -> None:
    assert completed("status", "--state-dir", str(tmp_path / "none"), "") == []
    assert completed("status", "--state-dir", str(tool.state), "") == ["paint", run]


def test_plan_files_and_folders_are_completed(call: Caller, tool: Tool, run: str) -> None:
    assert call("status").code == 0
    (tool.folder / "plans").mkdir()
    (tool.folder / "plans" / "night.yaml").touch()
    (tool.folder / "notes.txt").touch()

    assert completed("plan", "pa") == ["paint.yaml"]
    assert completed("validate", "plans/") == ["plans/night.yaml"]
    assert completed("apply", "pa") == ["paint.yaml", "paint", run]
    assert completed("apply", "-f", "pl") == ["plans/"]
    assert "notes.txt" not in completed("plan", "")
    assert completed("runs", "--plan", "") == ["paint"]


def test_namespaces_clusters_and_kinds_are_those_of_the_run(call: Caller, run: str) -> None:
    listed = call("targets", run, "-o", "json").json
    spaces = {one["namespace"] for one in listed}

    assert set(completed("targets", run, "-n", "")) == spaces
    assert set(completed("targets", "paint", "--namespace", "")) == spaces
    assert completed("targets", run, "--cluster", "") == ["sandbox"]
    assert completed("targets", run, "--kind", "") == ["jobs.batch"]
    assert set(completed("label", "jobs.batch", "-n", "")) == spaces


@pytest.mark.usefixtures("run")
def test_a_word_of_the_help_that_means_several_things_selects_no_values() -> None:
    assert completed("runs", "--plan", "") == ["paint"]
    assert completed("rbac", "paint.yaml", "--cluster", "") == []


def test_short_options_in_a_group_complete_the_value_of_the_last(run: str) -> None:
    (space, *_) = completed("label", "jobs.batch", "-n", "")

    assert space in completed("label", "jobs.batch", "-yn", "")
    assert completed("label", "jobs.batch", f"-yn{space}") == [f"-yn{space}"]
    assert completed("targets", run, f"-n{space}", "--kind", "") == ["jobs.batch"]


@pytest.mark.parametrize(
    "line",
    [("targets", "--verified"), ("resume", "--failed", "--reason")],
    ids=["verified", "reason"],
)
def test_exactly_the_values_that_a_verb_accepts_are_offered(
    call: Caller, run: str, line: tuple[str, ...]
) -> None:
    verb, *options = line
    known = VerifyResult if verb == "targets" else Reason
    errors = {one: call(verb, run, *options, one).err for one in known}

    refused = {one for one in known if f": {options[-1]} {one}: " in errors[one]}
    assert refused
    assert completed(verb, run, *options, "") == [one for one in known if one not in refused]


def test_contexts_and_their_namespaces_are_those_of_the_kubeconfig(
    call: Caller, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("status").code == 0
    assert completed("label", "jobs", "--context", "") == ["sandbox"]
    other = tool.write("other", KUBECONFIG)
    contexts = ["arn:aws:eks:eu:1:cluster/b", "prod-a"]
    assert completed("label", "jobs", "--kubeconfig", str(other), "--context", "") == contexts
    monkeypatch.setenv("KUBECONFIG", f"{other}:{tool.kubeconfig}:{tool.folder}/missing")
    assert completed("label", "jobs", "--context", "") == [*contexts, "sandbox"]
    assert "team-blue" in completed("label", "jobs", "-n", "")


def test_what_cannot_be_read_completes_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FLEETPATCH_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "odd-20260101T0000Z-aaaaaa.run").write_text("damaged")

    assert completed("label", "jobs", "--context", "") == []
    assert completed("label", "jobs", "-n", "") == []
    assert completed("targets", "odd", "-n", "") == []
    assert completed("plan", "no/such/folder/") == []


def test_only_regular_files_of_a_usual_size_are_read_for_contexts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    large, deep, good = (tmp_path / name for name in ("large", "deep", "good"))
    large.write_text(KUBECONFIG.replace("prod-a", "large"))
    os.truncate(large, SIZE_LIMIT + 1)
    deep.write_text("{" + '"contexts": [' * 100_000)
    good.write_text(KUBECONFIG)
    files = ["/dev/zero", str(tmp_path / "pipe"), str(large), str(deep), str(good)]
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(files))

    found = completed("label", "jobs", "--context", "")

    assert found == ["arn:aws:eks:eu:1:cluster/b", "prod-a"]


def test_an_argument_may_be_longer_than_the_name_of_a_file(call: Caller) -> None:
    assert call("status").code == 0
    assert completed("targets", "x" * 5000, "-n", "") == []
