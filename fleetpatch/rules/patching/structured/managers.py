"""The field managers of one object, decoded from `metadata.managedFields` and encoded to it.

A manager is identified by its name, its operation (a client that updates and applies under one name
is two managers), and the API version of its updates. Entries that a client wrote into
`managedFields` itself are accepted. Entries of other API versions are left out, because their
fields would have to be converted first.
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, TypeAlias

import msgspec

from fleetpatch.model.fields import Json
from fleetpatch.rules.patching.structured import fieldsets
from fleetpatch.rules.patching.structured.fieldsets import FieldSet

_TYPE: Final = "FieldsV1"


class Operation(StrEnum):
    """The operation by which a manager writes, as in `managedFields`."""

    APPLY = "Apply"
    UPDATE = "Update"


class Manager(msgspec.Struct, frozen=True):
    """A client that owns fields."""

    name: str
    operation: Operation
    api_version: str

    @property
    def identifier(self) -> str:
        """The text by which managers are sorted, as on the server.

        A manager that applies is the same one for every API version.
        """
        parts = {"manager": self.name, "operation": self.operation}
        # An apply replaces the earlier one of the same manager, whatever its version was.
        if self.operation is Operation.UPDATE:
            parts["apiVersion"] = self.api_version
        return json.dumps(parts, separators=(",", ":"))

    def __str__(self) -> str:
        name = json.dumps(self.name, ensure_ascii=False)
        return f"{name} using {self.api_version}" if self.operation is Operation.UPDATE else name


class OwnedFields(msgspec.Struct, frozen=True):
    """The fields that a manager owns, and when they changed last (RFC 3339), if known."""

    fields: FieldSet
    time: str | None


Managed: TypeAlias = Mapping[Manager, OwnedFields]


def decoded(entries: Json, api_version: str) -> Managed:
    """Decode `managedFields`. Raises ValueError if it is not valid."""
    return dict(_entry(entry) for entry in entries or () if entry.get("apiVersion") == api_version)


def encoded(managed: Managed) -> list[dict[str, Any]]:
    """Encode as `managedFields`: appliers first, then sorted by time and name."""
    order = sorted(
        managed,
        key=lambda manager: (manager.operation, managed[manager].time or "", manager.identifier),
    )
    return [_encoded_entry(manager, managed[manager]) for manager in order]


def _entry(entry: dict[str, Any]) -> tuple[Manager, OwnedFields]:
    if entry.get("fieldsType") != _TYPE:
        raise ValueError(f"fieldsType is not {_TYPE}")
    manager = Manager(
        str(entry.get("manager", "")), Operation(entry["operation"]), entry["apiVersion"]
    )
    return manager, OwnedFields(fieldsets.decoded(entry.get("fieldsV1", {})), entry.get("time"))


def _encoded_entry(manager: Manager, owned: OwnedFields) -> dict[str, Any]:
    entry = {
        "manager": manager.name,
        "operation": manager.operation.value,
        "apiVersion": manager.api_version,
        "time": owned.time,
        "fieldsType": _TYPE,
        "fieldsV1": fieldsets.encoded(owned.fields),
    }
    # Entries that a client wrote may have no time.
    return {key: value for key, value in entry.items() if value is not None}
