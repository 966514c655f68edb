"""Benchmarks: fleetpatch beside what people would use otherwise.

Programs, run by hand from the project's root (docs/benchmarks.md): `python -m bench.throughput`,
`bench.responder`, `bench.memory`. Each contender is a process of its own, measured from outside.
"""
