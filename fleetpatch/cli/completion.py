"""Completes a command line: for shells, and by `cli.kubectl_completion` for kubectl.

The parameters of a verb are read from the signature of its function, so neither typer's parser nor
the HTTP client is imported: a completion must take less than 0.3 s. `cli.completion_values` looks
the values up, on this machine only.

The scripts of `fleetpatch --install-completion` are typer's. They call fleetpatch with the variable
`_FLEETPATCH_COMPLETE`, and the line in `COMP_WORDS` and `COMP_CWORD` (bash) or in
`_TYPER_COMPLETE_ARGS` (zsh, fish).
"""

import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from typer.models import ArgumentInfo, OptionInfo

from fleetpatch.cli.completion_values import SOURCES, Line
from fleetpatch.cli.verb_modules import function_of


class Candidate(NamedTuple):
    """One way to complete a word; `help` may be empty."""

    value: str
    help: str = ""


class _Parameter(NamedTuple):
    """A parameter of a verb; `names` are those of an option, empty for an argument."""

    names: tuple[str, ...]
    source: str
    annotation: Any

    @property
    def is_flag(self) -> bool:
        return self.annotation is bool

    def choices(self) -> list[str]:
        """Return the values of an enumeration."""
        kinds = (self.annotation, *get_args(self.annotation))
        kinds = (*kinds, *(inner for kind in kinds for inner in get_args(kind)))
        enums = (one for one in kinds if isinstance(one, type) and issubclass(one, StrEnum))
        return [value.value for enum in enums for value in enum]


def complete(verbs: Mapping[str, str], words: Sequence[str], incomplete: str) -> list[Candidate]:
    """Return the candidates for `incomplete`; `words` are those between `fleetpatch` and it."""
    verb = next((word for word in words if not word.startswith("-")), None)
    if verb is None:
        found = [Candidate(*pair) for pair in verbs.items()]
        found += [Candidate(option) for option in ("--help", "--version")]
    elif verb in verbs:
        position = words.index(verb) + 1
        found = list(_of_verb(function_of(verb), words[position:], incomplete))
    else:
        found = []
    return [one for one in found if one.value.startswith(incomplete)]


def _of_verb(
    function: Callable[..., Any], words: Sequence[str], incomplete: str
) -> Iterator[Candidate]:
    parameters = list(_parameters(function))
    by_name = {name: one for one in parameters for name in one.names}
    values, arguments, awaiting = _parsed(words, by_name)
    places = [one for one in parameters if not one.names]
    if awaiting is None and incomplete.startswith("-"):
        option, equals, begun = incomplete.partition("=")
        if equals and option in by_name:
            for one in _values(by_name[option], values, arguments, begun):
                yield Candidate(f"{option}={one.value}", one.help)
        else:
            yield from map(Candidate, (*by_name, "--help"))
        return
    if awaiting is None and places:
        # The last argument may take any number of words.
        awaiting = places[min(len(arguments), len(places) - 1)]
    if awaiting is not None:
        yield from _values(awaiting, values, arguments, incomplete)


def _parsed(
    words: Sequence[str], options: Mapping[str, _Parameter]
) -> tuple[dict[str, str], list[str], _Parameter | None]:
    """Return the values of options, the arguments, and the option whose value is next."""
    values: dict[str, str] = {}
    arguments: list[str] = []
    awaiting: tuple[str, _Parameter] | None = None
    for previous, word in zip(("", *words), words, strict=False):
        name, equals, value = word.partition("=")
        if word == "=":  # bash makes a word of it, so that `--output=json` arrives as three
            if previous in options:
                awaiting = options[previous].names[0], options[previous]
        elif awaiting is not None:
            values[awaiting[0]], awaiting = word, None
        elif word.startswith("-") and name in options:
            if equals:
                values[options[name].names[0]] = value
            elif not options[name].is_flag and name != "--dry-run":
                awaiting = options[name].names[0], options[name]
        elif not word.startswith("-"):
            arguments.append(word)
    return values, arguments, awaiting and awaiting[1]


def _values(
    parameter: _Parameter, values: Mapping[str, str], arguments: Sequence[str], incomplete: str
) -> Iterator[Candidate]:
    yield from map(Candidate, parameter.choices())
    if source := SOURCES.get(parameter.source):
        yield from map(Candidate, source(Line(values, arguments, incomplete)))


def _parameters(function: Callable[..., Any]) -> Iterator[_Parameter]:
    for name, hint in get_type_hints(function, include_extras=True).items():
        if get_origin(hint) is None or not hasattr(hint, "__metadata__"):
            continue
        annotation, *metadata = get_args(hint)
        for info in metadata:
            if isinstance(info, OptionInfo) and not info.hidden:
                # In an annotation the first name takes the place of a default.
                first = (info.default,) if str(info.default).startswith("-") else ()
                names = (*first, *(info.param_decls or ())) or (f"--{name.replace('_', '-')}",)
                # The long name first: it identifies the option.
                names = tuple(sorted(names, key=len, reverse=True))
                yield _Parameter(names, info.metavar or names[0], annotation)
            elif isinstance(info, ArgumentInfo):
                yield _Parameter((), info.metavar or name, annotation)


def complete_for_shell(verbs: Mapping[str, str], instruction: str) -> int | None:
    """Answer the script of a shell; return the exit code, or None for another shell.

    `instruction` is the value of `_FLEETPATCH_COMPLETE`, such as `complete_bash`.
    """
    match instruction:
        case "complete_bash":
            words = _split(os.environ.get("COMP_WORDS", ""))
            at = int(os.environ.get("COMP_CWORD", len(words)))
            incomplete = words[at] if at < len(words) else ""
            # `--output=` arrives with `=` as the word to complete.
            incomplete = "" if incomplete == "=" else incomplete
            _print(one.value for one in complete(verbs, words[1:at], incomplete))
            return 0
        case "complete_zsh":
            found = complete(verbs, *_typed())
            names = " ".join(shlex.quote(one.value) for one in found)
            _print([f"compadd -- {names}" if found else "_files"])
            return 0
        case "complete_fish":
            found = complete(verbs, *_typed())
            if os.environ.get("_TYPER_COMPLETE_FISH_ACTION") == "is-args":
                return 0 if found else 1
            _print(described(found))
            return 0
    return None


def described(found: Sequence[Candidate]) -> Iterator[str]:
    """Yield candidates as fish and kubectl read them: the help follows a tabulator."""
    for one in found:
        yield f"{one.value}\t{one.help}" if one.help else one.value


def _typed() -> tuple[list[str], str]:
    """Return the words before the cursor and the word at it, of zsh and fish."""
    text = os.environ.get("_TYPER_COMPLETE_ARGS", "")
    words = _split(text)[1:]
    if words and not text.endswith(" "):
        return words[:-1], words[-1]
    return words, ""


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # an open quotation
        return text.split()


def _print(lines: Iterator[str] | Sequence[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
