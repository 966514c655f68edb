"""The plan's `lock`: a Lease that keeps several machines from applying the plan at once."""

from typing import Annotated, Final

from fleetpatch.model.lease import MAX_DURATION
from fleetpatch.model.names import problem_of_dns_label, problem_of_dns_subdomain
from fleetpatch.model.plan.field_types import duration_type, text_type
from fleetpatch.model.plan.section import Section

SHORTEST: Final = 5
"""Seconds. Request timeouts are fractions of it (`engine.lease`), and would become too short."""

_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"


def _problem_of_lease(text: str) -> str | None:
    namespace, slash, name = text.partition("/")
    if not slash or not name:
        return f"{text!r} is not a valid lease; write it as namespace/name"
    return problem_of_dns_label(namespace) or problem_of_dns_subdomain(name)


def _problem_of_duration(seconds: float) -> str | None:
    # `leaseDurationSeconds` of a Lease is an integer.
    if SHORTEST <= seconds <= MAX_DURATION and seconds == int(seconds):
        return None
    return f"must be whole seconds, at least {SHORTEST}s and at most {MAX_DURATION}s"


class LockSection(Section, frozen=True, kw_only=True):
    """Keeps other machines from applying the plan at the same time."""

    lease: Annotated[
        str,
        text_type(
            _problem_of_lease,
            pattern=rf"^{_LABEL}/{_LABEL}(\.{_LABEL})*$",
            examples=["fleetpatch/relabel-ml-teams"],
        ),
    ]
    """A Lease in the fleet's first cluster, as namespace/name, that is held during a run."""
    duration: Annotated[float, duration_type(_problem_of_duration)] = 30.0
    """How long after its last renewal others may take the Lease over."""

    @property
    def namespace(self) -> str:
        """The Lease's namespace."""
        return self.lease.partition("/")[0]

    @property
    def name(self) -> str:
        """The Lease's name."""
        return self.lease.partition("/")[2]
