"""The scripts with which shells complete `fleetpatch`, and their installation.

They call fleetpatch for each completion (`cli.completion`), so a script does not change with the
verbs.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Final

from fleetpatch.errors import SurroundingsError, UsageError

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
    path = Path.home() / ".bash_completions" / "fleetpatch.sh"
    _write(path, _BASH)
    _append(Path.home() / ".bashrc", f"source '{path}'")
    return path


def _install_zsh() -> Path:
    path = Path.home() / ".zfunc" / "_fleetpatch"
    _write(path, _ZSH)
    settings = Path.home() / ".zshrc"
    _append(settings, "fpath+=~/.zfunc; autoload -Uz compinit; compinit")
    _append(settings, "zstyle ':completion:*' menu select", unless="zstyle")
    return path


def _install_fish() -> Path:
    path = Path.home() / ".config" / "fish" / "completions" / "fleetpatch.fish"
    _write(path, _FISH)
    return path


def _install_powershell(shell: str) -> Path:
    words = [shell, "-NoProfile", "-Command", "echo", "$profile"]
    try:
        asked = subprocess.run(words, capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        raise SurroundingsError(
            f"{shell} does not say where its profile is ({error}); add the output of"
            f" `fleetpatch --show-completion {shell}` to it"
        ) from error
    profile = Path(asked.stdout.strip())
    _append(profile, _POWERSHELL)
    return profile


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n", encoding="utf-8")


def _append(path: Path, text: str, *, unless: str = "") -> None:
    """Append lines to a file, unless it has them, or has `unless`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    if (unless or text) not in before:
        with path.open("a", encoding="utf-8") as file:
            file.write(f"\n{text}\n")


def _known(shell: str) -> str:
    if not shell:
        shell = _current()
    if shell not in _SCRIPTS:
        what = f"{shell!r} is not a shell with completion" if shell else "the shell is not known"
        raise UsageError(f"{what}; name it: {', '.join(_SCRIPTS)}")
    return shell


def _current() -> str:
    """Return the shell that called this process, or else that of the user; empty if unknown."""
    login = Path(os.environ.get("SHELL", "")).name
    return next((name for name in _callers() if name in _SCRIPTS), login)


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
