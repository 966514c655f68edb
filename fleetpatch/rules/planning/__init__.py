"""Which objects a plan selects, and what each of them needs; decided before anything is sent.

This folder has the need of one object, its undo, the namespaces that a target block selects, and
the guards that refuse a plan. How a patch changes a document is in `fleetpatch.rules.patching`.
"""
