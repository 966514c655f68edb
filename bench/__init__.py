"""Benchmarks: compare fleetpatch with what people would use otherwise.

Programs, run by hand from the project's root (docs/benchmarks.md): `python -m bench.throughput`,
`bench.responder`, `bench.memory`. Each contender is a separate process, measured from outside.
"""
