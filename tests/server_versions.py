"""What the tests need and expect of a real server of some version: in this place only.

The tests run on kube-apiserver 1.20.2, and on those of 1.28 to 1.36 (etcd 3.4 to 3.6).

| expectation | versions |
|---|---|
| the sandbox answers alike, and the tables have the rules | 1.20, 1.36 |
| CronJobs are `batch/v1beta1` | to 1.24; `batch/v1` since 1.21 |
| a merge patch drops null entries of lists | to 1.21 |
| a malformed operation of a JSON Patch is a 422 | to 1.24; a 400 since 1.25 |
| the Content-Type of /openapi/v2 is not JSON | 1.20; JSON in 1.36 |
| aggregated discovery has a new custom kind later than its group does | since 1.26 |
| a server that is ready answers lists with 429 until its cache is initialized | since 1.31 |
| several commas at the end of the values of `in` are accepted | 1.36; not in 1.20 |
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import pytest

from fleetpatch.rules.patching.merge_rules import release
from fleetpatch.rules.patching.merge_schema import VERSIONS
from fleetpatch.sandbox.apiserver.release import KubernetesVersion
from tests.control_plane import ControlPlane

APISERVER_FLAGS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "--advertise-address": 0,
        "--audit-log-path": 4,
        "--audit-policy-file": 7,
        "--authorization-mode": 0,
        "--bind-address": 0,
        "--cert-dir": 0,
        "--disable-admission-plugins": 10,
        "--endpoint-reconciler-type": 9,
        "--etcd-servers": 0,
        "--secure-port": 0,
        "--service-account-issuer": 10,
        "--service-account-key-file": 0,
        "--service-account-signing-key-file": 10,
        "--service-cluster-ip-range": 0,
        "--token-auth-file": 0,
    }
)
"""The flags of kube-apiserver that the tests use, and the minor version that has them first.

None was removed up to 1.36. Not used: `--insecure-port` (removed in 1.24).
"""

ETCD_FLAGS: Final = frozenset(
    {
        "--advertise-client-urls",
        "--data-dir",
        "--initial-advertise-peer-urls",
        "--initial-cluster",
        "--listen-client-urls",
        "--listen-peer-urls",
    }
)
"""The flags of etcd that the tests use; etcd 3.4, 3.5 and 3.6 have them.

`--unsafe-no-fsync` is not used, because 3.4 does not have it.
"""

API_VERSIONS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "admissionregistration.k8s.io/v1": 16,
        "apiextensions.k8s.io/v1": 16,
        "audit.k8s.io/v1": 12,
        "authorization.k8s.io/v1": 6,
        "batch/v1": 2,
        "coordination.k8s.io/v1": 14,
        "rbac.authorization.k8s.io/v1": 8,
        "v1": 0,
    }
)
"""The versions of built-in APIs that the tests use, and the minor version that has them first.

None was removed up to 1.36. CronJobs are the exception (`Expected.cron_jobs`).
"""

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

    def require_table(self) -> None:
        """Skip the test if the merge rules of this version are not known."""
        if not self.has_table:
            pytest.skip(f"the merge rules of Kubernetes {self.version} are not recorded")

    @property
    def has_whole_table(self) -> bool:
        """Whether the table has all types: that of 1.36 was made from a part of the schema."""
        return self.version == KubernetesVersion.V1_20

    @property
    def is_compared_live(self) -> bool:
        """Whether the sandbox was compared live with pod templates of this version.

        With 1.36 it is compared by recorded conversations.
        """
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
