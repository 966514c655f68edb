"""Rewrites the arguments of a verb that kubectl reads in another way than click does.

* `--dry-run` has a value only after `=`; alone it means `--dry-run=server`.
* A short option may have an `=` before its value: `-n=team-a`, `-o=json`, `-yn=team-a`.
"""

from collections.abc import Collection, Iterable, Iterator

from fleetpatch.cli.dry_run import DRY_RUN, DryRun
from fleetpatch.errors import UsageError


def as_kubectl_reads(arguments: Iterable[str], taking: Collection[str]) -> list[str]:
    """Return the arguments as click must get them; `taking` are the options that take a value.

    Raises UsageError for a value of `--dry-run` that is an argument of its own.
    """
    return list(_rewritten(list(arguments), taking))


def _rewritten(arguments: list[str], taking: Collection[str]) -> Iterator[str]:
    awaits_value = False
    for position, argument in enumerate(arguments):
        if awaits_value:
            yield argument
            awaits_value = False
        elif argument == "--":
            yield from arguments[position:]
            return
        elif argument == DRY_RUN and DRY_RUN in taking:
            _refuse_value(arguments[position + 1 : position + 2])
            yield f"{DRY_RUN}={DryRun.SERVER}"
        elif argument.startswith("--"):
            yield argument
            awaits_value = argument in taking
        elif argument.startswith("-"):
            at = _place_of_value(argument, taking)
            yield argument[:at] + argument[at:].removeprefix("=")
            awaits_value = at == len(argument)
        else:
            yield argument


def _refuse_value(following: list[str]) -> None:
    # `--dry-run "$MODE"` with an unset variable: no argument of a verb is empty.
    if following == [""]:
        raise UsageError(f"{DRY_RUN} is empty; give a value, or leave the option out")
    if following and following[0] in set(DryRun):
        value = following[0]
        raise UsageError(f"{DRY_RUN} has its value after '='; write {DRY_RUN}={value}")


def _place_of_value(group: str, taking: Collection[str]) -> int:
    """Return where the value begins in a group of short options; past its end if it has none.

    The first option that takes a value takes the rest of the group. If that is empty, the place is
    the end of the group: the value is the next argument.
    """
    for at, letter in enumerate(group[1:], 2):
        if f"-{letter}" in taking:
            return at
    return len(group) + 1
