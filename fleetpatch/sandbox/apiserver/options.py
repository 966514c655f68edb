"""The query parameters of a write: `dryRun`, `fieldManager` and `force`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from fleetpatch.sandbox.apiserver.statuses import Cause, invalid

_GROUP: Final = "meta.k8s.io"
_MAX_MANAGER: Final = 128
_FALSE: Final = ("false", "0")
_UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """The options of a write."""

    dry_run: bool
    manager: str
    force: bool

    @classmethod
    def parse(
        cls, parameters: Mapping[str, str], kind: str, *, applies: bool | None = None
    ) -> "WriteOptions":
        """Parse query parameters. Raises Refusal (422).

        `kind` is the options' kind, for example `PatchOptions`. `applies` says whether a PATCH is a
        server-side apply; it is None for other verbs.
        """
        causes = [*_of_patch(parameters, applies=applies), *_of_any(parameters)]
        if causes:
            raise invalid(_GROUP, kind, "", causes)
        return cls(
            "dryRun" in parameters,  # its only valid value is All
            parameters.get("fieldManager") or _UNKNOWN,
            parameters.get("force", "false").lower() not in _FALSE,
        )


def _of_patch(parameters: Mapping[str, str], *, applies: bool | None) -> Iterator[Cause]:
    if applies and not parameters.get("fieldManager"):
        why = "Required value: is required for apply patch"
        yield Cause("fieldManager", why, "FieldValueRequired")
    if applies is False and "force" in parameters:
        why = "Forbidden: may not be specified for non-apply patch"
        yield Cause("force", why, "FieldValueForbidden")


def _of_any(parameters: Mapping[str, str]) -> Iterator[Cause]:
    manager = parameters.get("fieldManager", "")
    if len(manager.encode()) > _MAX_MANAGER:
        why = f"Too long: must have at most {_MAX_MANAGER} bytes"
        yield Cause("fieldManager", why, "FieldValueTooLong")
    # Every invalid character is a cause of its own.
    for position, character in enumerate(manager):
        if not character.isprintable():
            why = f"invalid character U+{ord(character):04X} (at position {position})"
            yield Cause("fieldManager", f'Invalid value: "{manager}": {why}')
    dry_run = parameters.get("dryRun", "All")
    if dry_run != "All":
        why = f'Unsupported value: []string{{"{dry_run}"}}: supported values: "All"'
        yield Cause("dryRun", why, "FieldValueNotSupported")
