"""The managers of one object, read from its `metadata.managedFields` and written there.

A manager is known by its name, by what it does (who updates and applies under one name is two
managers), and by the version that it updates by. What a client itself writes into `managedFields`
is taken as it is, but for entries of other versions, of which nobody here can tell the fields.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

from fleetpatch.model.fields import Json
from fleetpatch.rules.patching.structured import fieldsets
from fleetpatch.rules.patching.structured.fieldsets import FieldSet

_TYPE: Final = "FieldsV1"


class Operation(StrEnum):
    """How a manager writes."""

    APPLY = "Apply"
    UPDATE = "Update"


@dataclass(frozen=True, slots=True)
class Manager:
    """Who owns fields."""

    name: str
    operation: Operation
    api_version: str

    @property
    def identifier(self) -> str:
        """By which managers are sorted; one that applies is the same in each version."""
        parts = {"manager": self.name, "operation": self.operation}
        if self.operation is Operation.UPDATE:
            parts["apiVersion"] = self.api_version
        return json.dumps(parts, separators=(",", ":"))

    def __str__(self) -> str:
        told = json.dumps(self.name, ensure_ascii=False)
        return f"{told} using {self.api_version}" if self.operation is Operation.UPDATE else told


@dataclass(frozen=True, slots=True)
class Holding:
    """What a manager owns, and when that changed last (RFC 3339), if that is known."""

    fields: FieldSet
    time: str | None


Managed: TypeAlias = Mapping[Manager, Holding]


def decoded(entries: Json, api_version: str) -> Managed:
    """Read `managedFields`. Raises ValueError for what is none."""
    return dict(_entry(entry) for entry in entries or () if entry.get("apiVersion") == api_version)


def encoded(managed: Managed) -> list[dict[str, Any]]:
    """The `managedFields` of an object: who applies first, then by time and name."""
    order = sorted(
        managed,
        key=lambda manager: (manager.operation, managed[manager].time or "", manager.identifier),
    )
    return [_encoded_entry(manager, managed[manager]) for manager in order]


def _entry(entry: dict[str, Any]) -> tuple[Manager, Holding]:
    if entry.get("fieldsType") != _TYPE:
        raise ValueError(f"fieldsType is not {_TYPE}")
    manager = Manager(
        str(entry.get("manager", "")), Operation(entry["operation"]), entry["apiVersion"]
    )
    return manager, Holding(fieldsets.decoded(entry.get("fieldsV1", {})), entry.get("time"))


def _encoded_entry(manager: Manager, holding: Holding) -> dict[str, Any]:
    entry = {
        "manager": manager.name,
        "operation": manager.operation.value,
        "apiVersion": manager.api_version,
        "time": holding.time,
        "fieldsType": _TYPE,
        "fieldsV1": fieldsets.encoded(holding.fields),
    }
    return {key: value for key, value in entry.items() if value is not None}
