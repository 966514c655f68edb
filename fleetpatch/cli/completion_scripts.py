"""The scripts with which shells complete `fleetpatch`, and their installation.

They call fleetpatch for each completion (`cli.completion`), so a script does not change with the
verbs.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

from fleetpatch.errors import SurroundingsError, UsageError
from fleetpatch.journal.runs.folders import home

_BASH: Final = """\
_fleetpatch_completion() {
    local IFS=$'\\n'
    COMPREPLY=( $( env COMP_WORDS="${COMP_WORDS[*]}" \\
                   COMP_CWORD=$COMP_CWORD \\
                   _FLEETPATCH_COMPLETE=complete_bash $1 ) )
    return 0
}

complete -o default -F _fleetpatch_completion fleetpatch"""

_ZSH: Final = """\
#compdef fleetpatch

_fleetpatch_completion() {
  eval $(env _TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" \
_FLEETPATCH_COMPLETE=complete_zsh fleetpatch)
}

compdef _fleetpatch_completion fleetpatch"""

_FISH_ASKS: Final = (
    "env _FLEETPATCH_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION={action}"
    " _TYPER_COMPLETE_ARGS=(commandline -cp) fleetpatch"
)
_FISH: Final = (
    "complete --command fleetpatch --no-files"
    f' --arguments "({_FISH_ASKS.format(action="get-args")})"'
    f' --condition "{_FISH_ASKS.format(action="is-args")}"'
)

_POWERSHELL: Final = """\
Import-Module PSReadLine
Set-PSReadLineKeyHandler -Chord Tab -Function MenuComplete
$scriptblock = {
    param($wordToComplete, $commandAst, $cursorPosition)
    $Env:_FLEETPATCH_COMPLETE = "complete_powershell"
    $Env:_TYPER_COMPLETE_ARGS = $commandAst.ToString()
    $Env:_TYPER_COMPLETE_WORD_TO_COMPLETE = $wordToComplete
    fleetpatch | ForEach-Object {
        $commandArray = $_ -Split ":::"
        $command = $commandArray[0]
        $helpString = $commandArray[1]
        [System.Management.Automation.CompletionResult]::new(
            $command, $command, 'ParameterValue', $helpString)
    }
    $Env:_FLEETPATCH_COMPLETE = ""
    $Env:_TYPER_COMPLETE_ARGS = ""
    $Env:_TYPER_COMPLETE_WORD_TO_COMPLETE = ""
}
Register-ArgumentCompleter -Native -CommandName fleetpatch -ScriptBlock $scriptblock"""

_SCRIPTS: Final = MappingProxyType(
    {
        "bash": _BASH,
        "zsh": _ZSH,
        "fish": _FISH,
        "powershell": _POWERSHELL,
        "pwsh": _POWERSHELL,
    }
)


SHELLS: Final = tuple(_SCRIPTS)
"""The shells that have a script."""


def script(shell: str) -> str:
    """Return the script for a shell, for '' the current one. Raises UsageError."""
    return _SCRIPTS[_known(shell)]


def install(shell: str) -> tuple[str, Path]:
    """Install the script for a shell, for '' the current one; return the shell and the file.

    What is installed already is not repeated. Raises UsageError and SurroundingsError.
    """
    shell = _known(shell)
    installers: dict[str, Callable[[], Path]] = {
        "bash": _install_bash,
        "zsh": _install_zsh,
        "fish": _install_fish,
    }
    if shell in installers:
        return shell, installers[shell]()
    return shell, _install_powershell(shell)


def _install_bash() -> Path:
    path = _home() / ".bash_completions" / "fleetpatch.sh"
    # Always in quotes, unlike shlex.quote: earlier versions wrote the line so, and it is not added
    # again.
    quoted = str(path).replace("'", "'\"'\"'")
    with _appending(_home() / ".bashrc") as append:
        _write(path, _BASH)
        append(f"source '{quoted}'")
    return path


def _install_zsh() -> Path:
    path = _home() / ".zfunc" / "_fleetpatch"
    with _appending(_home() / ".zshrc") as append:
        _write(path, _ZSH)
        append("fpath+=~/.zfunc; autoload -Uz compinit; compinit")
        append("zstyle ':completion:*' menu select", unless="zstyle")
    return path


def _install_fish() -> Path:
    path = _home() / ".config" / "fish" / "completions" / "fleetpatch.fish"
    _write(path, _FISH)
    return path


def _install_powershell(shell: str) -> Path:
    words = [shell, "-NoProfile", "-Command", "echo", "$profile"]
    try:
        asked = subprocess.run(words, capture_output=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        raise _no_profile(shell, str(error)) from error
    name = os.fsdecode(asked.stdout).strip()
    if not name:
        raise _no_profile(shell, "it prints nothing")
    with _appending(Path(name)) as append:
        append(_POWERSHELL)
    return Path(name)


def _no_profile(shell: str, why: str) -> SurroundingsError:
    return SurroundingsError(
        f"{shell} does not say where its profile is ({why}); add the output of"
        f" `fleetpatch --show-completion {shell}` to it"
    )


def _home() -> Path:
    if (folder := home()) is None:
        raise SurroundingsError(
            "there is no home folder; add the output of `fleetpatch --show-completion SHELL` to"
            " the settings of the shell"
        )
    return folder


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n", encoding="utf-8")


@contextmanager
def _appending(path: Path) -> Iterator[Callable[..., None]]:
    """Open the settings of a shell; yield a function that appends lines to them.

    It leaves out what they have already, or lines whose `unless` they have. The settings are opened
    before anything else is written, so an installation that is not possible changes nothing. They
    are the user's, in any encoding, so they are read as bytes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        file.seek(0)
        before = file.read()

        def append(text: str, *, unless: str = "") -> None:
            if os.fsencode(unless or text) not in before:
                file.write(os.fsencode(f"\n{text}\n"))

        yield append


def _known(shell: str) -> str:
    if not shell:
        shell = _current()
    if shell not in SHELLS:
        what = f"{shell!r} is not a shell with completion" if shell else "the shell is not known"
        raise UsageError(f"{what}; name it: {', '.join(SHELLS)}")
    return shell


def _current() -> str:
    """Return the shell that called this process, or else that of the user; empty if unknown."""
    login = Path(os.environ.get("SHELL", "")).name
    return next((name for name in _callers() if name in SHELLS), login)


def _callers() -> Iterator[str]:
    """Yield the names of the processes that lead to this one, the nearest first; on Linux."""
    process = os.getppid()
    while process:
        try:
            stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return
        # The name is in parentheses, and may have some; the parent is the second field after it.
        before, _, after = stat.rpartition(")")
        yield before.partition("(")[2]
        process = int(after.split()[1])
