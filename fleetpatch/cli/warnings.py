"""Warnings on stderr, of a plan file or a kubeconfig: the exit code is not affected."""

import sys
from datetime import UTC, datetime

from fleetpatch.model.plan.load import PlanFile


def show_warnings(plan: PlanFile) -> None:
    """Print each warning in a line that begins with its place."""
    for warning in plan.warnings(datetime.now(UTC)):
        sys.stderr.write(f"{warning}\n")


class WarnOnce:
    """Writes lines to stderr, each of them at its first occurrence only.

    The clusters of a plan are opened to plan and again to apply.
    """

    def __init__(self) -> None:
        self._written: set[str] = set()

    def __call__(self, warning: str) -> None:
        """Write the line `warning`."""
        if warning not in self._written:
            self._written.add(warning)
            sys.stderr.write(f"warning: {warning}\n")
