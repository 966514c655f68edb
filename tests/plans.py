"""Plans for tests, made of values instead of a file."""

from collections.abc import Mapping

from fleetpatch.model.fields import Json
from fleetpatch.model.plan.load import plan_file_from
from fleetpatch.model.plan.schema import Plan


def plan_from(mapping: Mapping[str, Json]) -> Plan:
    """Check a plan given as values with the file's keys. Raises PlanError."""
    return plan_file_from(mapping, "command line", {}).plan
