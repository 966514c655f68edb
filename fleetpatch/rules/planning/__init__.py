"""Before anything is sent: which objects a plan means and what each of them needs.

Here are the need of one object, its undo, the namespaces of a block and the guards that refuse a
plan. How a patch changes a document is in `fleetpatch.rules.patching`.
"""
