"""Makes the settings of a verb that sends requests, of its options and of what watches it."""

from pathlib import Path
from typing import Any

from fleetpatch.campaign.settings import Settings
from fleetpatch.cli import metrics
from fleetpatch.cli.output import WarnOnce
from fleetpatch.cli.traces import current_span
from fleetpatch.cli.workers import pool_of


def settings_of(
    state_dir: Path | None,
    log_file: Path | None,
    request_timeout: float,
    workers: str | None = None,
    worker_timeout: float = 0.0,
    **more: Any,
) -> Settings:
    """Return the settings for these options; `more` are further fields of `Settings`.

    Raises UsageError if `workers` are named and Dask is not installed.
    """
    return Settings(
        state_dir,
        log_file,
        request_timeout,
        warn=WarnOnce(),
        workers=pool_of(workers, worker_timeout),
        monitor=metrics.current_monitor(),
        span=current_span(),
        **more,
    )
