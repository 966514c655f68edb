"""coordination.k8s.io/v1 Lease: decoding and validation, as in kube-apiserver."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from fleetpatch.model.fields import Json
from fleetpatch.sandbox.apiserver.statuses import Cause

_MICRO_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)")


class _LeaseSpec(msgspec.Struct, rename="camel", omit_defaults=True):
    """The fields and types of LeaseSpec."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


def decoded(spec: Json) -> dict[str, Any]:
    """Decode a LeaseSpec: drop unknown fields and nulls. Raises ValueError for wrong types."""
    known: dict[str, Any] = msgspec.to_builtins(msgspec.convert(spec or {}, _LeaseSpec))
    for key in ("acquireTime", "renewTime"):
        # MicroTime is stricter than RFC 3339: exactly six digits of fractions.
        if key in known and not _MICRO_TIME.fullmatch(known[key]):
            raise ValueError(f"spec.{key}: parsing time {known[key]!r}: cannot parse")
    return known


def problems(spec: Mapping[str, Any]) -> Iterator[Cause]:
    """Yield what is not valid in a LeaseSpec."""
    seconds, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if seconds is not None and seconds <= 0:
        why = f"Invalid value: {seconds}: must be greater than 0"
        yield Cause("spec.leaseDurationSeconds", why)
    if transitions is not None and transitions < 0:
        why = f"Invalid value: {transitions}: must be greater than or equal to 0"
        yield Cause("spec.leaseTransitions", why)
