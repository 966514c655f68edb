"""`fleetpatch label` and `fleetpatch annotate`: make a plan from arguments, and carry it out."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

import typer

from fleetpatch.cli.options import (
    AllOption,
    DryRunOption,
    LogFileOption,
    Output,
    OutputOption,
    RunFileOption,
    StateDirOption,
    TimeoutOption,
    YesOption,
)
from fleetpatch.errors import UsageError
from fleetpatch.model.fields import Json
from fleetpatch.model.plan.problems import TreePath

if TYPE_CHECKING:
    from fleetpatch.model.plan.load import PlanFile

_ARGUMENTS: Final[Mapping[TreePath, str]] = MappingProxyType(
    {
        ("targets", 0, "kinds"): "KINDS",
        ("targets", 0, "namespaces"): "-n",
        ("targets", 0, "selector"): "-l",
        ("targets", 0, "fieldSelector"): "--field-selector",
        ("fleet", 0, "context"): "--context",
        ("pace", "rate"): "--rate",
        ("pace", "concurrency"): "--concurrency",
        ("guards", "allowKeys"): "--allow-key",
    }
)
"""The argument that sets each value of the plan."""

KindsArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="KINDS", help="One or several, with commas: jobs.batch,tfjobs.")
]
ChangesArgument: TypeAlias = Annotated[
    list[str], typer.Argument(metavar="KEY=VALUE|KEY-...", help="KEY- removes.")
]
SelectorOption: TypeAlias = Annotated[
    str, typer.Option("--selector", "-l", help="A label selector.", show_default=False)
]
FieldSelectorOption: TypeAlias = Annotated[
    str, typer.Option("--field-selector", help="A field selector.", show_default=False)
]
NamespaceOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--namespace", "-n", metavar="NAMESPACE", help="A namespace or a glob; may be repeated."
    ),
]
AllNamespacesOption: TypeAlias = Annotated[
    bool, typer.Option("--all-namespaces", "-A", help="All namespaces.")
]
ContextOption: TypeAlias = Annotated[
    str | None, typer.Option("--context", help="The kubeconfig's context [the current one].")
]
RateOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--rate", metavar="RATE", help="The highest rate of requests, as 100/s."),
]
ConcurrencyOption: TypeAlias = Annotated[
    int | None, typer.Option("--concurrency", min=1, help="The most requests in flight.")
]
AllowKeysOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--allow-key", metavar="KEY", help="A protected key that the patch may change."),
]


def _command(
    verb: str, what: Literal["labels", "annotations"], summary: str
) -> Callable[..., None]:
    """Return the command that changes `what`; `summary` is the first line of its help."""

    def command(
        kinds: KindsArgument,
        changes: ChangesArgument,
        selector: SelectorOption = "",
        field_selector: FieldSelectorOption = "",
        namespace: NamespaceOption = None,
        all_namespaces: AllNamespacesOption = False,
        context: ContextOption = None,
        rate: RateOption = None,
        concurrency: ConcurrencyOption = None,
        allow_key: AllowKeysOption = None,
        everything: AllOption = False,
        yes: YesOption = False,
        dry_run: DryRunOption = False,
        run_file: RunFileOption = None,
        output: OutputOption = Output.TEXT,
        state_dir: StateDirOption = None,
        log_file: LogFileOption = None,
        request_timeout: TimeoutOption = 30.0,
    ) -> None:
        from fleetpatch.campaign.settings import Settings
        from fleetpatch.cli.execute import carry_out, expand_with_progress
        from fleetpatch.cli.output import WarnOnce

        if namespace and all_namespaces:
            raise UsageError("-n and -A cannot be combined: use -n for some namespaces, -A for all")
        if not namespace and not all_namespaces:
            raise UsageError("name the namespaces: -n NAMESPACE (or a glob), or -A for all of them")
        # Without a fleet a plan means the current context.
        plan = _plan(
            verb,
            fleet=[{"name": "cluster", "context": context}] if context else None,
            targets=[
                _without_empty(
                    kinds=[kind for kind in kinds.split(",") if kind],
                    namespaces=namespace,
                    selector=selector,
                    fieldSelector=field_selector,
                )
            ],
            patch={what: _changes(changes)},
            guards=_without_empty(allowKeys=allow_key),
            pace=_without_empty(concurrency=concurrency, rate=rate),
        )
        settings = Settings(state_dir, log_file, request_timeout, warn=WarnOnce())
        planned = expand_with_progress(
            plan, settings, run_file=run_file, everything=everything, dry_run=dry_run
        )
        carry_out(planned, settings, output, yes=yes)

    command.__doc__ = summary
    return command


def _plan(verb: str, **sections: Json) -> "PlanFile":
    """Build a plan, and check it like one that is read from a file.

    Its name is derived from its content. So the same arguments are the same plan, which only one
    process at a time may apply, and other arguments are another plan, which may run concurrently.
    """
    from fleetpatch.model.plan.load import plan_file_from

    content = json.dumps(sections, sort_keys=True).encode()
    name = f"{verb}-{hashlib.blake2s(content, digest_size=4).hexdigest()}"
    mapping = {"metadata": {"name": name}, **_without_empty(**sections)}
    return plan_file_from(mapping, "fleetpatch", {**_ARGUMENTS, **_keys(sections["patch"])})


def _keys(patch: Json) -> dict[TreePath, str]:
    """Name each label or annotation of the patch by its key, as the arguments do."""
    parts = patch.items() if isinstance(patch, dict) else ()
    return {("patch", part, key): key for part, values in parts for key in values}


def _without_empty(**values: Json) -> dict[str, Json]:
    """Leave out empty values, so that the plan's own defaults apply."""
    return {key: value for key, value in values.items() if value not in (None, "", [], {})}


def _changes(changes: Sequence[str]) -> dict[str, str | None]:
    """Parse `KEY=VALUE` and `KEY-`, which removes (None). Raises UsageError."""
    parsed: dict[str, str | None] = {}
    for change in changes:
        # kubectl's syntax. A value may end with "-", so "=" decides.
        key, equals, value = change.partition("=")
        if not equals:
            if not change.endswith("-"):
                raise UsageError(f"{change!r}: write KEY=VALUE to set, or KEY- to remove")
            key = change.removesuffix("-")
        if key in parsed:
            raise UsageError(f"{key!r} is given twice; give it once")
        parsed[key] = value if equals else None
    return parsed


command = _command("label", "labels", "Set and remove labels on many objects.")
annotate = _command("annotate", "annotations", "Set and remove annotations on many objects.")
