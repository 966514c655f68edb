"""Evaluates the expressions of a plan in a process of its own, with limits on memory and time.

`evaluator.py` implements the port `Expressions`; `child.py` is what the other process runs. The
language itself is in `fleetpatch.cel`.
"""
