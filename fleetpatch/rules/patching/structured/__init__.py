"""The structured merge of server-side apply: typed documents, sets of fields, and their owners.

These are pure functions on documents, after sigs.k8s.io/structured-merge-diff. The schema is a rule
of `fleetpatch.rules.patching.merge_schema`. The preview of an apply and the sandbox use them.
"""
