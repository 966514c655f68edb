"""Keys that controllers own: changed by hand, they break what they drive.

A plan that touches one is refused, unless it allows that key by name (`guards.allowKeys`).
"""

from typing import Final

PROTECTED_KEYS: Final = frozenset({"controller-uid", "job-name", "kueue.x-k8s.io/queue-name"})
"""The job controller's two old keys, which its pods are found by, and Kueue's queue."""

PROTECTED_PREFIXES: Final = ("batch.kubernetes.io/", "training.kubeflow.org/", "volcano.sh/")
"""Whole families of keys: of the job controller, of Kubeflow's training operator, of Volcano."""


def is_protected(key: str) -> bool:
    """Say whether the label or annotation `key` belongs to a controller."""
    return key in PROTECTED_KEYS or key.startswith(PROTECTED_PREFIXES)
