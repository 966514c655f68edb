"""CEL, the expression language of Kubernetes: compile, check, rewrite and evaluate expressions.

Nothing here knows of plans or objects' kinds. `runtime.py` is the only importer of the extra
`fleetpatch[cel]`.
"""
