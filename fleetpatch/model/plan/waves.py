"""The plan's `waves`: a run in steps, with a check between them."""

import re
from collections.abc import Iterator
from typing import Annotated, Final, Literal, TypeAlias

from fleetpatch.model.fields import Json
from fleetpatch.model.plan.field_types import (
    LabelSelector,
    NonEmptyList,
    ObjectFieldSelector,
    PositiveSeconds,
    Seconds,
    amount_type,
    text_type,
)
from fleetpatch.model.plan.problems import Finding
from fleetpatch.model.plan.section import Section
from fleetpatch.model.plan.targets import Kind, NamespacePattern
from fleetpatch.model.plan.tree import mapping_at
from fleetpatch.model.selectors.field_selector import FieldSelector
from fleetpatch.model.selectors.label_selector import Selector
from fleetpatch.model.units import Amount

WaveSize: TypeAlias = Annotated[
    Amount,
    amount_type(zero="is a wave without targets; write 1 or more, or a percentage such as 10%"),
]

_CONDITION: Final = r"^[A-Za-z][-A-Za-z0-9_./]*(=(True|False|Unknown))?$"
"""A condition type (metav1.Condition) and one of the three statuses of conditions."""


def _problem_of_condition(condition: str) -> str | None:
    if re.fullmatch(_CONDITION, condition):
        return None
    return (
        "must be a type of condition, with its status unless that is True: Ready, Complete,"
        " Failed=False, Ready=Unknown"
    )


Condition: TypeAlias = Annotated[
    str, text_type(_problem_of_condition, pattern=_CONDITION, examples=["Ready=True"])
]
"""A condition of an object's status and the expected value, by default True."""


class CheckSection(Section, frozen=True, kw_only=True):
    """The check before the next wave: a command exits with 0, or objects have a condition."""

    command: NonEmptyList[str] | None = None
    """A program and its arguments, run on the machine of fleetpatch, without a shell."""
    kinds: NonEmptyList[Kind] = ()
    """The kinds of the objects to check, in every cluster. Absent: those of the plan's targets."""
    namespaces: NonEmptyList[NamespacePattern] = ()
    """Names and globs; ! in front excludes. Absent: all namespaces."""
    selector: LabelSelector = Selector()
    """Which objects, as for kubectl -l."""
    field_selector: ObjectFieldSelector = FieldSelector()
    """Which objects, as for kubectl --field-selector."""
    condition: Condition | None = None
    """The condition that all of these objects must have: Ready, Complete, Failed=False."""
    timeout: PositiveSeconds = 60.0
    """How long to wait for the command or the condition."""


class WavesSection(Section, frozen=True, kw_only=True):
    """A run in steps, with pauses between them."""

    sizes: NonEmptyList[WaveSize]
    """The targets of each wave, as counts or percentages of all; the last size repeats."""
    pause: Seconds = 0.0
    """The pause after the last success of each wave except the last wave."""
    promote: Literal["auto", "manual"] = "auto"
    """manual: the run pauses after each wave, until `fleetpatch resume --promote`."""
    check: CheckSection | None = None
    """What must succeed before the next wave; if it fails, the run is halted."""
    deadline: PositiveSeconds | None = None
    """How long a wave may take before the run pauses."""


_CHECK: Final = ("waves", "check")


def check_waves(tree: Json) -> Iterator[Finding]:
    """Find keys that cannot be combined in the check between waves."""
    waves = mapping_at(tree, ("waves",))
    # `check` may be absent; one of another type is reported by its section.
    if not isinstance(waves.get("check"), dict):
        return
    check = mapping_at(tree, _CHECK)
    if "command" in check:
        for key in ("kinds", "namespaces", "selector", "fieldSelector", "condition"):
            if key in check:
                what = "cannot be combined with command; keep one of the two"
                yield Finding((*_CHECK, key), what, of_key=True)
    elif "condition" not in check:
        yield Finding((*_CHECK, "condition"), "is missing; add it, or use command instead")
