"""How a server spells values: a quantity in its canonical form, and no empty lists or maps.

`1000m` is stored as `1`, and `args: []` is left out. Labels and annotations are stored as written.
"""

import re
from decimal import Decimal
from typing import Final

from fleetpatch.model.fields import ABSENT, Path, Value

_QUANTITY: Final = re.compile(
    r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d{1,2})|([KMGTPE]i|[numkMGTPE]?))"
)
_MAX_QUANTITY_LENGTH: Final = 64
_UNITS: Final = {
    "": Decimal(1),
    **{
        unit: Decimal(1000) ** power
        for unit, power in zip("numkMGTPE", (-3, -2, -1, 1, 2, 3, 4, 5, 6), strict=True)
    },
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)},
}


def as_spelled(path: Path, wanted: Value, current: Value) -> Value:
    """Return the wanted value of a field, spelled as a server has spelled it in `current`."""
    return wanted if path[0] == "metadata" else _as_spelled(wanted, current)


def _as_spelled(wanted: Value, current: Value) -> Value:
    if wanted in ([], {}) and current is ABSENT:
        return ABSENT
    if isinstance(wanted, dict) and isinstance(current, dict):
        spelled = {key: _as_spelled(each, current.get(key, ABSENT)) for key, each in wanted.items()}
        return {key: each for key, each in spelled.items() if each is not ABSENT}
    if isinstance(wanted, list) and isinstance(current, list) and len(wanted) == len(current):
        return [_as_spelled(each, now) for each, now in zip(wanted, current, strict=True)]
    return current if is_same_quantity(wanted, current) else wanted


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
