"""The CEL runtime: Google's C++ implementation, bound to Python (`cel-expr-python`).

The only importer of that package, which is the extra `fleetpatch[cel]` and is imported when the
first expression is compiled. It compiles a text to bytes with all names and types checked, and
evaluates such bytes. Its errors of both kinds become values of this module.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any, Final, TypeAlias

import msgspec

EXTRA: Final = "pip install 'fleetpatch[cel]'"
"""The command that installs the runtime."""

Type: TypeAlias = str
"""A scalar's name (`STRING`), `list`, `map` (by text), or `rows` (maps by text)."""

BOOL: Final = "BOOL"
STRING: Final = "STRING"
DYN: Final = "DYN"
ERROR: Final = "ERROR"

_PLACED: Final = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_CODE: Final = re.compile(r" \[[A-Z_]+\]$")


class Mistake(msgspec.Struct, frozen=True):
    """What is wrong with an expression; `offset` is the place in its text, in characters."""

    offset: int
    what: str


class CompileError(Exception):
    """An expression that the runtime does not accept."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("; ".join(one.what for one in mistakes))
        self.mistakes = tuple(mistakes)


class EvaluationError(Exception):
    """An expression that has no value for its data."""


class Overload(msgspec.Struct, frozen=True):
    """One signature of a function that is implemented in Python."""

    name: str
    id: str
    parameters: tuple[Type, ...]
    result: Type
    function: Callable[..., Any]
    is_member: bool = False


class Compiled(msgspec.Struct, frozen=True):
    """A checked expression: its type (`STRING`, `optional_type<DYN>`, ...), and its bytes."""

    type: str
    serialized: bytes


def is_installed() -> bool:
    """Report whether the extra is installed."""
    return find_spec("cel_expr_python") is not None


@cache
def _modules() -> Any:
    # Here and not at the top: the runtime is an extra, and plans without expressions do not load
    # its 50 MB.
    from cel_expr_python import cel  # noqa: PLC0415

    return cel


def _extensions() -> list[Any]:
    from cel_expr_python.ext import (  # noqa: PLC0415 - as in `_modules`
        ext_bindings,
        ext_encoders,
        ext_math,
        ext_optional,
        ext_strings,
    )

    return [
        ext_strings.ExtStrings(),
        ext_optional.ExtOptional(),
        ext_math.ExtMath(),
        ext_bindings.ExtBindings(),
        ext_encoders.ExtEncoders(),
    ]


def _type(name: Type) -> Any:
    types = _modules().Type
    match name:
        case "map":
            return types.Map(types.STRING, types.DYN)
        case "list":
            return types.List(types.DYN)
        case "rows":
            return types.Map(types.STRING, types.Map(types.STRING, types.DYN))
        case _:
            return getattr(types, name)


class Environment:
    """The variables and functions that expressions may use."""

    def __init__(self, variables: Mapping[str, Type], functions: Sequence[Overload] = ()) -> None:
        cel = _modules()
        by_name: dict[str, list[Overload]] = {}
        for one in functions:
            by_name.setdefault(one.name, []).append(one)
        own = [
            cel.FunctionDecl(
                name,
                [
                    cel.Overload(
                        one.id,
                        _type(one.result),
                        [_type(parameter) for parameter in one.parameters],
                        one.is_member,
                        one.function,
                    )
                    for one in overloads
                ],
            )
            for name, overloads in by_name.items()
        ]
        extensions = _extensions()
        if own:
            extensions.append(cel.CelExtension("fleetpatch", own))
        self._env = cel.NewEnv(
            variables={name: _type(kind) for name, kind in variables.items()},
            extensions=extensions,
        )
        # Until it has compiled something, the runtime does not convert times, and an expression
        # that was deserialized could not read `now`.
        self._env.compile("0")

    def compile(self, text: str) -> Compiled:
        """Compile and check an expression. Raises CompileError."""
        expression = self._compiled(text, check=True)
        return Compiled(str(expression.return_type().name()), expression.serialize())

    def parse(self, text: str) -> bytes:
        """Parse an expression, whatever its names and types. Raises CompileError."""
        parsed: bytes = self._compiled(text, check=False).serialize()
        return parsed

    def _compiled(self, text: str, *, check: bool) -> Any:
        try:
            return self._env.compile(text, disable_check=not check)
        except (RuntimeError, ValueError, TypeError) as error:
            raise CompileError(_mistakes(str(error), text)) from None

    def load(self, serialized: bytes) -> "Program":
        """Prepare an expression for evaluation."""
        return Program(self._env.deserialize(serialized))


class Program:
    """An expression that can be evaluated."""

    def __init__(self, expression: Any) -> None:
        self._eval = expression.eval

    def evaluate(self, data: Mapping[str, Any]) -> Any:
        """Return the value in Python's types. Raises EvaluationError.

        Python has no optional values: an expression that yields one must be within a list.
        """
        try:
            value = self._eval(data=data)
            if value.type().name() != ERROR:
                return value.plain_value()
            text = str(value.plain_value())
        # SystemError: the binding raises it for an optional within a list.
        except (RuntimeError, ValueError, TypeError, OverflowError, SystemError) as error:
            text = str(error)
        raise EvaluationError(text)


def _mistakes(message: str, text: str) -> list[Mistake]:
    """Return the mistakes in a message of the runtime, with their offsets in the text."""
    starts = [0]
    for position, character in enumerate(text):
        if character == "\n":
            starts.append(position + 1)
    found = []
    for line, column, what in _PLACED.findall(message):
        start = starts[min(int(line), len(starts)) - 1]
        found.append(Mistake(min(start + int(column) - 1, len(text)), _CODE.sub("", what)))
    return found or [Mistake(0, _CODE.sub("", message.split("\n", 1)[0]))]
