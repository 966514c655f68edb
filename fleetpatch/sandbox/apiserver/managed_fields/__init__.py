"""The owners of fields after a write: `metadata.managedFields`, as in kube-apiserver.

These are pure functions on documents; other folders call `tracking`. How fields merge, and who owns
them, is in `fleetpatch.rules.patching.structured`. What is answered and stored is decided in
`fleetpatch.sandbox.apiserver.writes`.
"""
