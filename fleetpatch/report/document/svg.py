"""Charts as SVG: the only user of pygal, which is a part of the extra `fleetpatch[report]`.

pygal lays the chart out. What would not fit a page with a strict policy is left out: its styles,
scripts and tooltips. Colours come from the style sheet of the page, by the class of each series.
"""

import math
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple
from xml.etree import ElementTree as ET  # writes what pygal has made, parses nothing

import pygal

# pygal adds a finder of an old kind for its plugins, which would warn at each later import.
sys.meta_path[:] = [one for one in sys.meta_path if not isinstance(one, pygal.PluginImportFixer)]
# It would use lxml where that is installed, and its elements differ.
pygal.etree.etree.to_etree()

WIDE: Final = (540, 210)
NARROW: Final = (350, 200)
"""The sizes of a chart, in pixels: for screens and paper, and for phones."""

_FONT: Final = 12
_GUIDES: Final = 4
_HALF_A_LABEL: Final = 30
_LONG_NUMBER: Final = re.compile(r"(\d+\.\d)\d+")
_HIDDEN: Final = frozenset({"plot overlay", "plot text-overlay", "plot tooltip-overlay", "titles"})


class Series(NamedTuple):
    """One line or area; `style` is its class in the style sheet. None interrupts a line."""

    name: str
    style: str
    values: Sequence[float | None]


def line_chart(
    series: Sequence[Series],
    labels: Sequence[str],
    size: tuple[int, int],
    *,
    describedby: str,
    unit: Callable[[float], str],
    stacked: bool = False,
    logarithmic: bool = False,
) -> str:
    """Return an SVG element; `labels` are those of the points, most of them empty.

    `describedby` is the id of the element that says the same in words. `unit` formats the labels of
    the axis, which ends after the highest value.
    """
    values = [value for one in series for value in one.values if value]
    ticks = (
        powers_of(min(values, default=0.1), max(values, default=1.0))
        if logarithmic
        else ticks_of(_highest(series, stacked=stacked))
    )
    made = (pygal.StackedLine if stacked else pygal.Line)(
        width=size[0],
        height=size[1],
        style=pygal.style.Style(
            label_font_size=_FONT, major_label_font_size=_FONT, font_family="sans-serif"
        ),
        fill=stacked,
        margin=6,
        # A little more, so that rounding does not hide the highest guide.
        range=(ticks[0], ticks[-1] * 1.0001),
        logarithmic=logarithmic,
        show_legend=False,
        show_dots=False,
        show_minor_x_labels=False,
        show_x_guides=False,
        allow_interruptions=True,
        x_labels_major=[label for label in labels if label],
        truncate_label=-1,
        no_prefix=True,
        js=[],
        css=[],
    )
    made.x_labels = list(labels)
    made.y_labels = [{"value": tick, "label": unit(tick)} for tick in ticks]
    for one in series:
        made.add(one.name, list(one.values))
    return _cleaned(made.render_tree(), [one.style for one in series], describedby)


def ticks_of(highest: float) -> list[float]:
    """Return round numbers from 0 to `highest` or a little more, for the axis of a chart."""
    rough = highest / _GUIDES if highest > 0 else 0.25
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    count = max(1, math.ceil(highest / step - 0.001))
    return [step * position for position in range(count + 1)]


def powers_of(lowest: float, highest: float) -> list[float]:
    """Return powers of ten around both, for a logarithmic axis."""
    first = math.floor(math.log10(lowest))
    last = max(first + 1, math.ceil(math.log10(highest)))
    return [10.0**power for power in range(first, last + 1)]


def _highest(series: Sequence[Series], *, stacked: bool) -> float:
    points = [[value or 0.0 for value in one.values] for one in series]
    if stacked:
        return max(map(sum, zip(*points, strict=True)), default=0.0)
    return max((value for one in points for value in one), default=0.0)


def _keep_inside(root: Any) -> None:
    """Let the last label of the time end at its point, where it would not fit around it."""
    width = float(root.find(".//g[@class='plot']/rect").get("width"))
    for label in root.iterfind(".//g[@class='axis x']//text"):
        if float(label.get("x")) > width - _HALF_A_LABEL:
            label.set("class", "end")


def _cleaned(root: Any, styles: Sequence[str], describedby: str) -> str:
    """Return the element as text, without what the page does not use."""
    for parent in list(root.iter()):
        for child in list(parent):
            is_comment = not isinstance(child.tag, str)
            if is_comment or child.tag in {"defs", "title"} or child.get("class") in _HIDDEN:
                parent.remove(child)
    for number, style in enumerate(styles):
        for node in root.iter("g"):
            if node.get("class") == f"series serie-{number} color-{number}":
                node.set("class", f"series {style}")
    _keep_inside(root)
    root.attrib.pop("id", None)
    root.set("class", "chart")
    root.set("role", "img")
    root.set("aria-labelledby", describedby)
    return _LONG_NUMBER.sub(r"\1", ET.tostring(root, encoding="unicode"))
