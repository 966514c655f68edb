"""What an answer of a server means for a target.

`identity` and `scope` check that an answer is about what was requested. `verdicts` decides from the
status what to do next. `acceptance` decides from the object in a 200 how the target ends, and
`settlement` from the object in a read; `attribution` finds out which values in it are ours, and
`field_owners` which manager wrote a value. `reply_signal` reads how loaded the server is, for the
pace. How long to wait before a retry is decided in `fleetpatch.rules.running.backoff`.
"""
