"""`fleetpatch pace`: change the pace of a run that is live or paused."""

from typing import Annotated

from fleetpatch.cli.options import (
    ConcurrencyOption,
    Output,
    OutputOption,
    RateOption,
    ReasonOption,
    RunArgument,
    StateDirOption,
)
from fleetpatch.cli.parameters import Option
from fleetpatch.cli.steer import steer
from fleetpatch.errors import UsageError
from fleetpatch.model.steering import Action


def command(
    run: RunArgument,
    rate: RateOption = None,
    concurrency: ConcurrencyOption = None,
    reset: Annotated[
        bool, Option("--reset", help="Go back to the plan's pace, or begin from it.")
    ] = False,
    reason: ReasonOption = "",
    output: OutputOption = Output.TEXT,
    state_dir: StateDirOption = None,
) -> None:
    """Change the pace of a run that is live or paused.

    The values hold for each cluster, in place of the plan's, until the run ends or --reset. A live
    run follows within two seconds, wherever it runs.
    """
    if rate is None and concurrency is None and not reset:
        raise UsageError("pace needs --rate, --concurrency or --reset; nothing was changed")
    steer(
        run,
        Action.PACE,
        output,
        state_dir,
        reason=reason,
        rate=rate,
        concurrency=concurrency,
        reset=reset,
    )
