"""The file for node_exporter's textfile collector: one file has the metrics of one plan.

It is replaced as a whole, and everybody can read it: node_exporter runs as a user of its own.
"""

import re
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Final

import msgspec

from fleetpatch import files
from fleetpatch.errors import UsageError
from fleetpatch.metrics import catalog, prometheus
from fleetpatch.metrics.catalog import PREFIX
from fleetpatch.metrics.samples import Last, Sample

SUFFIX: Final = ".prom"
"""node_exporter reads no other files."""
_MODE: Final = 0o644
_LARGEST: Final = 16 << 20
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9._-]")


class Found(msgspec.Struct, frozen=True):
    """What a file has: whose metrics they are, and how the last command ended.

    `running_at` is when a command that has not ended reported last, in seconds since the epoch.
    """

    plan: str
    last: Last = Last()
    running_at: float | None = None


class Textfile:
    """A file, or (`place` is a folder) the file `fleetpatch_PLAN.prom` in it.

    Raises UsageError if nothing can be written there.
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        self._is_folder = files.is_folder(place)
        folder = place if self._is_folder else place.parent
        if not self._is_folder and place.suffix != SUFFIX:
            raise UsageError(
                f"--metrics-file {place}: node_exporter reads files that end in {SUFFIX}; name such"
                " a file, or a folder that exists, in which each plan gets its own"
            )
        try:
            # Tried now, before anything is sent; which file it is depends on the plan.
            trial = folder / ".fleetpatch.trial"
            files.replace_own(trial, b"")
            trial.unlink(missing_ok=True)  # another command tries the same folder
            if not self._is_folder:
                files.refuse_foreign(place)
        except OSError as error:
            raise UsageError(
                f"--metrics-file {place}: cannot be written ({error.strerror}); nothing was sent:"
                " check the path and the rights on its folder"
            ) from error

    def path_of(self, plan: str) -> Path:
        """Return the path of the file of a plan."""
        if not self._is_folder:
            return self._place
        return self._place / f"fleetpatch_{_NOT_IN_NAMES.sub('_', plan)}{SUFFIX}"

    def read(self, plan: str) -> Found:
        """Return what the file of a plan has. Raises UsageError if these are not metrics of ours.

        Without metrics it counts as the plan's.
        """
        path = self.path_of(plan)
        try:
            found = list(prometheus.parse(files.read_own(path, _LARGEST).decode()))
        except FileNotFoundError:
            return Found(plan)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "is not in the text format of Prometheus"
            raise self._refusal(path, f"{reason}") from error
        if any(not sample.name.startswith(PREFIX) for sample in found):
            raise self._refusal(path, "has metrics of another program, which would be lost")
        owners = {sample.labels.get("plan", "") for sample in found}
        return _found(min(owners, default=plan), {sample.name: sample for sample in found})

    def require_own(self, plan: str, owner: str) -> None:
        """Raise UsageError if the file has the metrics of another plan."""
        if owner != plan:
            raise self._refusal(
                self.path_of(plan),
                f"has the metrics of the plan {owner}, which would be lost; name another file, or a"
                f" folder, in which each plan gets its own. If {owner} is over",
            )

    def write(self, plan: str, text: bytes) -> None:
        """Replace the file of a plan. Raises OSError."""
        files.replace_own(self.path_of(plan), text, _MODE)

    def _refusal(self, path: Path, why: str) -> UsageError:
        return UsageError(f"--metrics-file {path}: {why}, remove it; nothing was sent")


def _found(owner: str, samples: Mapping[str, Sample]) -> Found:
    def value(metric: catalog.Metric) -> float | None:
        sample = samples.get(metric.name)
        # The format has NaN and infinities, which no command has written.
        return sample.value if sample is not None and isfinite(sample.value) else None

    code, cause = value(catalog.LAST_EXIT_CODE), samples.get(catalog.LAST_CAUSE.name)
    last = Last(
        value(catalog.LAST_END),
        None if code is None else int(code),
        cause.labels.get("cause_code", "") if cause else "",
        value(catalog.LAST_SUCCESS),
    )
    return Found(owner, last, value(catalog.LAST_REPORT) if value(catalog.RUNNING) else None)
