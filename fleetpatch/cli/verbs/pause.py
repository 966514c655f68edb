"""`fleetpatch pause`: pause a live run."""

from fleetpatch.cli.options import Output, OutputOption, ReasonOption, RunArgument, StateDirOption
from fleetpatch.cli.steer import steer
from fleetpatch.model.steering import Action


def command(
    run: RunArgument,
    reason: ReasonOption = "",
    output: OutputOption = Output.TEXT,
    state_dir: StateDirOption = None,
) -> None:
    """Pause a live run.

    Its process sends nothing new, records what is in flight, and ends with 5 within seconds,
    wherever it runs. `resume` continues the run.
    """
    steer(run, Action.PAUSE, output, state_dir, reason=reason)
