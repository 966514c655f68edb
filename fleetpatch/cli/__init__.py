"""Floor 6: the command line, one file a verb.

A verb's module holds a function `command` with its arguments, and what only the terminal needs:
questions, colours, exit codes. It imports what does the work inside that function, so that help and
usage errors do not wait for the HTTP client. What does not belong here: anything that
`import fleetpatch` should offer as well (`campaign`), and texts of more than a line (`report`).
"""
