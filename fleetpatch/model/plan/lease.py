"""What keeps a plan's runs on several machines apart."""

from typing import Annotated, Final

from pydantic import AfterValidator, WithJsonSchema

from fleetpatch.model.names import problem_of_dns_label, problem_of_dns_subdomain
from fleetpatch.model.plan.section import Seconds, Section, fine

SHORTEST: Final = 5
LONGEST: Final = 600
_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"


def _problem_of_lease(text: str) -> str | None:
    namespace, slash, name = text.partition("/")
    if not slash or not name:
        return f"{text!r} is no lease; write it as namespace/name"
    return problem_of_dns_label(namespace) or problem_of_dns_subdomain(name)


def _whole_seconds(seconds: float) -> float:
    if not SHORTEST <= seconds <= LONGEST or seconds != int(seconds):
        raise ValueError(f"must be whole seconds, at least {SHORTEST}s and at most {LONGEST}s")
    return seconds


class LockSection(Section):
    """Keeps other machines from carrying the plan out at the same time."""

    lease: Annotated[
        str,
        fine(_problem_of_lease),
        WithJsonSchema(
            {
                "type": "string",
                "pattern": rf"^{_LABEL}/{_LABEL}(\.{_LABEL})*$",
                "examples": ["fleetpatch/relabel-ml-teams"],
            }
        ),
    ]
    """A Lease in the fleet's first cluster, as namespace/name, that is held meanwhile."""
    duration: Annotated[Seconds, AfterValidator(_whole_seconds)] = 30.0
    """How long a holder that gives no sign of life is waited for, before others take over."""

    @property
    def namespace(self) -> str:
        """The Lease's namespace."""
        return self.lease.partition("/")[0]

    @property
    def name(self) -> str:
        """The Lease's name."""
        return self.lease.partition("/")[2]
