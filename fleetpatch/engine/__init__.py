"""Floor 4: the engine, which turns list pages into targets and targets into outcomes.

Here are the survey, the lanes with their workers, the attempts and their retries, the pacer, the
Lease and the log events. The engine uses the ports of `fleetpatch.model.ports` and imports nothing
that implements them. What does not belong here: HTTP, SQL, the terminal, and any decision that can
be a pure function (`fleetpatch.rules`).
"""
