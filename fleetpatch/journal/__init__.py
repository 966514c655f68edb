"""Floor 4: the run file, the one record of a run.

Here live its format (`schema`), the way in and out of it (`opening`, `codec`, `faults`), the port
`Journal` that the engine writes through (`runfile`), what can be read from it (`folds`), and where
run files lie (`locator`). What does not belong here: any decision about a target, and any counting
beside the file. sqlite3 and its errors stay within this folder. Import the modules, not this
package.
"""
