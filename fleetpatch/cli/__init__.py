"""Floor 6: the command line. `verbs` has one file a verb; the modules here serve all of them.

`app` is the entry point and has the table of the verbs; `parser` parses the arguments; `signals`,
`streams`, `event_loop` and `execute` run a verb; the other modules are shared by several verbs.
What `import fleetpatch` should offer as well belongs in `campaign`, and texts of more than a line
in `report`.
"""
