"""The plan's `verify`: whether the applied values are still there after a while."""

from typing import Annotated

from fleetpatch.model.plan.section import CountOrPercentage, Given, Seconds, Section


class VerifySection(Section):
    """Reads the objects again some time after they were changed."""

    after: Seconds
    """How long after the last success of the run, or of each wave, the objects are read again."""
    max_reverted: Annotated[CountOrPercentage | None, Given] = None
    """The number or share of reverted objects that is tolerated; one more halts the run. Absent: no
    limit."""
