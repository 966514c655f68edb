"""How fast one cluster may be asked; docs/pacing.md explains it.

`governor` joins a `bucket` (the plan's rate), `climb` (requests in flight, by throughput) and
`refusals` (both, by `evidence`). Waiting is the pacer's (`fleetpatch.engine.pacer`).
"""
