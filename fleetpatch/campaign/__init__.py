"""Between the floors 4 and 5: where the folders of floor 4 are joined into a campaign.

`fleet` opens a plan's clusters, `expanding` turns a plan into a run file, `applying` carries one
out. `import fleetpatch` offers what is here, and `cli` calls the same. What does not belong here: a
question to a person, a colour, an exit code.
"""
