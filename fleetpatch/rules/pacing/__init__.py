"""How fast one cluster may be asked; docs/pacing.md explains it.

`governor` joins the plan's ceilings, `hill_climb` and `refusals`; `fleetpatch.engine.pacer` waits.
"""
