"""Structured merge, as server-side apply does it: typed documents, sets of fields, their owners.

Pure functions over documents. The source is sigs.k8s.io/structured-merge-diff; the schema is a rule
of `fleetpatch.rules.patching.merge_schema`. The preview of an apply and the sandbox both use it.
"""
