"""Compare the predicted result of a merge with the object in a server's answer."""

from collections.abc import Iterator
from typing import Any

from fleetpatch.rules.patching.merge_rules import MergeRules, stored

OWN = ("generation", "managedFields", "resourceVersion", "uid")
"""Metadata that a server changes itself, or that a request has a placeholder for."""


def differences(answer: Any, predicted: Any, rules: MergeRules) -> Iterator[str]:
    """Yield predicted values that are not in the answer; it may also contain defaults.

    A null in a new map of quantities or strings is not a difference: the server turns it into "0"
    or "".
    """
    kept = stored(predicted, rules.by_patch)
    metadata = {key: one for key, one in kept["metadata"].items() if key not in OWN}
    yield from _differences(answer, {**kept, "metadata": metadata}, "")


def labels(document: Any) -> dict[str, str]:
    return document["metadata"].get("labels") or {}


def _differences(answer: Any, predicted: Any, path: str) -> Iterator[str]:
    match answer, predicted:
        case dict(), dict():
            for key, value in predicted.items():
                yield from _differences(answer.get(key), value, f"{path}.{key}")
        case list(), list() if len(answer) == len(predicted):
            for position, value in enumerate(predicted):
                yield from _differences(answer[position], value, f"{path}[{position}]")
        case "0" | "", None:
            pass
        case _ if answer != predicted:
            yield f"{path}: {answer!r}, predicted {predicted!r}"
