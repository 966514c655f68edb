"""Which objects `label` and `annotate` change, by their options: checked, and as target blocks."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fleetpatch.cli.object_arguments import ObjectArguments
from fleetpatch.errors import UsageError
from fleetpatch.model.fields import Json


class ObjectSelection(NamedTuple):
    """The options that select objects; `dependents` may have several kinds with commas."""

    selector: str = ""
    field_selector: str = ""
    namespaces: Sequence[str] | None = None
    all_namespaces: bool = False
    where: str = ""
    objects: Path | None = None
    dependents: str = ""

    def check(self, verb: str, arguments: ObjectArguments, *, listing: bool) -> None:
        """Raise UsageError for options that cannot be combined, or that are missing."""
        _check_changes(verb, arguments, listing=listing)
        for option, value in (("--where", self.where), ("--dependents", self.dependents)):
            if listing and value:
                raise UsageError(f"--list shows objects as they are listed; leave {option} out")
        self._check_names(arguments)
        self._check_namespaces()

    def targets(self, arguments: ObjectArguments) -> list[Json]:
        """Return the target blocks of the plan that the command makes."""
        block = {
            "namespaces": list(self.namespaces or ()),
            "selector": self.selector,
            "fieldSelector": self.field_selector,
            "where": self.where,
            "objects": {"file": str(self.objects)} if self.objects is not None else None,
            "dependents": [kind.lower() for kind in self.dependents.split(",") if kind],
        }
        return [
            without_empty(kinds=list(kinds), names=list(names), **block)
            for kinds, names in arguments.objects.items()
        ]

    def _check_names(self, arguments: ObjectArguments) -> None:
        if not arguments.has_names:
            return
        option = next(
            (
                option
                for option, value in (
                    ("-l", self.selector),
                    ("--field-selector", self.field_selector),
                    ("--objects", self.objects),
                )
                if value
            ),
            "",
        )
        if option:
            kinds, names = next(iter(arguments.objects.items()))
            raise UsageError(
                f"KINDS: {'/'.join((*kinds, names[0]))!r} is a kind and the name of an object,"
                f" which cannot be combined with {option}; leave one of the two out"
            )

    def _check_namespaces(self) -> None:
        """Raise UsageError unless either some namespaces are named, each for itself, or all."""
        for names in self.namespaces or ():
            if "," in names:
                each = " ".join(f"-n {name.strip()}" for name in names.split(",") if name.strip())
                raise UsageError(f"-n: {names!r} names several; repeat the option: {each}")
        if self.namespaces and self.all_namespaces:
            raise UsageError("-n and -A cannot be combined: use -n for some namespaces, -A for all")
        if self.objects is not None and (self.namespaces or self.all_namespaces):
            option = "-n" if self.namespaces else "-A"
            raise UsageError(f"--objects has the namespaces of its objects; leave {option} out")
        if self.objects is None and not (self.namespaces or self.all_namespaces):
            raise UsageError("name the namespaces: -n NAMESPACE (or a glob), or -A for all of them")


def _check_changes(verb: str, arguments: ObjectArguments, *, listing: bool) -> None:
    """Raise UsageError without a change, and for a change beside `--list`."""
    if listing and arguments.changes:
        key = next(iter(arguments.changes))
        raise UsageError(f"--list changes nothing: leave the change of {key!r} out, or --list")
    if not (arguments.changes or listing):
        last = next((f"{names[-1]!r}: " for names in arguments.objects.values() if names), "")
        raise UsageError(
            f"{last}write KEY=VALUE to set, or KEY- to remove"
            if last
            else f"missing argument 'KEY=VALUE|KEY:=EXPR|KEY-...'; see `fleetpatch {verb} --help`"
        )


def without_empty(**values: Json) -> dict[str, Json]:
    """Leave out empty values, so that the plan's own defaults apply."""
    return {key: value for key, value in values.items() if value not in (None, "", [], {})}
