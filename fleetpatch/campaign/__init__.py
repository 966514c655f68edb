"""Floor 5: a campaign, which joins the folders of floor 4.

`fleet` opens a plan's clusters, `plan` expands a plan into a run file, `apply` carries a run out,
`undo` plans its undo, and `view` reads run files. `cli` and `import fleetpatch` both use this.
Questions to a person, colours and exit codes do not belong here.
"""
