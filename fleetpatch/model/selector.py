"""The label selector: a value that parses, renders and matches as the API server does.

Parsing is in `fleetpatch.model.selector_parser`, matching of one term in
`fleetpatch.model.requirement`; here they meet. A selector is a conjunction, so order and repetition
of its terms mean nothing: equal meaning, equal value, equal rendering.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fleetpatch.model.requirement import Operator, Requirement, SelectorError
from fleetpatch.model.selector_parser import parse_requirements

__all__ = ["Operator", "Requirement", "Selector", "SelectorError"]


@dataclass(frozen=True, slots=True)
class Selector:
    """A label selector; without requirements it matches everything.

    `requirements` are sorted by key, operator and values, and each stands there once.
    """

    requirements: tuple[Requirement, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Selector":
        """Read `app in (etl, train), tier != gold`. Raises SelectorError, placed in `text`."""
        found = set(parse_requirements(text))
        return cls(tuple(sorted(found, key=lambda one: (one.key, one.operator, one.values))))

    @property
    def is_empty(self) -> bool:
        """Whether it matches everything."""
        return not self.requirements

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels meets every requirement."""
        return all(requirement.matches(labels) for requirement in self.requirements)

    def __str__(self) -> str:
        """Render canonically, `app in (etl,train),tier!=gold`; parses back to an equal value."""
        return ",".join(map(str, self.requirements))
