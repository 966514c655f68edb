"""Floor 6: the command line. `verbs` has one file a verb; the modules here serve all of them.

`app` is the entry point and has the table of the verbs; `parser` parses the arguments; `signals`,
`streams`, `event_loop` and `execute` surround a verb while it runs; the others have what several
verbs share. What does not belong here: anything that `import fleetpatch` should offer as well
(`campaign`), and texts of more than a line (`report`).
"""
