"""`fleetpatch cancel`: end a run that is live or paused."""

from fleetpatch.cli.options import Output, OutputOption, ReasonOption, RunArgument, StateDirOption
from fleetpatch.cli.steer import steer
from fleetpatch.model.steering import Action


def command(
    run: RunArgument,
    reason: ReasonOption = "",
    output: OutputOption = Output.TEXT,
    state_dir: StateDirOption = None,
) -> None:
    """End a run that is live or paused.

    A live run sends nothing new, records what is in flight, and ends with 4. `apply PLAN` does not
    continue a cancelled run, but plans again. `undo` puts back what it has changed.
    """
    steer(run, Action.CANCEL, output, state_dir, reason=reason)
