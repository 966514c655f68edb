"""The status of a campaign: a row for each run with totals, and the first run in full."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from fleetpatch.model.fields import Json
from fleetpatch.model.live import Status
from fleetpatch.model.run import Summary, Tally, outcomes_as_json
from fleetpatch.model.text import clean
from fleetpatch.report.runs import run_lines
from fleetpatch.report.status import status_as_json, status_lines
from fleetpatch.report.verification import verification_line
from fleetpatch.report.wording import command


def campaign_lines(
    name: str,
    runs: Sequence[Status],
    undos: Mapping[str, Sequence[str]],
    *,
    now: float,
    width: int | None = None,
    log_file: str | None = None,
) -> Iterator[str]:
    """Yield the status of a campaign as text; a campaign of one run is that run.

    `undos` are the undos that are unfinished, with the words that name them in a command.
    """
    if len(runs) > 1:
        summaries = [one.summary for one in runs]
        yield f"Plan {clean(name)} has {len(runs)} runs:"
        yield from run_lines(summaries, width, _total(runs))
        yield ""
        yield from _verifications(summaries[1:])
    for undo, words in undos.items():
        yield f"Undo under way: {clean(undo)}  ({command('status', *words)} shows its state)"
    yield from status_lines(runs[0], now, log_file=log_file)


def _verifications(summaries: Iterable[Summary]) -> Iterator[str]:
    """Yield what the latest verification of each run found, except of undone runs."""
    found = [
        f"Run {clean(one.info.run)}: {verification_line(one.verification)}"
        for one in summaries
        if one.verification is not None and not one.undone_by
    ]
    if found:
        yield from found
        yield ""


def campaign_as_json(name: str, runs: Sequence[Status], undos: Iterable[str]) -> dict[str, Json]:
    """Return the object of `status NAME --output json`; an interface (docs/reference.md).

    It is the object of the first run, with the other runs and the totals added.
    """
    total = _total(runs)
    return {
        **status_as_json(runs[0]),
        "campaign": name,
        "runs": [status_as_json(one) for one in runs],
        "undosUnderWay": list(undos),
        "totals": {
            "runs": len(runs),
            "targets": total.total,
            "outcomes": outcomes_as_json(total),
        },
    }


def _total(runs: Sequence[Status]) -> Tally:
    """Add up the targets of all runs; an object of several runs counts in each of them."""
    return sum((one.summary.tally for one in runs), Tally())
