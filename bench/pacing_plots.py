"""Draws the plots of docs/pacing.md from the simulator, as SVG.

    python -m bench.pacing_plots [FOLDER]

The folder is docs/pacing where none is given. Everything is virtual time and seeded, so the same
code draws the same plots.
"""

import random
import sys
from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

from fleetpatch.model.pace import Ceilings
from tests.rules.pacing.simulated_servers import Server
from tests.rules.pacing.simulated_time import World
from tests.rules.pacing.simulator import DEFAULT, Client, Open, Record, governed, simulate

_WIDTH, _HEIGHT, _LEFT, _TOP, _PLOT = 720, 300, 60, 40, (630, 210)
_COLOURS = ("#1f6feb", "#d1242f", "#8250df")
_STEP = 0.5


class Line(NamedTuple):
    """One line of a plot: its name, and a value every half second."""

    name: str
    values: Sequence[float]


def svg(title: str, unit: str, lines: Sequence[Line]) -> str:
    """A plot of lines over seconds."""
    width, height = _PLOT
    most = 1.1 * max(max(line.values) for line in lines)
    seconds = _STEP * max(len(line.values) for line in lines)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}">',
        "<style>text {font: 12px sans-serif}</style>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<text x="{_LEFT}" y="20">{title} ({unit})</text>',
    ]
    for tick in range(5):
        y = _TOP + height - height * tick / 4
        parts.append(f'<path d="M{_LEFT} {y:.0f}h{width}" stroke="#d0d7de"/>')
        parts.append(
            f'<text x="{_LEFT - 8}" y="{y + 4:.0f}" text-anchor="end">{most * tick / 4:.0f}</text>'
        )
        x = _LEFT + width * tick / 4
        parts.append(
            f'<text x="{x:.0f}" y="{_TOP + height + 18}" text-anchor="middle">'
            f"{seconds * tick / 4:.0f} s</text>"
        )
    for number, line in enumerate(lines):
        points = " ".join(
            f"{_LEFT + width * _STEP * (index + 0.5) / seconds:.1f},"
            f"{_TOP + height - height * value / most:.1f}"
            for index, value in enumerate(line.values)
        )
        colour = _COLOURS[number]
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        )
        parts.append(
            f'<text x="{_LEFT + 160 * number}" y="{_HEIGHT - 8}" fill="{colour}">{line.name}</text>'
        )
    return "\n".join([*parts, "</svg>\n"])


def _spans(seconds: float, value: Callable[[float, float], float]) -> list[float]:
    return [value(_STEP * step, _STEP * (step + 1)) for step in range(int(seconds / _STEP))]


def _answers(record: Record, seconds: float) -> Sequence[Line]:
    def refused(start: float, end: float) -> float:
        count = sum(start <= one.at < end for one in record.answers)
        return record.refused(start, end) * count / (end - start)

    return [
        Line("accepted", _spans(seconds, record.goodput)),
        Line("refused", _spans(seconds, refused)),
    ]


def _put(server: Server, name: str, value: Any) -> Callable[[], None]:
    return lambda: setattr(server, name, value)


def overload() -> str:
    """A token bucket whose rate falls and rises."""
    server = Server(World(), random.Random(1), rate=400, burst=40, latency=0.005)
    changes = (15.0, _put(server, "rate", 150)), (30.0, _put(server, "rate", 300))
    record = simulate(server, 60.0, DEFAULT, *changes)
    return svg("A bucket of 400, 150 and 300 requests a second", "a second", _answers(record, 59))


def stray() -> str:
    """Five refusals in a hundred at random, beside a plain loop."""

    def record(gate: Any, seed: int) -> Record:
        server = Server(World(), random.Random(seed), stray=0.05, latency=0.05)
        client = Client(server.world, server, gate, 32, inf, seed)
        server.world.run(30.0)
        return client.record

    ours = record(governed(Ceilings(None, 1, 32, adaptive=True)), 3)
    plain = record(Open(), 4)
    lines = [
        Line("fleetpatch", _spans(29, ours.goodput)),
        Line("plain loop", _spans(29, plain.goodput)),
    ]
    return svg("Five refusals in a hundred at random, 32 workers", "accepted a second", lines)


def knee() -> str:
    """A knee at 16 in flight, which goes to 8 and comes back."""
    server = Server(World(), random.Random(1), knee=16, latency=0.02)
    changes = (15.0, _put(server, "knee", 8)), (30.0, _put(server, "knee", 16))
    record = simulate(server, 45.0, DEFAULT, *changes)
    lines = [Line("in flight", _spans(44, record.in_flight))]
    return svg("A knee at 16, 8 and 16 requests in flight", "in flight", lines)


def outage() -> str:
    """Everything is refused for ten seconds, with Retry-After 1."""
    server = Server(World(), random.Random(1), retry_after=1.0)
    changes = (5.0, _put(server, "refuses", True)), (15.0, _put(server, "refuses", False))
    record = simulate(server, 25.0, Ceilings(None, 1, 32, adaptive=True), *changes, workers=32)
    return svg("Everything is refused for ten seconds", "a second", _answers(record, 24))


def main() -> None:
    """Draw them all."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/pacing")
    folder.mkdir(parents=True, exist_ok=True)
    for draw in (overload, stray, knee, outage):
        (folder / f"{draw.__name__}.svg").write_text(draw())


if __name__ == "__main__":
    main()
