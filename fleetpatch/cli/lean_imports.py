"""Imports libraries without what they load only because it is there, and fleetpatch does not use.

That is three tenths of the instructions of a start. Only a process of the command line does it,
which has these libraries for itself; `import fleetpatch` leaves them as they are.

* aiohttp would read the system's certificates, twice, for default contexts that `kube.http` never
  uses. OpenSSL looks for them where a variable says.
* structlog would import rich, to colour lines, and tenacity would import tornado, to repeat its
  coroutines. An entry None in `sys.modules` is Python's way to say that a package is missing.

All of it is optional. If a library does need it, its lean import fails, and the statements that
import it in the usual way succeed.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from types import MappingProxyType
from typing import Final, cast

_LIBRARIES: Final = ("structlog", "tenacity", "aiohttp")
_VARIABLES: Final = MappingProxyType({"SSL_CERT_FILE": os.devnull})
_NOT_USED: Final = ("rich", "tornado")


def load_libraries() -> None:
    """Import the libraries of a verb that sends requests; before any module that uses them."""
    with _environment(_VARIABLES), _hidden(_NOT_USED):
        for library in _LIBRARIES:
            with suppress(ImportError):
                import_module(library)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables while the block runs, in which no process may be started."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _hidden(packages: Sequence[str]) -> Iterator[None]:
    """Let packages that are not imported yet seem not to be installed while the block runs."""
    modules = cast(dict[str, object], sys.modules)
    hidden = [name for name in packages if name not in modules]
    modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del modules[name]
