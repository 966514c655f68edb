"""A Dask cluster of two workers, as a process; prints the address of its scheduler when it is up.

It ends when its stdin is closed. Its connections have no TLS.
"""

import logging
import sys

from distributed import LocalCluster

if __name__ == "__main__":
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
        scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
        memory_limit=0,
        silence_logs=logging.CRITICAL,
    ) as cluster:
        print(cluster.scheduler_address, flush=True)  # noqa: T201 - read by the tests
        sys.stdin.read()
