"""`label` and `annotate` have the habits of kubectl.

Covered: names of objects in both forms, kinds by every name, other values kept unless
`--overwrite`, rehearsals, `--kubeconfig` and `--context`, what cannot be combined.
Left out: wrong command lines (test_bad_input), what a run does (tests/e2e).
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from ruamel.yaml import YAML

from tests.cli.calling import Caller
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool, plan

Job: TypeAlias = dict[str, Any]


@pytest.fixture
def jobs(tool: Tool) -> Iterator[SandboxServer]:
    """A sandbox of 60 jobs in three namespaces, 12 of them batch Jobs, for this test alone."""
    own = Tool(tool.folder, tool.folder / "own.kubeconfig")
    with sandbox(own, jobs=60, namespaces=3) as server:
        yield server


@pytest.fixture
def call(call: Caller, jobs: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> Caller:
    """The command line within this process, for that sandbox."""
    monkeypatch.setenv("KUBECONFIG", str(jobs.kubeconfig))
    return call


def batch(server: SandboxServer, **labels: str) -> list[Job]:
    """Return the metadata of the batch Jobs that have these labels."""
    found = [item["metadata"] for item in server.client.request("GET", PATH).body["items"]]
    return [one for one in found if labels.items() <= one["labels"].items()]


PATH = "/apis/batch/v1/jobs"


def values(server: SandboxServer, key: str) -> dict[str, str | None]:
    return {one["name"]: one["labels"].get(key) for one in batch(server)}


# Names of objects.


def test_only_the_named_objects_are_labelled(call: Caller, jobs: SandboxServer) -> None:
    first, second = batch(jobs, team="platform")[:2]

    ended = call(
        "label", "jobs.batch", first["name"], second["name"], "x=1", "-n", "platform", "-y"
    )

    assert ended.code == 0, ended.err
    changed = {name for name, value in values(jobs, "x").items() if value == "1"}
    assert changed == {first["name"], second["name"]}


def test_objects_of_several_kinds_are_named_with_their_kinds(
    call: Caller, jobs: SandboxServer
) -> None:
    of_tensorflow = jobs.client.request("GET", "/apis/kubeflow.org/v1/tfjobs").body["items"][0]
    named = batch(jobs, team="platform")[0]["name"], of_tensorflow["metadata"]["name"]
    words = f"Job.batch/{named[0]}", f"tfjob/{named[1]}"

    ended = call("label", *words, "x=1", "-A", "-y", "-o", "json")

    assert (ended.code, ended.json["outcomes"]["applied"]) == (0, 2), ended.err


def test_a_named_object_that_does_not_exist_is_named_and_the_others_are_changed(
    call: Caller, jobs: SandboxServer
) -> None:
    name = batch(jobs, team="platform")[0]["name"]

    ended = call("label", "jobs.batch", name, "nope", "x=1", "-n", "platform", "-y")

    assert ended.code == 3
    assert "warning: jobs.batch nope was not found in platform of cluster sandbox" in ended.err
    assert values(jobs, "x")[name] == "1"


def test_a_name_that_exists_in_another_namespace_only_is_not_found(
    call: Caller, jobs: SandboxServer
) -> None:
    here = batch(jobs, team="platform")[0]["name"]
    elsewhere = next(one["name"] for one in batch(jobs) if one["namespace"] != "platform")

    ended = call("label", "jobs.batch", here, elsewhere, "x=1", "-n", "platform", "-y")

    assert ended.code == 3
    assert f"{elsewhere} was not found in platform" in ended.err
    assert values(jobs, "x")[elsewhere] is None


def test_if_no_named_object_exists_nothing_is_planned(call: Caller) -> None:
    ended = call("label", "jobs.batch", "nope", "x=1", "-n", "platform", "-y")

    assert ended.code == 2
    assert "the plan does not match any object" in ended.err


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("jobs.batch etl-7 a=1 -A -l app=etl", "a kind and the name of an object, which cannot be"),
        (
            "jobs.batch etl-7 a=1 -A --field-selector a=b",
            "cannot be combined with --field-selector",
        ),
        (
            "jobs.batch,tfjobs etl-7 a=1 -A",
            "names of objects need one kind; write jobs.batch/etl-7",
        ),
        ("jobs.batch/etl-7 etl-8 a=1 -A", "'etl-8': with KIND/NAME every object is written so"),
        ("jobs.batch jobs.batch/etl-7 a=1 -A", "'jobs.batch': with KIND/NAME every object"),
        ("jobs.batch/a/b a=1 -A", "'jobs.batch/a/b': write one kind and one name"),
        ("jobs.batch/ a=1 -A", "'jobs.batch/': write one kind and one name"),
        ("jobs.batch a=1 etl-7 -A", "'etl-7': write KEY=VALUE to set, or KEY- to remove; names of"),
        ("a=1 jobs.batch etl-7 -A", "'a=1': kinds and names of objects come before the first"),
        ("jobs.batch/etl-7 -A", "'etl-7': write KEY=VALUE to set, or KEY- to remove"),
        ("jobs.batch etl%2F7 a=1 -A", "is not a valid name of an object"),
    ],
)
def test_names_that_cannot_be_meant_are_refused(call: Caller, words: str, problem: str) -> None:
    ended = call("label", *words.split(), "-y")

    assert (ended.code, ended.out) == (2, "")
    assert problem in ended.err


# Kinds.


@pytest.mark.parametrize(
    "kind",
    [
        "TFJob",
        "tfjob",
        "TFJOBS",
        "tfjobs.kubeflow.org",
        "TFJob.kubeflow.org",
        "TFJob.v1.kubeflow.org",
    ],
)
def test_a_kind_may_be_written_by_each_of_its_names_in_any_case(call: Caller, kind: str) -> None:
    ended = call("label", kind, "x=1", "-A", "-l", "app", "-y", "-o", "json")

    assert ended.code == 0, ended.err
    run = ended.json["run"]
    listed = call("targets", run).out.splitlines()
    assert {line.split()[1] for line in listed[1:]} == {"tfjobs.kubeflow.org"}


def test_a_short_name_is_a_name_of_a_kind(call: Caller) -> None:
    assert call("label", "VCJob", "x=1", "-A", "-l", "app", "-y").code == 0


def test_a_kind_name_that_two_groups_have_is_ambiguous(call: Caller) -> None:
    ended = call("label", "Job", "x=1", "-A", "-l", "app", "-y")

    assert ended.code == 2
    assert "'job' is ambiguous; write one of these: jobs.batch" in ended.err


# Other values.


def test_another_value_is_kept_and_the_exit_code_and_the_message_say_so(
    call: Caller, jobs: SandboxServer
) -> None:
    before = values(jobs, "owner")
    owned = [name for name, owner in before.items() if owner]
    assert 0 < len(owned) < len(before)

    ended = call("label", "jobs.batch", "owner=zoe", "-A", "-l", "app", "-y", "-o", "json")

    assert ended.code == 3
    assert ended.json["reasons"]["skipped"] == {"exists": len(owned)}
    assert "use --overwrite to replace it" in ended.err
    assert values(jobs, "owner") == {name: before[name] or "zoe" for name in before}
    detail = call("targets", ended.json["run"], "--reason", "exists").out
    assert f"metadata.labels.owner is already {before[owned[0]]!r}" in detail


def test_with_overwrite_another_value_is_replaced(call: Caller, jobs: SandboxServer) -> None:
    ended = call("label", "jobs.batch", "owner=zoe", "-A", "-l", "app", "--overwrite", "-y")

    assert (ended.code, "--overwrite" in ended.err) == (0, False)
    assert set(values(jobs, "owner").values()) == {"zoe"}


def test_the_same_value_is_no_other_value(call: Caller, jobs: SandboxServer) -> None:
    words = ("jobs.batch", "team=platform", "-n", "platform", "-l", "team=platform", "-y")

    ended = call("label", *words, "-o", "json")

    assert (ended.code, ended.json["reasons"]) == (
        0,
        {"unchanged": {"already-set": len(batch(jobs, team="platform"))}},
    )


def test_a_removal_needs_no_overwrite(call: Caller, jobs: SandboxServer) -> None:
    ended = call("label", "jobs.batch", "owner-", "-A", "-l", "app", "-y")

    assert ended.code == 0, ended.err
    assert set(values(jobs, "owner").values()) == {None}


def test_an_object_is_changed_as_a_whole_or_not_at_all(call: Caller, jobs: SandboxServer) -> None:
    call("label", "jobs.batch", "new=1", "owner=zoe", "-A", "-l", "owner=chen", "-y")

    assert all("new" not in one["labels"] for one in batch(jobs, owner="chen"))


def test_an_annotation_with_another_value_is_kept_but_for_the_change_cause(call: Caller) -> None:
    words = ("jobs.batch", "-n", "platform", "-l", "app", "-y")
    assert call("annotate", *words, "why=a", "kubernetes.io/change-cause=a").code == 0

    assert call("annotate", *words, "why=b").code == 3
    assert call("annotate", *words, "kubernetes.io/change-cause=b").code == 0


def test_in_a_plan_the_default_overwrites_and_skip_is_as_planned(
    call: Caller, tool: Tool, jobs: SandboxServer
) -> None:
    block = {"kinds": ["jobs.batch"], "selector": "owner"}
    patch = {"labels": {"owner": "zoe"}}
    skips = tool.write("skip.yaml", plan("s", block, patch=patch, guards={"onExisting": "skip"}))
    overwrites = tool.write("overwrite.yaml", plan("o", block, patch=patch))
    owned = len(batch(jobs)) - list(values(jobs, "owner").values()).count(None)

    kept = call("apply", skips, "--yes", "-o", "json")
    replaced = call("apply", overwrites, "--yes", "-o", "json")

    assert (kept.code, kept.json["reasons"]) == (0, {"skipped": {"exists": owned}})
    assert (replaced.code, replaced.json["reasons"]) == (0, {"applied": {"patched": owned}})


def test_a_preview_counts_the_objects_that_have_another_value(call: Caller, tool: Tool) -> None:
    block = {"kinds": ["jobs.batch"], "selector": "owner"}
    patch = {"labels": {"owner": "zoe"}}
    file = tool.write("skip.yaml", plan("s", block, patch=patch, guards={"onExisting": "skip"}))

    assert "objects are skipped: they have another value already" in call("plan", file).out


# Rehearsals.


@pytest.mark.parametrize("option", ["--dry-run", "--dry-run=server"])
def test_a_rehearsal_asks_nothing_stores_nothing_and_says_what_would_be_patched(
    call: Caller, jobs: SandboxServer, option: str
) -> None:
    before = batch(jobs)

    ended = call("label", "jobs.batch", "x=1", "-A", "-l", "app", option)

    assert (ended.code, "Continue?" in ended.err) == (0, False)
    assert f"{len(before)} objects would be patched" in ended.out
    assert batch(jobs) == before
    assert jobs.sent() == len(before)


def test_a_rehearsal_of_the_client_sends_no_patch_and_shows_the_plan(
    call: Caller, tool: Tool, jobs: SandboxServer
) -> None:
    file = tool.write(
        "paint.yaml", plan("p", {"kinds": ["jobs.batch"], "selector": "app"}, patch=X)
    )
    found = len(batch(jobs))

    for words in (("label", "jobs.batch", "x=1", "-A", "-l", "app"), ("apply", file)):
        ended = call(*words, "--dry-run=client")
        assert ended.code == 0, ended.err
        assert f"{found} objects would be patched (dry run: no patch was sent)." in ended.out
    assert jobs.sent() == 0


def test_a_rehearsal_of_the_client_ends_as_the_command_would(call: Caller) -> None:
    words = ("-A", "-l", "app", "--dry-run=client")

    kept = call("label", "jobs.batch", "team=red", *words)
    replaced = call("label", "jobs.batch", "team=red", *words, "--overwrite")

    assert (kept.code, replaced.code) == (3, 0)
    assert "use --overwrite to replace it" in kept.err


def test_apply_rehearses_without_a_question(call: Caller, tool: Tool, jobs: SandboxServer) -> None:
    block = {"kinds": ["jobs.batch"], "selector": "app"}
    ended = call("apply", tool.write("paint.yaml", plan("p", block, patch=X)), "--dry-run")

    assert ended.code == 0, ended.err
    assert f"{len(batch(jobs))} objects would be patched" in ended.out


X = {"labels": {"x": "1"}}


def test_a_run_can_be_rehearsed_by_the_client(
    call: Caller, tool: Tool, jobs: SandboxServer
) -> None:
    file = tool.write(
        "paint.yaml", plan("p", {"kinds": ["jobs.batch"], "selector": "app"}, patch=X)
    )
    run = call("plan", file, "-o", "json").json["run"]

    words = ("apply", run, "--dry-run=client", "-o", "json")
    digest = call(*words).json["runDigest"]

    assert call(*words, "--digest", digest).json["run"] == run
    assert call(*words, "--digest", "0" * 64).code == 2
    assert jobs.sent() == 0


def test_without_a_rehearsal_the_run_is_carried_out(call: Caller, jobs: SandboxServer) -> None:
    ended = call("label", "jobs.batch", "x=1", "-A", "-l", "app", "-y", "--dry-run=none")

    assert ended.code == 0
    assert set(values(jobs, "x").values()) == {"1"}


def test_dry_run_never_takes_the_next_argument(call: Caller, jobs: SandboxServer) -> None:
    name = batch(jobs, team="platform")[0]["name"]

    ended = call("label", "--dry-run", "jobs.batch", "--dry-run", name, "x=1", "-n", "platform")
    once = call("label", "jobs.batch", "--dry-run", name, "x=1", "-n", "platform", "-o", "json")
    grouped = call("label", "jobs.batch", "x=1", "-yn", "platform", "--dry-run", "-l", "app")

    assert "--dry-run is given 2 times" in ended.err
    assert (once.code, once.json["reasons"]) == (0, {"applied": {"dry-run": 1}})
    assert grouped.code == 0
    assert set(values(jobs, "x").values()) == {None}


def test_a_dry_run_that_is_the_value_of_another_option_is_a_value(call: Caller) -> None:
    ended = call("label", "jobs.batch", "x=1", "-A", "-l", "--dry-run", "-y")

    assert ended.code == 2
    assert "-l: " in ended.err


# Where.


def test_kubeconfig_names_the_file_and_context_the_cluster(
    call: Caller, jobs: SandboxServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "another kubeconfig"
    file.write_bytes(jobs.kubeconfig.read_bytes())
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    words = ("label", "jobs.batch", "x=1", "-A", "-l", "app", "-y", "--kubeconfig", file)

    assert call(*words, "--context", "sandbox").code == 0
    wrong = call(*words, "--context", "nowhere")

    assert (wrong.code, "no context 'nowhere'; there are: sandbox" in wrong.err) == (1, True)


def test_a_kubeconfig_that_does_not_exist_is_refused(call: Caller) -> None:
    ended = call("label", "jobs.batch", "x=1", "-A", "-l", "app", "--kubeconfig", "nope")

    assert ended.code == 2
    assert "--kubeconfig': nope: no such file" in ended.err


def test_a_field_selector_counts_as_a_selector(call: Caller, jobs: SandboxServer) -> None:
    name = batch(jobs, team="platform")[0]["name"]
    words = ("jobs.batch", "x=1", "-n", "platform", "--field-selector", f"metadata.name={name}")

    ended = call("label", *words, "-y", "-o", "json")

    assert (ended.code, ended.json["targets"]) == (0, 1)


# What is printed.


def test_list_shows_the_labels_and_changes_nothing(call: Caller, jobs: SandboxServer) -> None:
    one = batch(jobs, team="platform")[0]

    ended = call("label", "jobs.batch", one["name"], "-n", "platform", "--list")

    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        f"{key}={one['labels'][key]}" for key in sorted(one["labels"])
    ]
    assert jobs.sent() == 0
    assert "no runs" in call("status").out


def test_list_names_each_of_several_objects(call: Caller, jobs: SandboxServer) -> None:
    ended = call("label", "jobs.batch", "-A", "-l", "team=platform", "--list")

    heads = [line for line in ended.out.splitlines() if not line.startswith(" ")]
    assert heads == [
        f"Listing labels for Job.batch platform/{one['name']} of sandbox:"
        for one in sorted(batch(jobs, team="platform"), key=lambda one: str(one["name"]))
    ]


def test_list_has_formats_for_programs(call: Caller, jobs: SandboxServer) -> None:
    one = batch(jobs, team="platform")[0]
    words = ("label", f"job.batch/{one['name']}", "-n", "platform", "--list", "-o")
    place = {"cluster": "sandbox", "kind": "jobs.batch", "namespace": "platform"}
    expected = [{**place, "name": one["name"], "labels": one["labels"]}]

    assert call(*words, "json").json == expected
    assert YAML(typ="safe").load(call(*words, "yaml").out) == expected
    assert call(*words, "name").out == f"job.batch/{one['name']}\n"
    rows = list(csv.DictReader(io.StringIO(call(*words, "csv").out)))
    assert {row["key"]: row["value"] for row in rows} == one["labels"]


def test_annotations_are_listed_by_annotate(call: Caller, jobs: SandboxServer) -> None:
    words = ("annotate", "jobs.batch", batch(jobs, team="platform")[0]["name"], "-n", "platform")
    assert call(*words, "why=a b", "-y").code == 0

    assert call(*words, "--list").out == "why=a b\n"


def test_list_says_what_is_missing(call: Caller, jobs: SandboxServer) -> None:
    name = batch(jobs, team="platform")[0]["name"]

    some = call("label", "jobs.batch", name, "nope", "-n", "platform", "--list", "-o", "name")
    none = call("label", "jobs.batch", "-A", "-l", "app=nix", "--list")

    assert (some.code, some.out) == (3, f"job.batch/{name}\n")
    assert "warning: jobs.batch nope was not found in cluster sandbox" in some.err
    assert (none.code, none.out, none.err) == (0, "", "No object matches.\n")


def test_list_and_a_change_cannot_be_combined(call: Caller) -> None:
    ended = call("label", "jobs.batch", "x=1", "-A", "-l", "app", "--list")

    assert ended.code == 2
    assert "--list changes nothing: leave the change of 'x' out, or --list" in ended.err


def test_the_result_has_formats_for_programs(call: Caller, jobs: SandboxServer) -> None:
    def label(value: str, *words: str) -> Any:
        return call("label", "jobs.batch", f"x={value}", "-A", "-l", "app", "-y", *words)

    everyone = {f"job.batch/{one['name']}" for one in batch(jobs)}
    assert set(label("1", "--dry-run=client", "-o", "name").out.splitlines()) == everyone
    assert set(label("1", "-o", "name").out.splitlines()) == everyone
    kept = label("2", "-o", "name")
    assert (kept.code, kept.out) == (3, "")
    rows = list(csv.DictReader(io.StringIO(label("1", "-o", "csv").out)))
    assert {row["reason"] for row in rows} == {"already-set"}
    summary = YAML(typ="safe").load(label("1", "-o", "yaml").out)
    assert summary["reasons"] == {"unchanged": {"already-set": len(everyone)}}
    assert list(summary)[:2] == ["run", "runFile"]


def test_quiet_prints_the_result_alone(call: Caller) -> None:
    words = ("jobs.batch", "x=1", "-A", "-l", "app", "-y", "-q", "-o", "name")

    ended = call("label", *words)

    assert (ended.code, ended.err) == (0, "")
    assert len(ended.out.splitlines()) == 12
