"""The verbs, one file each; `annotate` is in `label.py`.

A module here holds a function `command` with the verb's arguments, and what only the terminal
needs: questions, colours, exit codes. It imports what does the work inside that function, so that
help and usage errors do not wait for the HTTP client. A new verb also needs a line in
`fleetpatch.cli.app.VERBS`. What does not belong here: anything that `import fleetpatch` should
offer as well (`campaign`), and texts of more than a line (`report`).
"""
