"""The plan's `verify`: whether the applied values are still there after a while."""

from fleetpatch.model.plan.field_types import CountOrPercentage, Seconds
from fleetpatch.model.plan.section import Section


class VerifySection(Section, frozen=True, kw_only=True):
    """Reads the objects again some time after they were changed."""

    after: Seconds
    """How long after the last success of the run, or of each wave, the objects are read again."""
    max_reverted: CountOrPercentage | None = None
    """The number or share of reverted objects that is tolerated; one more halts the run. Absent: no
    limit."""
