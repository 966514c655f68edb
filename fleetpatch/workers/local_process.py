"""Loaded by Dask in each worker process of this machine (`preload`)."""

import os
import signal

from fleetpatch.workers.dask import keep_quiet


def dask_setup(_worker: object) -> None:
    """Called by Dask before the worker starts.

    A terminal or a service manager signals all processes of a group. The coordinator alone answers:
    it lets its workers end what is in flight. Workers end when it has ended, however that was.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    keep_quiet()
    # A traceback of Dask at its end would appear between the lines of the coordinator.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    os.close(null)
