"""Floor 4: the engine, which turns a plan into targets and targets into outcomes.

Here live the survey, the lanes with their workers, the attempts, the pacer and the recorder. The
engine knows the ports of `fleetpatch.model.ports` and nothing behind them. What does not belong
here: HTTP, SQL, the terminal, and any decision that can be pure (`rules`).
"""
