"""Fault injection: which request gets which fault, and how the fault is carried out.

`profiles` decides from a seed, `faults` changes objects and answers, and `capacity` limits the load
that the sandbox accepts. `fleetpatch.sandbox.handler` breaks connections, because it has them.
"""
