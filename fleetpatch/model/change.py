"""What a plan changes in each object, free of the file it was written in."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fleetpatch.model.fields import Path, annotation, label


@dataclass(frozen=True, slots=True)
class Change:
    """Labels and annotations to set (None removes), and labels to rename.

    A renamed label keeps each object's own value; an object that lacks it is left alone. No key is
    named twice (the plan file's checks see to it).
    """

    labels: Mapping[str, str | None] = field(default_factory=dict)
    annotations: Mapping[str, str | None] = field(default_factory=dict)
    rename_labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def touched(self) -> tuple[Path, ...]:
        """Every field that the change may write, sorted."""
        names = (*self.labels, *self.rename_labels.keys(), *self.rename_labels.values())
        return (
            *(annotation(key) for key in sorted(self.annotations)),
            *(label(key) for key in sorted(names)),
        )
