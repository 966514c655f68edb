"""Floor 4: the run file, the one record of a run.

This folder contains its format (`schema`), opening and reading it (`files`, `database`, `codec`,
`errors`), the port `Journal` that the engine writes through (`runfile`), queries (`queries`), and
the names and paths of run files (`catalog`). What does not belong here: decisions about a target,
and counts kept in memory beside the file. sqlite3 and its errors are not used outside of this
folder.
"""
