"""`fleetpatch label` and `fleetpatch annotate`: make a plan from arguments, and carry it out."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

from msgspec.structs import replace

from fleetpatch.cli.dry_run import DryRun
from fleetpatch.cli.lean_imports import load_libraries
from fleetpatch.cli.object_arguments import parse
from fleetpatch.cli.object_selection import ObjectSelection, without_empty
from fleetpatch.cli.options import (
    AllOption,
    DryRunOption,
    LogFileOption,
    LogMaxSizeOption,
    ProgressOption,
    QuietOption,
    ReasonOption,
    ResultFormat,
    RunFileOption,
    SharedOption,
    StateDirOption,
    TimeoutOption,
    YesOption,
    existing_file,
)
from fleetpatch.cli.parameters import Argument, Option
from fleetpatch.model.steering import MAX_CONCURRENCY

if TYPE_CHECKING:
    from fleetpatch.report.objects import What


KindsArgument: TypeAlias = Annotated[
    str,
    Argument(
        metavar="KINDS",
        help="One or several, with commas: jobs.batch,tfjobs; or one object: KIND/NAME.",
    ),
]
WordsArgument: TypeAlias = Annotated[
    list[str] | None,
    Argument(
        metavar="[NAME...] KEY=VALUE|KEY:=EXPR|KEY-...",
        help="Names of objects of one kind; then what to set (KEY=VALUE, or KEY:=EXPR with a CEL"
        " expression) and to remove (KEY-).",
    ),
]
SelectorOption: TypeAlias = Annotated[str, Option("--selector", "-l", help="A label selector.")]
FieldSelectorOption: TypeAlias = Annotated[
    str, Option("--field-selector", help="A field selector.")
]
NamespaceOption: TypeAlias = Annotated[
    list[str] | None,
    Option(
        "--namespace", "-n", metavar="NAMESPACE", help="A namespace or a glob; may be repeated."
    ),
]
AllNamespacesOption: TypeAlias = Annotated[
    bool, Option("--all-namespaces", "-A", help="All namespaces.")
]
WhereOption: TypeAlias = Annotated[
    str,
    Option(
        "--where",
        metavar="EXPR",
        help="A CEL expression: only objects for which it is true.",
    ),
]
ObjectsOption: TypeAlias = Annotated[
    Path | None,
    Option(
        "--objects",
        metavar="FILE",
        help="A file with an object on each line, as namespace/name; in place of -n and -A.",
    ),
]
DependentsOption: TypeAlias = Annotated[
    str,
    Option(
        "--dependents",
        metavar="KINDS",
        help="Also what the objects own, of these kinds, as pods.",
    ),
]
OverwriteOption: TypeAlias = Annotated[
    bool,
    Option(
        "--overwrite",
        help="Also set keys that have another value; without it such objects are skipped.",
    ),
]
ListOption: TypeAlias = Annotated[bool, Option("--list", help="Show them, and change nothing.")]
FormatOption: TypeAlias = Annotated[
    ResultFormat,
    Option(
        "--output",
        "-o",
        help="text; json or yaml: the summary; csv: the targets; name: objects that have it now.",
    ),
]
KubeconfigOption: TypeAlias = Annotated[
    Path | None,
    Option(
        "--kubeconfig",
        read=existing_file,
        help="The kubeconfig [$KUBECONFIG or ~/.kube/config].",
    ),
]
ContextOption: TypeAlias = Annotated[
    str | None, Option("--context", help="The kubeconfig's context [the current one].")
]
RateOption: TypeAlias = Annotated[
    str | None,
    Option("--rate", metavar="RATE", help="The highest rate of requests, as 100/s."),
]
ConcurrencyOption: TypeAlias = Annotated[
    int | None,
    Option(
        "--concurrency",
        at_least=1,
        at_most=MAX_CONCURRENCY,
        metavar="N",
        help="The most requests in flight.",
    ),
]
AllowKeysOption: TypeAlias = Annotated[
    list[str] | None,
    Option("--allow-key", metavar="KEY", help="A protected key that the patch may change."),
]


def _command(verb: str, what: "What", summary: str) -> Callable[..., None]:
    """Return the command that changes `what`; `summary` is the first line of its help."""

    def command(
        kinds: KindsArgument,
        words: WordsArgument = None,
        selector: SelectorOption = "",
        field_selector: FieldSelectorOption = "",
        namespace: NamespaceOption = None,
        all_namespaces: AllNamespacesOption = False,
        where: WhereOption = "",
        objects: ObjectsOption = None,
        dependents: DependentsOption = "",
        overwrite: OverwriteOption = False,
        listing: ListOption = False,
        kubeconfig: KubeconfigOption = None,
        context: ContextOption = None,
        rate: RateOption = None,
        concurrency: ConcurrencyOption = None,
        allow_key: AllowKeysOption = None,
        everything: AllOption = False,
        yes: YesOption = False,
        dry_run: DryRunOption = DryRun.NONE,
        run_file: RunFileOption = None,
        progress: ProgressOption = None,
        quiet: QuietOption = False,  # noqa: ARG001 - the parser acts on it
        output: FormatOption = ResultFormat.TEXT,
        reason: ReasonOption = "",
        state_dir: StateDirOption = None,
        shared: SharedOption = False,
        log_file: LogFileOption = None,
        log_max_size: LogMaxSizeOption = None,
        request_timeout: TimeoutOption = 30.0,
    ) -> None:
        load_libraries()

        from fleetpatch.cli.ad_hoc import carry_out, show
        from fleetpatch.cli.ad_hoc_plan import plan_of
        from fleetpatch.cli.settings import settings_of

        arguments = parse([kinds, *(words or ())])
        selection = ObjectSelection(
            selector, field_selector, namespace, all_namespaces, where, objects, dependents
        )
        selection.check(verb, arguments, listing=listing)
        _use_kubeconfig(kubeconfig)
        guards = without_empty(allowKeys=allow_key, onExisting=None if overwrite else "skip")
        pace = without_empty(concurrency=concurrency, rate=rate)
        plan = plan_of(verb, what, arguments, selection, context, guards=guards, pace=pace)
        settings = settings_of(state_dir, log_file, request_timeout, reason=reason, shared=shared)
        settings = replace(settings, progress_every=progress, log_max_size=log_max_size)
        if listing:
            show(plan, settings, output, what)
        else:
            carry_out(plan, settings, output, run_file, dry_run, everything=everything, yes=yes)

    command.__doc__ = summary
    return command


def _use_kubeconfig(file: Path | None) -> None:
    """Read this kubeconfig as if it were set for this command: exec plugins read it, too."""
    if file is not None:
        os.environ["KUBECONFIG"] = str(file)


command = _command("label", "labels", "Set and remove labels on many objects.")
annotate = _command("annotate", "annotations", "Set and remove annotations on many objects.")
