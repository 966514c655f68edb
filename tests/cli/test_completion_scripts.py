"""The scripts with which shells complete `fleetpatch`: shown, and installed.

Covered: the files of each shell, a second installation, settings of the user, which shell is meant.
Left out: what shells other than bash do with their scripts.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fleetpatch.cli import completion_scripts
from tests.cli.calling import Caller
from tests.e2e.tool import Tool

SHELLS = ["bash", "zsh", "fish", "powershell", "pwsh"]
SCRIPTS = {
    "bash": ".bash_completions/fleetpatch.sh",
    "zsh": ".zfunc/_fleetpatch",
    "fish": ".config/fish/completions/fleetpatch.fish",
    "pwsh": "profile.ps1",
}
"""The files that are installed, below the home folder."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, and a PowerShell that names a profile in it."""
    folder = tmp_path / "home"
    folder.mkdir()
    shell = tmp_path / "pwsh"
    shell.write_text(f"#!/bin/sh\necho '{folder}/profile.ps1'\n")
    shell.chmod(0o755)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return folder


def files(folder: Path) -> dict[str, str]:
    """The files below a folder, with their texts."""
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_asks_fleetpatch_in_the_way_of_its_shell(call: Caller, shell: str) -> None:
    ended = call("--show-completion", shell)

    asked = "powershell" if shell == "pwsh" else shell
    assert (ended.code, ended.err) == (0, "")
    assert "_FLEETPATCH_COMPLETE" in ended.out
    assert f"complete_{asked}" in ended.out


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_is_also_printed_for_the_variable_of_earlier_set_ups(
    call: Caller, monkeypatch: pytest.MonkeyPatch, shell: str
) -> None:
    shown = call("--show-completion", shell).out
    monkeypatch.setenv("_FLEETPATCH_COMPLETE", f"source_{shell}")

    ended = call()

    assert (ended.code, ended.out) == (0, shown)


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_script_of_a_shell_is_installed_once(call: Caller, home: Path, shell: str) -> None:
    ended = call("--install-completion", shell)

    first = files(home)
    assert (ended.code, ended.err) == (0, "")
    assert f"{shell} completion installed in {home / SCRIPTS[shell]}.\n" in ended.out
    assert first[SCRIPTS[shell]].strip() == call("--show-completion", shell).out.strip()
    assert call("--install-completion", shell).code == 0
    assert files(home) == first


def test_bash_and_zsh_load_their_scripts(call: Caller, home: Path) -> None:
    for shell in ("bash", "zsh"):
        assert call("--install-completion", shell).code == 0

    found = files(home)
    assert f"source '{home / SCRIPTS['bash']}'\n" in found[".bashrc"]
    assert "fpath+=~/.zfunc; autoload -Uz compinit; compinit\n" in found[".zshrc"]
    assert "zstyle ':completion:*' menu select\n" in found[".zshrc"]


def test_settings_of_the_user_stay_as_they_are(call: Caller, home: Path) -> None:
    (home / ".zshrc").write_text("zstyle ':completion:*' menu yes")
    (home / ".bashrc").write_text("alias k=kubectl")

    for shell in ("bash", "zsh"):
        assert call("--install-completion", shell).code == 0

    found = files(home)
    assert found[".bashrc"].startswith("alias k=kubectl\n")
    assert found[".zshrc"].startswith("zstyle ':completion:*' menu yes\n")
    assert "menu select" not in found[".zshrc"]


@pytest.mark.parametrize(("shell", "settings"), [("bash", ".bashrc"), ("zsh", ".zshrc")])
def test_settings_may_have_any_encoding(
    call: Caller, home: Path, shell: str, settings: str
) -> None:
    (home / settings).write_bytes(b"# caf\xe9\n")

    for _ in range(2):
        assert call("--install-completion", shell).code == 0

    assert (home / settings).read_bytes().startswith(b"# caf\xe9\n\n")
    assert (home / settings).read_bytes().count(b"fleetpatch" if shell == "bash" else b"fpath") == 1


@pytest.mark.parametrize(("shell", "settings"), [("bash", ".bashrc"), ("zsh", ".zshrc")])
def test_settings_that_cannot_be_written_leave_nothing_half_installed(
    call: Caller, home: Path, shell: str, settings: str
) -> None:
    (home / settings).mkdir()

    ended = call("--install-completion", shell)

    assert (ended.code, ended.out) == (1, "")
    assert ended.err == f"fleetpatch: {home / settings}: Is a directory\n"
    assert files(home) == {}


@pytest.mark.parametrize("name", ["it's mine", "$(exit 9)", "two  words", 'a"b'])
def test_bash_loads_its_script_from_any_home_folder(
    call: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / name))
    assert call("--install-completion", "bash").code == 0

    script = 'source "$HOME/.bashrc" && complete -p fleetpatch'
    ended = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "_fleetpatch_completion" in ended.stdout


@pytest.mark.parametrize(
    ("program", "what"),
    [
        ("", "pwsh does not say where its profile is (it prints nothing); add"),
        ("exit 3\n", "add the output of `fleetpatch --show-completion pwsh` to it\n"),
    ],
)
def test_a_powershell_without_a_profile_is_an_error_with_advice(
    call: Caller, home: Path, tmp_path: Path, program: str, what: str
) -> None:
    (tmp_path / "pwsh").write_text(f"#!/bin/sh\n{program}")

    ended = call("--install-completion", "pwsh")

    assert (ended.code, ended.out) == (1, "")
    assert what in ended.err
    assert files(home) == {}


@pytest.mark.parametrize("option", ["--install-completion", "--show-completion"])
def test_another_shell_is_refused_with_those_that_are_known(
    call: Caller, home: Path, option: str
) -> None:
    ended = call(option, "tcsh")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "fleetpatch: 'tcsh' is not a shell with completion; name it:"
        " bash, zsh, fish, powershell, pwsh\n"
    )
    assert files(home) == {}


@pytest.mark.parametrize(
    ("callers", "login", "words"),
    [
        (["make", "fish", "bash"], "/bin/zsh", "complete --command fleetpatch"),
        (["cron"], "/usr/bin/zsh", "#compdef fleetpatch"),
        ([], "", "fleetpatch: the shell is not known; name it: bash, zsh"),
    ],
    ids=["nearest", "login", "unknown"],
)
def test_without_a_name_the_shell_is_the_nearest_caller_or_that_of_the_user(
    call: Caller, monkeypatch: pytest.MonkeyPatch, callers: list[str], login: str, words: str
) -> None:
    monkeypatch.setattr(completion_scripts, "_callers", lambda: iter(callers))
    monkeypatch.setenv("SHELL", login)

    ended = call("--show-completion")

    assert f"{ended.out}{ended.err}".startswith(words)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs the files of Linux")
def test_bash_is_recognized_where_it_calls_fleetpatch(tool: Tool) -> None:
    program = tool.folder / "fleetpatch"
    program.write_text(f"#!{sys.executable}\nfrom fleetpatch.cli.app import main\nmain()\n")
    program.chmod(0o755)

    ended = subprocess.run(
        ["bash", "-c", f"{program} --show-completion; exit $?"],
        capture_output=True,
        text=True,
        check=False,
        env=tool.environment | {"SHELL": "/bin/zsh"},
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.endswith("complete -o default -F _fleetpatch_completion fleetpatch\n")
