"""Finds the binaries of the control plane."""

import subprocess
from pathlib import Path

from .processes import ControlPlaneError

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "control-plane"
_NOT_FOUND = 3


class BinariesNotFoundError(Exception):
    """No kube-apiserver and etcd; the message is one line that says how to get them."""


def find_binaries() -> Path:
    """Return the directory that holds kube-apiserver and etcd, as scripts/control-plane says.

    Raises BinariesNotFoundError when there are none and the script may not build them here, and
    ControlPlaneError when it failed in another way.
    """
    run = subprocess.run([SCRIPT], capture_output=True, text=True, check=False)
    if run.returncode == 0:
        return Path(run.stdout.strip())
    lines = run.stderr.splitlines()[-20:]
    if run.returncode == _NOT_FOUND:
        raise BinariesNotFoundError(lines[-1] if lines else "no kube-apiserver and etcd found")
    raise ControlPlaneError("\n".join([f"{SCRIPT.name} exited with {run.returncode}", *lines]))
