"""Warnings of a plan file on stderr: it is valid, and the exit code is not affected."""

import sys
from datetime import UTC, datetime

from fleetpatch.model.plan.load import PlanFile


def show_warnings(plan: PlanFile) -> None:
    """Print each warning in a line that begins with its place."""
    for warning in plan.warnings(datetime.now(UTC)):
        sys.stderr.write(f"{warning}\n")
