"""How completion answers shells and `kubectl fleetpatch`.

Covered: the protocols of bash, zsh, fish, PowerShell and kubectl; the entry points; that neither
click nor a client is imported. Left out: what is completed (test_completion), the scripts of the
shells (test_completion_scripts).
"""

import os
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from fleetpatch.cli import completion, kubectl_completion
from fleetpatch.cli.app import VERBS
from fleetpatch.cli.completion import Candidate, complete
from fleetpatch.model.run import Standing
from tests.cli.calling import Caller, call_main
from tests.e2e.tool import Tool

ROOT = Path(__file__).parents[2]


def asked(call: Caller, monkeypatch: pytest.MonkeyPatch, shell: str, **variables: str) -> Any:
    monkeypatch.setenv("_FLEETPATCH_COMPLETE", f"complete_{shell}")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return call()


def test_bash_gets_a_value_a_line(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    line = "fleetpatch targets --outcome = "

    ended = asked(call, monkeypatch, "bash", COMP_WORDS=line, COMP_CWORD="3")

    assert (ended.code, ended.out.split()) == (0, list(Standing))


def test_bash_may_have_an_open_quotation(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    line = "fleetpatch label 'jo"

    assert asked(call, monkeypatch, "bash", COMP_WORDS=line, COMP_CWORD="2").code == 0


@pytest.mark.parametrize("position", ["", "abc", "-1", "99"])
def test_bash_may_give_no_position(
    call: Caller, monkeypatch: pytest.MonkeyPatch, position: str
) -> None:
    line = "fleetpatch plan"

    ended = asked(call, monkeypatch, "bash", COMP_WORDS=line, COMP_CWORD=position)

    assert (ended.code, ended.err) == (0, "")


def test_a_completion_that_fails_prints_nothing_into_the_line(
    call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> list[Candidate]:
        raise MemoryError

    monkeypatch.setattr(completion, "complete", fail)

    ended = asked(call, monkeypatch, "bash", COMP_WORDS="fleetpatch ", COMP_CWORD="1")

    assert (ended.code, ended.out, ended.err) == (0, "", "")


def test_zsh_gets_a_command(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = asked(call, monkeypatch, "zsh", _TYPER_COMPLETE_ARGS="fleetpatch plan x -o ")
    files = asked(call, monkeypatch, "zsh", _TYPER_COMPLETE_ARGS="fleetpatch plan x --log-file ")

    assert (ended.code, ended.out) == (0, "compadd -- text json markdown\n")
    assert files.out == "_files\n"


def test_fish_gets_values_with_their_meaning(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    line = {"_TYPER_COMPLETE_ARGS": "fleetpatch targ"}

    some = asked(call, monkeypatch, "fish", **line, _TYPER_COMPLETE_FISH_ACTION="get-args")
    is_any = asked(call, monkeypatch, "fish", **line, _TYPER_COMPLETE_FISH_ACTION="is-args")

    assert some.out == f"targets\t{VERBS['targets']}\n"
    assert is_any.code == 0


@pytest.mark.parametrize("shell", ["powershell", "pwsh"])
@pytest.mark.parametrize(
    ("line", "word", "printed"),
    [
        ("fleetpatch targ", "targ", f"targets:::{VERBS['targets']}\n"),
        ("fleetpatch plan x -o", "", "text::: \njson::: \nmarkdown::: \n"),
        ("fleetpatch plan x --exit", "--exit", "--exit-code:::End with 8 if there is something"),
    ],
)
def test_powershell_gets_values_with_their_meaning(
    call: Caller, monkeypatch: pytest.MonkeyPatch, shell: str, line: str, word: str, printed: str
) -> None:
    variables = {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_WORD_TO_COMPLETE": word}

    ended = asked(call, monkeypatch, shell, **variables)

    assert ended.code == 0
    assert ended.out.startswith(printed)


def test_an_unknown_shell_is_refused(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = asked(call, monkeypatch, "tcsh")

    assert (ended.code, ended.out) == (2, "")
    assert "_FLEETPATCH_COMPLETE=complete_tcsh: no such instruction" in ended.err


def test_options_are_completed_with_their_help() -> None:
    (found,) = complete(VERBS, ["plan"], "--exit")

    assert found.help == "End with 8 if there is something to patch, else with 0."


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        (("tar",), [f"targets\t{VERBS['targets']}", ":4"]),
        (("kinds", "--provider", "c"), ["cci", ":4"]),
        (("plan", "--log-file", ""), [":0"]),
        ((), None),
    ],
)
def test_kubectl_gets_values_and_a_directive(
    line: tuple[str, ...],
    printed: list[str] | None,
) -> None:
    ended = call_main(*line, main=kubectl_completion.main)

    lines = ended.out.splitlines()
    assert (ended.code, ended.err) == (0, "")
    assert lines == printed or (printed is None and len(lines) == len(VERBS) + 5)


def test_a_folder_is_completed_without_a_blank_after_it(tmp_path: Path) -> None:
    (tmp_path / "plans").mkdir()

    ended = call_main("plan", f"{tmp_path}/", main=kubectl_completion.main)

    assert ended.out == f"{tmp_path}/plans/\n:6\n"


def test_kubectl_may_exit_before_it_has_read_all() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    program = "from fleetpatch.cli.kubectl_completion import main; main()"

    with os.fdopen(writer, "wb") as closed:
        ended = subprocess.run(
            [sys.executable, "-c", program, ""],
            stdout=closed,
            stderr=subprocess.PIPE,
            check=False,
        )

    assert (ended.returncode, ended.stderr) == (0, b"")


def test_kubectl_gets_one_line_for_bytes_that_are_no_text() -> None:
    ended = call_main("\udcff", main=kubectl_completion.main)

    assert ended.code == 2
    assert ended.err.startswith("fleetpatch: the argument '\\xff' is not valid UTF-8")


def test_the_entry_points_of_kubectl_are_functions() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]

    assert {"fleetpatch", "kubectl-fleetpatch", "kubectl_complete-fleetpatch"} == scripts.keys()
    for target in scripts.values():
        module, _, function = target.partition(":")
        assert callable(getattr(import_module(module), function))


def test_a_completion_imports_neither_click_nor_a_client() -> None:
    program = (
        "import sys; from fleetpatch.cli.app import VERBS;"
        "from fleetpatch.cli.completion import complete;"
        "complete(VERBS, ['label', 'jobs.batch', '--context'], '');"
        "print(*sorted({'aiohttp', 'click', 'rich', 'ruamel', 'sqlite3', 'anyio'}"
        " & sys.modules.keys()))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert ended.stdout.strip() == ""


def test_the_plugin_calls_itself_as_kubectl_does(tool: Tool) -> None:
    program = "import sys; sys.argv[0] = 'kubectl-fleetpatch'; from fleetpatch.cli.app import main;"
    ended = subprocess.run(
        [sys.executable, "-c", f"{program} main()", "targets"],
        capture_output=True,
        text=True,
        check=False,
        env=tool.environment,
    )

    assert ended.returncode == 2
    assert "see `kubectl fleetpatch targets --help`" in ended.stderr


def test_the_script_for_bash_completes_a_line(tool: Tool) -> None:
    program = tool.folder / "fleetpatch"
    program.write_text(f"#!{sys.executable}\nfrom fleetpatch.cli.app import main\nmain()\n")
    program.chmod(0o755)
    script = """\
eval "$(fleetpatch --show-completion bash)"
COMP_WORDS=(fleetpatch targets --reason ex) COMP_CWORD=3
_fleetpatch_completion fleetpatch
echo "${COMPREPLY[@]}"
"""
    environment = tool.environment
    environment["PATH"] = f"{tool.folder}:{environment['PATH']}"

    ended = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=False, env=environment
    )

    assert ended.stdout == "exists exhausted\n", ended.stderr
