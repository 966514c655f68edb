"""Runs the command of a pod as a kubelet would, without a container engine: only root can.

The process has namespaces of its own: it is process 1, and its root is read-only and has no
/etc/passwd. It has the user and group of the pod and no capabilities, and just the variables of the
container. It reads its account from the files that a kubelet mounts.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import needs
from tests.cli.calling import Ended
from tests.e2e.tool import end

ROOT = Path(__file__).parents[2]
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
PROGRAM = "/opt/fleetpatch/bin/fleetpatch"
"""The entry point of the image."""

_SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/sbin", "/dev")


@dataclass(frozen=True)
class Pod:
    """A pod: its spec, and the folders of this machine that it mounts, by the paths in it.

    Folders in `writable` may be written, as far as their permissions go.
    """

    spec: Any
    folder: Path
    mounts: Mapping[str, Path]
    writable: Sequence[str]

    def run(self, variables: Mapping[str, str], *words: str) -> Ended:
        """Run the container's program with its variables and these arguments to its end."""
        return end(self.start(variables, *words))

    def start(self, variables: Mapping[str, str], *words: str) -> subprocess.Popen[str]:
        """Start it. It is process 1 of its process namespace, as in a container."""
        (container,) = self.spec["containers"]
        own = {one["name"]: one["value"] for one in container["env"]}
        script = "\n".join(self._script(own | dict(variables), [PROGRAM, *words]))
        namespaces = ["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"]
        return subprocess.Popen(
            ["unshare", *namespaces, "sh", "-euc", script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _script(self, variables: Mapping[str, str], words: Sequence[str]) -> list[str]:
        user = self.spec["securityContext"]
        root = self.folder / "root"
        root.mkdir(exist_ok=True)
        own = [f"{name}={value}" for name, value in variables.items()]
        inside = [*("setpriv", f"--reuid={user['runAsUser']}", f"--regid={user['runAsGroup']}")]
        inside += [f"--groups={user['fsGroup']}", "--no-new-privs", "--inh-caps=-all"]
        inside += ["--bounding-set=-all", "env", "-i", *own, *words]
        shown = {path: Path(path) for path in (*_SYSTEM, *_of_python())} | dict(self.mounts)
        shown["/opt/fleetpatch"] = Path(sys.prefix)
        lines = [f"mount -t tmpfs -o mode=755 none {root}"]
        # A folder comes before those in it: a checkout may be below a folder that a volume hides.
        for path, source in sorted(shown.items()):
            if source.exists():
                at = shlex.quote(f"{root}{path}")
                read_only = "" if path in (*self.writable, "/dev") else "ro,"
                lines.append(f"mkdir -p {at} && mount --rbind {shlex.quote(str(source))} {at}")
                lines.append(f"mount -o remount,bind,{read_only}nosuid {at}")
        lines.append(f"mkdir {root}/proc && mount -t proc proc {root}/proc")
        lines.append(f"mount -o remount,ro {root}")
        lines.append(f"cd / && exec chroot {root} {shlex.join(inside)}")
        return lines


def _of_python() -> set[str]:
    """The folders of this interpreter, of its packages and of fleetpatch."""
    return {sys.prefix, sys.base_prefix, str(ROOT)}


def terminate(pod: subprocess.Popen[str]) -> None:
    """Send SIGTERM to the first process of a pod, as a kubelet does."""
    children = Path(f"/proc/{pod.pid}/task/{pod.pid}/children").read_text().split()
    (first,) = map(int, children)
    os.kill(first, signal.SIGTERM)


def require_root() -> None:
    """Skip the test where mounts cannot be made; in CI it fails."""
    missing = [name for name in ("unshare", "setpriv", "chroot") if shutil.which(name) is None]
    works = not missing and os.geteuid() == 0
    if works and subprocess.run(["unshare", "--mount", "true"], check=False).returncode == 0:
        return
    needs.missing("only root can make the mounts of a pod, with unshare, setpriv and chroot")
