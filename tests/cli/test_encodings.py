"""Bytes and characters that a stream or an argument cannot hold: replaced or refused, by name.

Covered: stdout and stderr in encodings that lack a character, JSON in them, answers that are not
text, arguments that are not UTF-8 for every verb, a state directory whose name is not UTF-8.
Left out: what text from servers is cleaned of (tests/model/test_text.py).
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.cli import streams
from fleetpatch.cli.app import VERBS
from tests.cli.calling import Caller
from tests.cli.conftest import ETL
from tests.e2e.sandboxes import SandboxServer
from tests.e2e.tool import Tool, end, plan

ODD = "a\U0001f600\u202e\xe9\x1bx"
"""An emoji, a right-to-left override, an accent and an escape character."""


@pytest.fixture
def odd_plan(tool: Tool) -> Path:
    document = plan("odd", ETL, patch={"annotations": {"note": ODD}})
    return tool.write("plan.yaml", json.dumps(document, ensure_ascii=False))


def in_encoding(tool: Tool, encoding: str) -> Tool:
    return replace(tool, variables={"PYTHONIOENCODING": encoding})


ONE_AFTER_THE_OTHER = """
import json, sys
from fleetpatch.cli.app import main

codes = []
for words in json.loads(sys.argv[1]):
    sys.argv[1:] = words
    try:
        main()
    except SystemExit as ended:
        codes.append(ended.code)
with open("codes", "w") as file:
    json.dump(codes, file)
"""
"""Calls `main` for several commands in one process, with the streams of that process."""


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("encoding", ["gbk", "latin-1", "ascii", "utf-8", "cp437:strict"])
def test_any_value_can_be_shown_in_any_encoding(tool: Tool, odd_plan: Path, encoding: str) -> None:
    words = [
        ("plan", str(odd_plan)),
        ("status",),
        ("status", "odd"),
        ("targets", "odd"),
        ("apply", "odd"),
        ("validate", str(odd_plan)),
    ]
    command = [sys.executable, "-c", ONE_AFTER_THE_OTHER, json.dumps(words)]
    environment = in_encoding(tool, encoding).environment

    ended = subprocess.run(
        command, cwd=tool.folder, env=environment, capture_output=True, check=False
    )

    assert ended.returncode == 0, ended.stderr
    assert b"Traceback" not in ended.stderr
    codes = json.loads((tool.folder / "codes").read_text())
    assert codes == [2 if verb == "apply" else 0 for verb, *_ in words]


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("encoding", ["gbk", "latin-1", "ascii"])
def test_json_stays_json_in_an_encoding_that_lacks_a_character(
    tool: Tool, odd_plan: Path, encoding: str
) -> None:
    narrow = in_encoding(tool, encoding)

    planned = narrow.run("plan", odd_plan, "-o", "json")
    listed = narrow.run("targets", "odd", "-o", "jsonl")

    assert planned.json["samples"][0]["after"] == {"metadata.annotations.note": ODD}
    assert all(json.loads(line) for line in listed.out.splitlines())


@given(st.text(), st.sampled_from(["ascii", "gbk", "latin-1", "utf-8"]))
def test_a_character_that_an_encoding_lacks_is_written_as_a_json_escape(
    text: str, encoding: str
) -> None:
    streams.make_encodings_total()
    quoted = json.dumps(text, ensure_ascii=False)

    written = quoted.encode(encoding, streams.ESCAPE).decode(encoding)

    assert json.loads(written) == text


def decoded(*words: bytes) -> list[str]:
    """Return arguments as a process that is started with them has them."""
    return [*map(os.fsdecode, words)]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_refuses_an_argument_that_is_not_utf8_by_name(call: Caller, verb: str) -> None:
    ended = call(*decoded(verb.encode(), b"note=x\xffy"))

    assert (ended.code, ended.out) == (2, "")
    assert "the argument 'note=x\\xffy' is not valid UTF-8; nothing was sent" in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        (b"annotate", b"jobs", b"note=x\xffy", b"-A"),
        (b"label", b"jobs", b"a=b", b"-A", b"--field-selector", b"metadata.name=\xff"),
        (b"label", b"jobs", b"a=b", b"-A", b"--field-selector=metadata.name=\xff"),
        (b"label", b"jobs", b"a=b", b"-n", b"\xff"),
        (b"label", b"jobs", b"a=b", b"-A", b"-l", b"\xe4\xf6"),
        (b"label", b"jobs", b"a=b", b"-A", b"--run-file", b"\xff.run"),
        (b"apply", b"\xff.yaml"),
        (b"apply", b"plan.yaml", b"--digest", b"\xff"),
        (b"status", b"--state-dir", b"\xff"),
        (b"targets", b"x", b"--outcome", b"\xff"),
        (b"resume", b"x", b"--log-file", b"\xff"),
        (b"sandbox", b"--chaos", b"\xff"),
        (b"\xff",),
        (b"--\xff",),
    ],
)
def test_every_option_refuses_what_is_not_utf8_by_name(
    call: Caller, server: SandboxServer, words: tuple[bytes, ...]
) -> None:
    sent = server.sent()

    ended = call(*decoded(*words))

    odd = next(word for word in words if not word.isascii())
    assert (ended.code, ended.out) == (2, "")
    assert f"'{odd.decode('utf-8', 'backslashreplace')}'" in ended.err
    assert "is not valid UTF-8" in ended.err
    assert ended.err.count("\n") == 1
    assert server.sent() == sent


def test_the_option_before_an_argument_that_is_not_utf8_is_named(tool: Tool) -> None:
    words = (b"label", b"jobs", b"a=b", b"-A", b"--field-selector", b"\xff")

    ended = end(tool.start(*decoded(*words)))

    assert (ended.code, ended.out) == (2, "")
    assert "the argument '\\xff' after --field-selector is not valid UTF-8" in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.usefixtures("server")
def test_a_state_directory_whose_name_is_not_utf8_works(tool: Tool, odd_plan: Path) -> None:
    odd = replace(tool, variables={"FLEETPATCH_STATE_DIR": f"{tool.folder}/\udcff"})

    for words in (("plan", odd_plan), ("status",), ("targets", "odd")):
        ended = odd.run(*words)
        assert ended.code == 0, ended.err
    tried = odd.run("apply", odd_plan, "--dry-run", "--yes", "-o", "json")

    assert tried.code == 0, tried.err
    assert tried.json["outcomes"]["applied"] > 0


@pytest.mark.usefixtures("server")
def test_a_run_in_a_state_directory_whose_name_is_not_utf8_is_undone(
    tool: Tool, odd_plan: Path
) -> None:
    odd = replace(tool, variables={"FLEETPATCH_STATE_DIR": f"{tool.folder}/\udcff"})
    assert end(odd.fork("apply", odd_plan, "--yes")).code == 0

    undone = end(odd.fork("undo", "odd", "--yes", "-o", "json"))

    assert undone.code == 0, undone.err
    assert undone.json["outcomes"]["applied"] > 0
    assert f"Undone:   by {undone.json['run']}" in end(odd.fork("status", "odd")).out
