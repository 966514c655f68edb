"""Completes a command line: for shells, and by `cli.kubectl_completion` for kubectl.

The parameters of a verb are read from the signature of its function, so neither click nor the HTTP
client is imported: a completion must take less than 0.3 s. `cli.completion_values` looks the values
up, on this machine only.

The scripts of the shells (`cli.completion_scripts`) call fleetpatch with the variable
`_FLEETPATCH_COMPLETE`, and the line in `COMP_WORDS` and `COMP_CWORD` (bash) or in
`_TYPER_COMPLETE_ARGS` (others): the names in scripts that were installed by earlier versions.
"""

import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from fleetpatch.cli.completion_values import Line, refused, source_of
from fleetpatch.cli.dry_run import DRY_RUN
from fleetpatch.cli.parameters import Parameter, parameters_of
from fleetpatch.cli.verb_modules import function_of
from fleetpatch.errors import UsageError


class Candidate(NamedTuple):
    """One way to complete a word; `help` may be empty."""

    value: str
    help: str = ""


def candidates(verbs: Mapping[str, str], words: Sequence[str], incomplete: str) -> list[Candidate]:
    """Return what `complete` does, and no candidates if it fails.

    A shell shows what is printed within the line that a person types.
    """
    try:
        return complete(verbs, words, incomplete)
    except Exception:  # noqa: BLE001 - a traceback would be shown in the prompt
        return []


def complete(verbs: Mapping[str, str], words: Sequence[str], incomplete: str) -> list[Candidate]:
    """Return the candidates for `incomplete`; `words` are those between `fleetpatch` and it."""
    verb = next((word for word in words if not word.startswith("-")), None)
    if shells := _shells(words, incomplete):
        found = shells
    elif verb is None:
        found = [Candidate(*pair) for pair in verbs.items()]
        found += map(Candidate, ("--help", "--version", *_OF_SHELLS))
    elif verb in verbs:
        position = words.index(verb) + 1
        found = list(_of_verb(verb, words[position:], incomplete))
    else:
        found = []
    return [one for one in found if one.value.startswith(incomplete)]


_OF_SHELLS: Final = ("--install-completion", "--show-completion")
"""The options before a verb whose value is a shell."""


def _shells(words: Sequence[str], incomplete: str) -> list[Candidate]:
    """Return the shells for an option that is followed by one; empty for another place."""
    option, equals, _ = incomplete.partition("=")
    is_joined = bool(equals) and not words and option in _OF_SHELLS
    # bash makes a word of `=`.
    is_next = words[:1] and words[0] in _OF_SHELLS and list(words[1:]) in ([], ["="])
    if not (is_joined or is_next):
        return []
    from fleetpatch.cli.completion_scripts import SHELLS

    return [Candidate(f"{option}={shell}" if is_joined else shell) for shell in SHELLS]


def _of_verb(verb: str, words: Sequence[str], incomplete: str) -> Iterator[Candidate]:
    parameters = list(parameters_of(function_of(verb)))
    by_name = {name: one for one in parameters for name in one.names}
    values, arguments, awaiting = _parsed(words, by_name)
    places = [one for one in parameters if not one.names]
    if awaiting is None and incomplete.startswith("-"):
        option, begun = _joined(incomplete, by_name)
        if option and begun is not None:
            before = incomplete.removesuffix(begun)
            for one in _values(verb, option, Line(values, arguments, begun)):
                yield Candidate(f"{before}{one.value}", one.help)
        else:
            yield from (Candidate(name, one.declared.help) for name, one in by_name.items())
            yield Candidate("--help")
        return
    if awaiting is None and places:
        # The last argument may take any number of words.
        awaiting = places[min(len(arguments), len(places) - 1)]
    if awaiting is not None:
        yield from _values(verb, awaiting, Line(values, arguments, incomplete))


def _joined(word: str, options: Mapping[str, Parameter]) -> tuple[Parameter | None, str | None]:
    """Return the option that a word ends with, and its value if that is in the word.

    As the parser reads it: `--output=json`, and short options in a group, of which the first that
    takes a value takes the rest of the word (`-ojson`, `-o=json`, `-yn`). The last one of other
    groups counts.
    """
    name, equals, value = word.partition("=")
    if word.startswith("--"):
        return options.get(name), value if equals else None
    option = None
    for end, letter in enumerate(word[1:], 2):
        if (option := options.get(f"-{letter}")) is None or not option.is_flag:
            rest = word[end:]
            return option, rest.removeprefix("=") if rest else None
    return option, None


def _parsed(
    words: Sequence[str], options: Mapping[str, Parameter]
) -> tuple[dict[str, str], list[str], Parameter | None]:
    """Return the values of options, the arguments, and the option whose value is next."""
    values: dict[str, str] = {}
    arguments: list[str] = []
    awaiting: Parameter | None = None
    for previous, word in zip(("", *words), words, strict=False):
        if word == "=":  # bash makes a word of it, so that `--output=json` arrives as three
            if previous.startswith("-"):
                awaiting, _ = _joined(previous, options)
        elif awaiting is not None:
            values[awaiting.long_name], awaiting = word, None
        elif not word.startswith("-"):
            arguments.append(word)
        else:
            option, value = _joined(word, options)
            if option and value is not None:
                values[option.long_name] = value
            elif option and not option.is_flag and option.long_name != DRY_RUN:
                awaiting = option
    return values, arguments, awaiting


def _values(verb: str, parameter: Parameter, line: Line) -> Iterator[Candidate]:
    not_taken = refused(verb, parameter.long_name)
    yield from (Candidate(one) for one in parameter.choices() if one not in not_taken)
    if source := source_of(parameter):
        yield from map(Candidate, source(line))


def answer(verbs: Mapping[str, str], instruction: str) -> int:
    """Answer the script of a shell; return the exit code. Raises UsageError.

    `instruction` is the value of `_FLEETPATCH_COMPLETE`: `complete_SHELL` asks for candidates, and
    `source_SHELL` for the script.
    """
    match instruction.split("_"):
        case ["source", shell]:
            from fleetpatch.cli.completion_scripts import script

            _print([script(shell)])
        case ["complete", "bash"]:
            _print(one.value for one in candidates(verbs, *_typed_in_bash()))
        case ["complete", "zsh"]:
            found = candidates(verbs, *_typed())
            names = " ".join(shlex.quote(one.value) for one in found)
            _print([f"compadd -- {names}" if found else "_files"])
        case ["complete", "fish"]:
            found = candidates(verbs, *_typed())
            if os.environ.get("_TYPER_COMPLETE_FISH_ACTION") == "is-args":
                return 0 if found else 1
            _print(described(found))
        case ["complete", "powershell" | "pwsh"]:
            found = candidates(verbs, *_typed_in_powershell())
            # PowerShell refuses an empty description.
            _print(f"{one.value}:::{one.help or ' '}" for one in found)
        case _:
            raise UsageError(f"_FLEETPATCH_COMPLETE={instruction}: no such instruction; unset it")
    return 0


def described(found: Sequence[Candidate]) -> Iterator[str]:
    """Yield candidates as fish and kubectl read them: the help follows a tabulator."""
    for one in found:
        yield f"{one.value}\t{one.help}" if one.help else one.value


def _typed_in_bash() -> tuple[list[str], str]:
    """Return the words before the cursor and the word at it, of bash."""
    words = _split(os.environ.get("COMP_WORDS", ""))
    position = os.environ.get("COMP_CWORD", "")
    # Scripts may set the variable to nothing: the word after the last one is completed then.
    at = int(position) if position.isdecimal() else len(words)
    incomplete = words[at] if at < len(words) else ""
    # `--output=` arrives with `=` as the word to complete.
    return words[1:at], "" if incomplete == "=" else incomplete


def _typed() -> tuple[list[str], str]:
    """Return the words before the cursor and the word at it, of zsh and fish."""
    text = os.environ.get("_TYPER_COMPLETE_ARGS", "")
    words = _split(text)[1:]
    if words and not text.endswith(" "):
        return words[:-1], words[-1]
    return words, ""


def _typed_in_powershell() -> tuple[list[str], str]:
    """Return the words before the cursor and the word at it, of PowerShell."""
    words = _split(os.environ.get("_TYPER_COMPLETE_ARGS", ""))[1:]
    # The line has no blank at its end, so a variable tells whether its last word is complete.
    if os.environ.get("_TYPER_COMPLETE_WORD_TO_COMPLETE") and words:
        return words[:-1], words[-1]
    return words, ""


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # an open quotation
        return text.split()


def _print(lines: Iterator[str] | Sequence[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
