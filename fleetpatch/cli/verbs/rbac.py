"""`fleetpatch rbac`: the least rights that a plan needs, as manifests."""

import sys
from pathlib import Path
from typing import Annotated

from fleetpatch.cli.lean_imports import load_libraries
from fleetpatch.cli.options import FilenameOption, TimeoutOption, named_once
from fleetpatch.cli.parameters import Argument, Option
from fleetpatch.errors import UsageError


def command(
    plan: Annotated[Path | None, Argument(metavar="PLAN")] = None,
    filename: FilenameOption = None,
    service_account: Annotated[
        str | None,
        Option(
            metavar="NAMESPACE/NAME",
            help="Bind the roles to this account; without it there are no bindings.",
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        Option(
            metavar="NAME",
            help="A cluster of the plan's fleet, if their rights differ.",
        ),
    ] = None,
    request_timeout: TimeoutOption = 30.0,
) -> None:
    """Print the least rights that a plan needs, as roles.

    They are manifests for `kubectl apply -f -`, and enough for plan, apply, resume, verify and
    undo. A comment says what each rule is for. The cluster is only asked for the kinds that it
    serves.
    """
    load_libraries()

    from fleetpatch.campaign.planning.permissions import permissions_of
    from fleetpatch.campaign.settings import Settings
    from fleetpatch.cli.event_loop import run
    from fleetpatch.cli.output import WarnOnce, print_warnings
    from fleetpatch.model.plan.load import load_plan
    from fleetpatch.report.rbac import manifest_lines, read_account
    from fleetpatch.report.terminal import write

    account = None if service_account is None else read_account(service_account)
    loaded = load_plan(named_once(plan, filename, what="PLAN", verb="rbac"))
    print_warnings(loaded)
    settings = Settings(request_timeout=request_timeout, warn=WarnOnce())
    needed = run(lambda: permissions_of(loaded, settings))
    if cluster is not None and cluster not in needed:
        raise UsageError(
            f"{cluster!r} is not a cluster of {loaded.plan.name}; it has {', '.join(needed)}"
        )
    if cluster is None:
        cluster, *others = needed
        if any(needed[other] != needed[cluster] for other in others):
            raise UsageError(
                f"the clusters of {loaded.plan.name} need different rights; repeat with --cluster"
                f" and one of {', '.join(needed)}"
            )
    write(manifest_lines(f"fleetpatch-{loaded.plan.name}", needed[cluster], account), sys.stdout)
