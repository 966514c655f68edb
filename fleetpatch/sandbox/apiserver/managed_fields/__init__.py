"""Who owns which field after a write: `metadata.managedFields`, as kube-apiserver 1.20 keeps it.

Pure functions over documents. `tracking` is the one to be called; it knows no HTTP and no store.
How fields merge and who owns them is in `fleetpatch.rules.patching.structured`; what is answered
and stored is in `fleetpatch.sandbox.apiserver.writes`.
"""
