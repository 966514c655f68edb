"""What a run changes in each object, free of the file it was written in.

Three kinds: labels and annotations, for which metadata is all that is ever read; a patch body of
the plan's own, for which whole objects are; and a restoration, whose wanted values stand with each
target (undo).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

from fleetpatch.model.fields import Json, Path, annotation, label

FIELD_MANAGER: Final = "fleetpatch"
"""Who we are to the server, where a plan does not say."""


class PatchType(StrEnum):
    """How the server is to read a patch's body; the value is the content type."""

    MERGE = "application/merge-patch+json"
    JSON = "application/json-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class MetadataChange:
    """Labels and annotations to set (None removes), and labels to rename or to copy.

    A renamed or copied label keeps each object's own value; an object that lacks it is left alone.
    No key is written twice (the plan file's checks see to it).
    """

    labels: Mapping[str, str | None] = field(default_factory=dict)
    annotations: Mapping[str, str | None] = field(default_factory=dict)
    rename_labels: Mapping[str, str] = field(default_factory=dict)
    copy_labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def touched(self) -> tuple[Path, ...]:
        """Every field that the change may write, sorted."""
        kept = {**self.rename_labels, **self.copy_labels}
        names = {*self.labels, *kept.keys(), *self.rename_labels.values(), *kept.values()}
        return (
            *(annotation(key) for key in sorted(self.annotations)),
            *(label(key) for key in sorted(names)),
        )


@dataclass(frozen=True, slots=True)
class BodyPatch:
    """A patch body as the plan has it: a document, or for JSON Patch a list of operations.

    `manager` is the field manager that it is sent as, which tells what an apply would remove.
    """

    type: PatchType
    body: Json
    manager: str = FIELD_MANAGER


@dataclass(frozen=True, slots=True)
class Restoration:
    """Puts back what each target's `wanted` says; `whole` where that is not all metadata."""

    whole: bool = False


PlanChange: TypeAlias = MetadataChange | BodyPatch
"""What a plan file can ask for."""

Change: TypeAlias = PlanChange | Restoration


def reads_whole(change: Change) -> bool:
    """Tell whether whole objects must be read, where metadata would not do."""
    match change:
        case MetadataChange():
            return False
        case BodyPatch():
            return True
        case Restoration(whole=whole):
            return whole


def is_repeatable(change: Change) -> bool:
    """Tell whether doing it twice comes to the same as once.

    Not so for a JSON Patch: it may append, move, and remove by position.
    """
    return not (isinstance(change, BodyPatch) and change.type is PatchType.JSON)


@dataclass(frozen=True, slots=True)
class PatchOptions:
    """How each PATCH of a run is sent, whatever it changes.

    `force` takes fields over from other managers, for apply alone; `pretty` asks for an indented
    answer.
    """

    field_manager: str = FIELD_MANAGER
    force: bool = False
    pretty: bool = False


@dataclass(frozen=True, slots=True)
class PatchRequest:
    """The body of one PATCH, how the server is to read it, and with which options."""

    type: PatchType
    body: bytes
    options: PatchOptions = PatchOptions()
