"""What the tests expect of a real server of some version: in this place only."""

import re
from dataclasses import dataclass

from fleetpatch.rules.patching.merge_rules import release
from fleetpatch.rules.patching.merge_schema import VERSIONS
from fleetpatch.sandbox.apiserver.release import KubernetesVersion
from tests.control_plane import ControlPlane

_EMPTY_VALUES = re.compile(r",[,\s]*,\s*\)")


@dataclass(frozen=True)
class Expected:
    """The expectations of a server of `version` ("1.20")."""

    version: str

    @classmethod
    def of(cls, control_plane: ControlPlane) -> "Expected":
        document = control_plane.request("GET", "/version").body
        return cls(release(document["gitVersion"]))

    @property
    def sandbox(self) -> KubernetesVersion | None:
        """The version of the sandbox that answers alike; None if it cannot serve this one."""
        known = {version.value: version for version in KubernetesVersion}
        return known.get(self.version)

    @property
    def has_table(self) -> bool:
        """Whether the merge rules of this version are known; of others only some are certain."""
        return self.version in VERSIONS

    @property
    def has_whole_table(self) -> bool:
        """Whether the table has all types: that of 1.36 was made from a part of the schema."""
        return self.version == KubernetesVersion.V1_20

    @property
    def cron_jobs(self) -> str:
        """The API version of CronJobs: `batch/v1` since 1.21."""
        return "batch/v1beta1" if self._minor < 21 else "batch/v1"

    @property
    def keeps_null_entries(self) -> bool:
        """Whether a merge patch can put null into a list: since 1.22."""
        return self._minor >= 22

    @property
    def malformed_operation(self) -> int:
        """The status for a JSON Patch with a member of a wrong type or a number out of range.

        Servers decode patches strictly since 1.25.
        """
        return 422 if self._minor < 25 else 400

    def parses_alike(self, selector: str) -> bool:
        """Whether the server is known to parse a label selector as fleetpatch does.

        Current servers accept several commas at the end of the values of `in` and `notin`, which
        fleetpatch refuses. It is not known since which version.
        """
        return self.version == KubernetesVersion.V1_20 or not _EMPTY_VALUES.search(selector)

    @property
    def _minor(self) -> int:
        return int(self.version.partition(".")[2])
