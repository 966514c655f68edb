"""Imports the module of a verb, when the verb is called or completed."""

from collections.abc import Callable
from importlib import import_module
from typing import Final

_MODULES: Final = {"annotate": "label"}
"""The modules of verbs that do not have a module of their own name."""


def function_of(verb: str) -> Callable[..., None]:
    """Return the function of a verb; its parameters are those of the verb."""
    module = import_module(f"fleetpatch.cli.verbs.{_MODULES.get(verb, verb)}")
    function: Callable[..., None] = getattr(module, verb if verb in _MODULES else "command")
    return function
