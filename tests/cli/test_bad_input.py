"""Bad input to every command: one clear line, the right exit code, and nothing is sent.

Covered: words and options, files that are not plans or runs, values that are not valid, guards,
kinds and namespaces, digests, run files, logs and state folders that cannot be used, parts of a
plan that this version does not carry out.
Left out: mistakes within plan files (tests/model/plan/test_plan_mistakes.py), kubeconfigs, servers
(test_bad_surroundings.py).
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.calling import Caller
from tests.cli.conftest import ETL, as_anybody, paint
from tests.e2e.sandboxes import SandboxServer
from tests.e2e.tool import Tool, plan

LABEL = "label jobs.batch a=1 -A -l app=etl"

USAGE = [
    ("frobnicate", r"no such command 'frobnicate'; see `fleetpatch --help`"),
    ("--frobnicate", r"no such option: --frobnicate; see `fleetpatch --help`"),
    ("get jobs", r"no such command 'get'\. Did you mean .*'targets'\? See `fleetpatch --help`"),
    ("aply x", r"no such command 'aply'\. Did you mean 'apply'\? See `fleetpatch --help`"),
    ("label jobs a=1 --dry-run=both", r"--dry-run.*'both' is not one of 'none', 'server', 'cl"),
    ("apply x --yes=no", r"not take a value; see `fleetpatch apply --help`"),
    ("plan x --run-file", r"requires an argument; see `fleetpatch plan --help`"),
    ("validate", r"missing argument 'PLAN\.\.\.'; see `fleetpatch validate --help`"),
    ("plan", r"missing argument 'PLAN'; see `fleetpatch plan --help`"),
    ("apply", r"missing argument 'PLAN\|RUN'; see `fleetpatch apply --help`"),
    ("targets", r"missing argument 'RUN'; see `fleetpatch targets --help`"),
    ("label", r"missing argument 'KINDS'; see `fleetpatch label --help`"),
    (
        "apply --dry-run client good.yaml",
        r"--dry-run has its value after '='; write --dry-run=client",
    ),
    ("annotate jobs.batch", r"missing argument 'KEY=VALUE\|KEY:=EXPR\|KEY-\.\.\.'"),
    ("apply good.yaml more", r"unexpected extra argument"),
    ("plan good.yaml --frobnicate", r"no such option: --frobnicate; see `fleetpatch plan --help`"),
    (
        "plan good.yaml --exit-cod",
        r"no such option: --exit-cod\. Did you mean '--exit-code'\? See `fleetpatch plan --help`",
    ),
    ("plan good.yaml -o xml", r"'xml' is not one of 'text', 'json'"),
    ("status -o xml", r"'xml' is not one of"),
    ("plan good.yaml --request-timeout 5", r"'5' is not a valid duration; write it as 30s"),
    ("plan good.yaml --request-timeout 0s", r"'0s' leaves no time for an answer"),
    ("targets paint --outcome lost", r"'lost' is not one of 'pending', 'in-doubt', 'applied'"),
    ("targets paint --reason bad-luck", r"'bad-luck' is not one of"),
    ("sandbox --port 99999", r"'--port': '99999' is too large; use 65535 or less"),
    ("sandbox --jobs many", r"'--jobs': 'many' is not a whole number"),
    ("demo --jobs 0", r"'--jobs': '0' is too small; use 1 or more"),
]

NAMES = [
    ("apply nowhere", r"run 'nowhere': no such file, and no such run in .*; `fleetpatch runs`"),
    ("apply nowhere.yml", r"nowhere\.yml: no such plan file; check the path"),
    ("apply no/where.yaml --yes", r"no/where\.yaml: no such plan file; check the path"),
    ("status nowhere", r"run 'nowhere': no such file, and no such run in .*; `fleetpatch runs`"),
    ("targets nowhere", r"run 'nowhere': no such file"),
    ("status good.yaml", r"good\.yaml: is not a run file; name a run"),
    ("targets good.yaml", r"good\.yaml: is not a run file; name a run"),
    ("plan nowhere.yaml", r"nowhere\.yaml: no such plan file; check the path"),
    ("plan .", r"\.: is a directory; name a plan file in it"),
    ("apply .", r"\.: is a directory; name a plan file in it"),
    (
        "sandbox --chaos nowhere",
        r"chaos 'nowhere' is not a profile, .*: No such file or directory; use one of none, mild",
    ),
    (
        "sandbox --chaos good.yaml",
        r"good\.yaml: not a valid chaos profile: Object contains unknown field `apiVersion`",
    ),
    ("sandbox --chaos broken.yaml", r"broken\.yaml: not valid YAML; correct the file"),
    ("plan good.yaml --run-file good.yaml", r"good\.yaml exists already; name another"),
    ("plan good.yaml --log-file good.yaml", r"good\.yaml exists already and is not a log; name"),
    ("apply good.yaml --yes --log-file few.yaml", r"few\.yaml exists already and is not a log"),
    ("apply good.yaml --yes --log-file .", r"\. exists already and is not a log; name another"),
    ("plan good.yaml --log-file no/log", r"there is no folder no; make it, or name another"),
    ("apply good.yaml --digest abc --yes", r"its digest is sha256:\w+, not abc: it is not the one"),
]

WORDS = [
    ("label jobs.batch a -A -l app=etl", r"'a': write KEY=VALUE to set, or KEY- to remove"),
    ("label jobs.batch a=1 a- -A -l app=etl", r"'a' is given twice"),
    ("label jobs.batch a=1 -l app=etl", r"name the namespaces: -n NAMESPACE \(or a glob\), or -A"),
    (
        "annotate jobs.batch a=1 -l app=etl",
        r"name the namespaces: -n NAMESPACE \(or a glob\), or -A",
    ),
    ("label jobs.batch a=1 -A -n x -l app=etl", r"-n and -A cannot be combined: use -n for some"),
    ("annotate jobs.batch a=1 -n x -n y -A", r"-n and -A cannot be combined"),
    ("label jobs.batch a=1 -n x,y -l app=etl", r"-n: 'x,y' names several; .*option: -n x -n y$"),
    ("label jobs.batch a=1 -A", r"-l: is missing, so every object .* pass --all"),
    ("annotate jobs.batch a=1 -A", r"-l: is missing, so every object .* pass --all"),
    ("label jobs.batch a=1 -A -l app=nix", r"does not match any object; check its names"),
    ("label jobs.batch a=1 -n nix-* -l app=etl", r"no namespace matches"),
    ("label jobs a=1 -A -l app=etl", r"KINDS: .*'jobs' is ambiguous; write one of these: jobs\.b"),
    ("label daemonsets a=1 -A -l app=etl", r"KINDS: on cluster \S+ 'daemonsets' is not served"),
    (f"{LABEL} --concurrency 0", r"'--concurrency': '0' is too small; use 1 or more"),
    (f"{LABEL} --run-file good.yaml", r"good\.yaml exists already"),
    (LABEL, r"there is no terminal to ask on; use --yes"),
]

MEANINGS = [
    (f"{LABEL} --rate 5", r"^fleetpatch: --rate: '5' is not a valid rate; write it as 100/s"),
    ("label jobs.batch a=b,c -A -l app=etl", r"^fleetpatch: a: 'b,c' is not a valid label value"),
    ("label jobs.batch =1 -A -l app=etl", r"'' is not a valid label key"),
    ("label , a=1 -A -l app=etl", r"^fleetpatch: KINDS: is \w+"),
    ("label jobs/x a=1 -A -l app=etl", r"^fleetpatch: KINDS: 'jobs/x' is .* the name of an object"),
    ("label jobs.batch a=1 -n A -l app=etl", r"^fleetpatch: -n: 'A' cannot match a namespace"),
    ("label jobs.batch a=1 -A -l app==,", r"^fleetpatch: -l: column 7 of the selector: "),
    ("label jobs.batch job-name=x -A -l app=etl", r"belongs to the job's controller"),
    (
        "annotate jobs.batch a=1 -A -l app=etl --field-selector x",
        r"^fleetpatch: --field-selector: .*field=value",
    ),
    ("plan bytes.yaml", r"^bytes\.yaml:1:1: the file is not UTF-8 here; save it as UTF-8"),
    ("apply bytes.yaml", r"^bytes\.yaml:1:1: the file is not UTF-8 here; save it as UTF-8"),
    ("plan broken.yaml", r"^broken\.yaml:\d+:\d+: "),
    ("plan empty.yaml", r"^empty\.yaml:1:1: the file contains no plan"),
    ("plan protected.yaml", r"^protected\.yaml:1:\d+: .*belongs to the job's controller"),
    ("validate bytes.yaml", r"^bytes\.yaml:1:1: "),
    ("validate nowhere.yaml", r"^nowhere\.yaml: no such plan file; check the path"),
    ("validate .", r"^\.: is a directory"),
]


@pytest.fixture(autouse=True)
def plan_files(tool: Tool, server: SandboxServer) -> Iterator[None]:
    """Write valid and bad plan files; check afterwards that nothing was sent."""
    tool.write("good.yaml", paint())
    tool.write("empty.yaml", "")
    tool.write("broken.yaml", "a: [\n")
    (tool.folder / "bytes.yaml").write_bytes(b"\xff\xfe")
    tool.write("protected.yaml", plan("grab", ETL, patch={"labels": {"job-name": "x"}}))
    tool.write("few.yaml", paint(guards={"maxTargets": 3}))
    tool.write("all.yaml", plan("all", {"kinds": ["jobs.batch"]}, patch={"labels": {"a": "1"}}))
    before = server.sent()
    yield
    assert server.sent() == before


def contents(tool: Tool) -> dict[Path, bytes]:
    """The files that are given to the commands."""
    return {path: path.read_bytes() for path in tool.folder.glob("*.yaml")}


@pytest.mark.parametrize(("line", "message"), USAGE + NAMES)
def test_a_wrong_command_line_is_reported_in_one_line(
    call: Caller, tool: Tool, line: str, message: str
) -> None:
    before = contents(tool)

    ended = call(*line.split())

    assert contents(tool) == before
    assert (ended.code, ended.out) == (2, "")
    assert re.match(r"fleetpatch: [^\n]*\n\Z", ended.err), ended.err
    assert re.search(message, ended.err), ended.err


@pytest.mark.parametrize(
    "line",
    [
        "plan good.yaml extra -o json",
        "plan good.yaml -o json --log-max-size abc",
        "resume -o=json",
        "targets x -ojson --limit x",
        "apply good.yaml --rate abc -o json",
        "aply good.yaml -o json",
    ],
)
def test_a_wrong_command_line_is_an_object_for_programs(call: Caller, line: str) -> None:
    ended = call(*line.split())

    assert (ended.code, ended.json["causeCode"], ended.json["exitCode"]) == (2, "usage", 2)
    assert ended.err == f"fleetpatch: {ended.json['cause']}\n"


@pytest.mark.parametrize(
    ("words", "named"),
    [(["plan", ""], "PLAN"), (["undo", ""], "RUN"), (["label", "jobs.batch", "", "a=b"], "KEY=")],
)
def test_an_empty_argument_is_refused(call: Caller, words: list[str], named: str) -> None:
    ended = call(*words)

    assert ended.code == 2
    assert re.match(rf"fleetpatch: the argument .*{named}.* is empty; give a value", ended.err)


def test_a_wrong_variable_is_named(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEETPATCH_WORKERS", "many")

    ended = call("apply", "good.yaml")

    assert ended.code == 2
    assert ended.err.startswith("fleetpatch: the variable FLEETPATCH_WORKERS is not valid: 'many'")


def test_a_short_option_may_have_an_equals_sign_as_for_kubectl(call: Caller) -> None:
    ways = [call("kinds", *words.split()) for words in ("-o json", "-ojson", "-o=json")]

    assert ways[0].code == 0
    assert ways[1:] == ways[:1] * 2


@pytest.mark.parametrize(("line", "message"), WORDS)
def test_words_that_cannot_be_meant_are_refused(call: Caller, line: str, message: str) -> None:
    ended = call(*line.split())

    assert (ended.code, ended.out) == (2, "")
    assert re.search(f"^fleetpatch: .*{message}", ended.err, re.MULTILINE), ended.err


@pytest.mark.parametrize(("line", "message"), MEANINGS)
def test_each_problem_of_a_plan_is_a_line_that_begins_with_its_place(
    call: Caller, line: str, message: str
) -> None:
    ended = call(*line.split())

    assert (ended.code, ended.out) == (2, "")
    assert len(ended.err.splitlines()) == 1
    assert re.search(message, ended.err), ended.err


@pytest.mark.parametrize("verb", ["plan", "apply"])
def test_guards_refuse_and_leave_no_run_behind(call: Caller, tool: Tool, verb: str) -> None:
    for file, message in (
        ("few.yaml", r"more objects than guards\.maxTargets allows: \d+ found .*, 3 allowed"),
        ("all.yaml", r"^all\.yaml:1:\d+: targets\[0\]\.selector: is missing, so .* pass --all"),
    ):
        ended = call(verb, file)
        assert (ended.code, ended.out) == (2, "")
        assert re.search(message, ended.err), ended.err
    assert not list(tool.state.rglob("*.run"))


def test_without_a_terminal_nothing_goes_without_yes_but_the_plan_is_kept(
    call: Caller, tool: Tool
) -> None:
    ended = call("apply", "good.yaml")

    assert (ended.code, ended.out) == (2, "")
    (run_file,) = tool.state.rglob("*.run")
    assert ended.err.endswith(
        "there is no terminal to ask on; use --yes to continue without a question "
        f"(the run is kept: `fleetpatch apply {run_file.stem}` carries it out)\n"
    )


def test_a_run_that_was_not_planned_as_a_dry_run_refuses_one(call: Caller) -> None:
    call("plan", "good.yaml")

    ended = call("apply", "paint", "--dry-run", "--yes")

    assert ended.code == 2
    assert "fleetpatch apply PLAN --dry-run" in ended.err


@pytest.mark.parametrize("option", ["--new", "--all", "--run-file=other.run"])
def test_options_for_planning_are_refused_with_a_run(call: Caller, option: str) -> None:
    call("plan", "good.yaml")

    ended = call("apply", "paint", option, "--yes")

    assert ended.code == 2
    assert "are for a plan file, and this is a run" in ended.err


def test_a_run_that_was_refused_by_its_digest_can_still_be_applied(call: Caller) -> None:
    call("plan", "good.yaml")

    ended = call("apply", "paint", "--digest", "sha256:abc", "--yes")

    assert ended.code == 2
    assert "it is not the one that was reviewed" in ended.err
    assert "planned" in call("status").out


def test_all_problems_of_all_files_are_reported_and_valid_files_named(call: Caller) -> None:
    ended = call("validate", "good.yaml", "bytes.yaml", "protected.yaml", "nowhere.yaml")

    assert ended.code == 2
    assert ended.out.startswith("good.yaml: valid (paint, sha256:")
    assert len(ended.out.splitlines()) == 1
    assert [line.partition(":")[0] for line in ended.err.splitlines()] == [
        "bytes.yaml",
        "protected.yaml",
        "nowhere.yaml",
    ]


def test_a_plan_file_that_may_not_be_read_is_named(call: Caller, tool: Tool) -> None:
    (tool.folder / "good.yaml").chmod(0)

    for verb in ("validate", "plan", "apply"):
        with as_anybody(tool.folder):
            ended = call(verb, "good.yaml")
        assert ended.code in {1, 2}
        assert "good.yaml: " in ended.err


def test_validate_reports_for_programs_each_problem_with_its_place(
    call: Caller, tool: Tool
) -> None:
    tool.write("good.yaml", paint())
    # A cron expression that is valid, and opens on either of two days.
    odd = paint("odd", window={"opens": "0 2 13 * FRI", "lasts": "1h", "timezone": "UTC"})
    tool.write("odd.yaml", odd)
    wrong = "apiVersion: fleetpatch/v1\nkind: Plan\nmetadata: {name: Wrong}\npath: {}\n"
    tool.write("wrong.yaml", wrong)

    files = ("good.yaml", "odd.yaml", "wrong.yaml", "nowhere.yaml")
    ended = call("validate", *files, "-o", "json")

    assert (ended.code, ended.err) == (2, "")
    good, odd, wrong, nowhere = ended.json
    assert [one["file"] for one in ended.json] == list(files)
    assert [one["valid"] for one in ended.json] == [True, True, False, False]
    assert good["plan"]["digest"].startswith("sha256:")
    assert (good["problems"], good["warnings"], wrong["plan"]) == ([], [], None)
    assert "opens on day of month 13 and also" in odd["warnings"][0]["message"]
    (name,) = [one for one in wrong["problems"] if "Wrong" in one["message"]]
    assert (name["file"], name["line"], name["column"]) == ("wrong.yaml", 3, 18)
    assert nowhere["problems"] == [
        {
            "file": "nowhere.yaml",
            "line": None,
            "column": None,
            "message": "no such plan file; check the path",
        }
    ]
    text = call("validate", *files)
    assert text.code == 2
    assert len(text.err.splitlines()) == sum(
        len(one["problems"]) + len(one["warnings"]) for one in ended.json
    )


WRONG_OPTIONS = ["--rate=x", "--concurrency=0", "--log-file=/nodir/x.jsonl", "--nosuch"]


@pytest.mark.parametrize("option", WRONG_OPTIONS)
@pytest.mark.parametrize("more", [["-o", "json"], ["-q"], ["--quiet", "--output=json"]])
def test_a_wrong_option_is_an_error_on_stderr_and_in_json(
    call: Caller, option: str, more: list[str]
) -> None:
    ended = call("apply", "plan.yaml", "--yes", *more, option)

    assert ended.code == 2
    assert option.partition("=")[0] in ended.err
    if more == ["-q"]:
        assert ended.out == ""
    else:
        assert ended.json["causeCode"] == "usage"
        assert f"fleetpatch: {ended.json['cause']}\n" == ended.err
