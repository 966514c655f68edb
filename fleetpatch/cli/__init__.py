"""Floor 5: the command line, one file a verb.

A verb's module holds a function `command` with its arguments, and what only the terminal needs:
questions, colours, exit codes. What does not belong here: anything that `import fleetpatch` should
offer as well (`campaign`).
"""
