"""A real kube-apiserver and etcd for tests and benchmarks; importable without pytest.

Nothing here uses fleetpatch: its client is the independent reader that tests check results with.
"""

from .access import ControlPlane
from .binaries import BinariesNotFoundError, find_binaries
from .client import RawClient, Response
from .manifests import JOB_KINDS, JobKind
from .processes import ControlPlaneError
from .server import OwnControlPlane
from .shared import SharedControlPlane, sharing

__all__ = [
    "JOB_KINDS",
    "BinariesNotFoundError",
    "ControlPlane",
    "ControlPlaneError",
    "JobKind",
    "OwnControlPlane",
    "RawClient",
    "Response",
    "SharedControlPlane",
    "find_binaries",
    "sharing",
]
