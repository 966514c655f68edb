"""What was foreseen of a merge, held against the object that a server answered."""

from collections.abc import Iterator
from typing import Any

from fleetpatch.rules.patching.merge_rules import MergeRules, stored

OWN = ("generation", "managedFields", "resourceVersion", "uid")
"""Metadata that a server changes by itself, or that stands for its value in a request."""


def missed(answer: Any, foreseen: Any, rules: MergeRules) -> Iterator[str]:
    """What is foreseen and not in the answer; what else is in the answer are defaults.

    A null in a new map of quantities or strings, which the server turns into "0" or "", is none.
    """
    kept = stored(foreseen, rules.by_patch)
    metadata = {key: one for key, one in kept["metadata"].items() if key not in OWN}
    yield from _differences(answer, {**kept, "metadata": metadata}, "")


def labels(document: Any) -> dict[str, str]:
    return document["metadata"].get("labels") or {}


def _differences(answer: Any, foreseen: Any, path: str) -> Iterator[str]:
    match answer, foreseen:
        case dict(), dict():
            for key, value in foreseen.items():
                yield from _differences(answer.get(key), value, f"{path}.{key}")
        case list(), list() if len(answer) == len(foreseen):
            for position, value in enumerate(foreseen):
                yield from _differences(answer[position], value, f"{path}[{position}]")
        case "0" | "", None:
            pass
        case _ if answer != foreseen:
            yield f"{path}: {answer!r}, foreseen {foreseen!r}"
