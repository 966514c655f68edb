"""Floor 4: the run file, the only record of a run.

This folder contains its format (`schema`), access to the SQLite file (`sqlite_file`, `database`,
`codec`, `errors`), the port `Journal` through which the engine writes (`runfile`), the facts of the
run as a whole (`facts`), queries (`queries`), locks (`flock`), and the names and paths of run files
(`catalog`). Decisions about a target do not belong here, nor do counts in memory beside the file.
sqlite3 and its errors are not used outside of this folder.
"""
