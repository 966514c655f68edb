"""How a server spells values: a quantity in its canonical form, and no empty lists or maps.

`1000m` is stored as `1`, and `args: []` is left out. Labels and annotations are stored as written.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Final, TypeAlias

from fleetpatch.model.fields import ABSENT, Path, Value

_QUANTITY: Final = re.compile(
    r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d{1,2})|([KMGTPE]i|[numkMGTPE]?))"
)
_CANONICAL: Final = re.compile(r"-?(0|[1-9]\d*)([KMGTPE]i|[numkMGTPE]?|e-?\d+)")
_LARGEST: Final = frozenset({"E", "Ei"})
_MAX_QUANTITY_LENGTH: Final = 64
_UNITS: Final = {
    "": Decimal(1),
    **{
        unit: Decimal(1000) ** power
        for unit, power in zip("numkMGTPE", (-3, -2, -1, 1, 2, 3, 4, 5, 6), strict=True)
    },
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)},
}


_Same: TypeAlias = Callable[[Value, Value], bool]


def as_spelled(path: Path, wanted: Value, current: Value) -> Value:
    """Return the wanted value of a field, spelled as a server has spelled it in `current`.

    The server has accepted the value, so any spelling is its own.
    """
    return wanted if path[0] == "metadata" else _as_spelled(wanted, current, is_same_quantity)


def as_stored(path: Path, wanted: Value, current: Value) -> Value:
    """Return the wanted value of a field, spelled as in `current` where that is a server's way.

    Another writer may have written `current`, so only the canonical form of a quantity counts.
    """
    return wanted if path[0] == "metadata" else _as_spelled(wanted, current, _is_canonical_for)


def _as_spelled(wanted: Value, current: Value, same: _Same) -> Value:
    if wanted in ([], {}) and current is ABSENT:
        return ABSENT
    if isinstance(wanted, dict) and isinstance(current, dict):
        spelled = {
            key: _as_spelled(each, current.get(key, ABSENT), same) for key, each in wanted.items()
        }
        return {key: each for key, each in spelled.items() if each is not ABSENT}
    if isinstance(wanted, list) and isinstance(current, list) and len(wanted) == len(current):
        return [_as_spelled(each, now, same) for each, now in zip(wanted, current, strict=True)]
    return current if same(wanted, current) else wanted


def _is_canonical_for(wanted: Value, current: Value) -> bool:
    """Return whether `current` is the canonical form of a quantity: the largest unit, no fraction.

    Source: k8s.io/apimachinery, pkg/api/resource, Quantity.
    """
    if not (isinstance(current, str) and is_same_quantity(wanted, current)):
        return False
    found = _CANONICAL.fullmatch(current)
    if found is None:
        return False
    number, unit = int(found[1]), found[2]
    if number == 0:
        return unit == ""
    return unit in _LARGEST or number % (1024 if unit.endswith("i") else 1000) != 0


def is_same_quantity(one: Value, other: Value) -> bool:
    """Return whether two values are the same amount of a resource."""
    amount = _amount(one)
    return amount is not None and amount == _amount(other)


def _amount(value: Value) -> Decimal | None:
    """The amount of a Kubernetes quantity, None for what is none."""
    if type(value) not in (str, int, float):
        return None
    # Longer texts are none, and would take long to match.
    text = str(value)
    found = _QUANTITY.fullmatch(text) if len(text) <= _MAX_QUANTITY_LENGTH else None
    if found is None:
        return None
    number, exponent, unit = found.groups()
    return Decimal(number + (exponent or "")) * _UNITS[unit or ""]
