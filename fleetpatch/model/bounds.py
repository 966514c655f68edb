"""Numbers that another process or a file has, within bounds: `msgspec` checks them when it decodes.

Within them no sum of what a run has is too large for SQLite or a float.
"""

from typing import Annotated, TypeAlias

import msgspec

from fleetpatch.model.times import LAST_SECOND

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
"""A number of things of one run, or the id of one of its targets."""

Duration: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=LAST_SECOND)]
"""In seconds or in milliseconds."""
