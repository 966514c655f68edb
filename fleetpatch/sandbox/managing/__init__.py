"""Who owns which field: `metadata.managedFields`, as kube-apiserver 1.20 keeps it.

Pure functions over documents. `tracking` is the one to be called; it knows no HTTP and no store.
What is answered and stored is in `fleetpatch.sandbox.writes`.
"""
