"""The verbs, one file each; `annotate` is in `label.py`.

A module here has a function `command` with the verb's arguments, and what only a terminal needs:
questions, colours, exit codes. It imports `campaign` inside that function, so that help and usage
errors do not wait for the HTTP client. A new verb also needs a line in `fleetpatch.cli.app.VERBS`.
What `import fleetpatch` should offer as well belongs in `campaign`, and texts of more than a line
in `report`.
"""
