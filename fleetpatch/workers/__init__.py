"""Carries out runs over worker processes: on this machine, or of a running Dask cluster.

The *coordinator*, which is the process of `fleetpatch apply`, keeps the run file, log, locks,
Lease, limits and waves. A *worker* sends the requests of *shards*; a shard is one cluster's share
of a run. Only this package uses Dask, and only `workers.dask` imports it.
"""
