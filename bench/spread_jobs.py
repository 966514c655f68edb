"""Job objects on a control plane, spread evenly over namespaces."""

from tests.control_plane import JOB_KINDS, ControlPlane
from tests.control_plane.manifests import JobKind

SELECTOR = "app=bench"
"""Selects all of them."""
_NAMESPACES = 20


def create_spread(plane: ControlPlane, count: int, kind: JobKind = JOB_KINDS["jobs.batch"]) -> None:
    """Create `count` objects of a kind in twenty new namespaces."""
    key, _, value = SELECTOR.partition("=")
    for number in range(_NAMESPACES):
        share = count // _NAMESPACES + (number < count % _NAMESPACES)
        plane.create_jobs(share, plane.namespace(), kind, labels=lambda _: {key: value})
