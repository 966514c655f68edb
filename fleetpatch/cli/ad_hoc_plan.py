"""Makes the plan of `label` and `annotate` from their arguments."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from fleetpatch.cli.object_arguments import ObjectArguments
from fleetpatch.cli.object_selection import ObjectSelection, without_empty
from fleetpatch.model.fields import Json
from fleetpatch.model.plan.load import PlanFile, plan_file_from
from fleetpatch.model.plan.problems import TreePath
from fleetpatch.report.objects import What

_ARGUMENTS: Final[Mapping[TreePath, str]] = MappingProxyType(
    {
        ("targets", 0, "kinds"): "KINDS",
        ("targets", 0, "namespaces"): "-n",
        ("targets", 0, "selector"): "-l",
        ("targets", 0, "fieldSelector"): "--field-selector",
        ("targets", 0, "where"): "--where",
        ("targets", 0, "objects"): "--objects",
        ("targets", 0, "dependents"): "--dependents",
        ("fleet", 0, "context"): "--context",
        ("pace", "rate"): "--rate",
        ("pace", "concurrency"): "--concurrency",
        ("guards", "allowKeys"): "--allow-key",
    }
)
"""The argument that sets each value of the plan."""

_LONGEST: Final = 40
"""Characters of the name of a command's runs; a plan's name has 63 at most."""


def plan_of(
    verb: str,
    what: What,
    arguments: ObjectArguments,
    selection: ObjectSelection,
    context: str | None,
    *,
    guards: Json,
    pace: Json,
) -> PlanFile:
    """Make a plan, and check it like one that is read from a file.

    Its runs are named after the keys that it changes. Its own name is derived from its content. So
    the same arguments are the same plan, which only one process at a time may apply, and other
    arguments are another plan, which may run concurrently.
    """
    sections: dict[str, Json] = {
        # Without a fleet a plan means the current context.
        "fleet": [{"name": "cluster", "context": context}] if context else None,
        "targets": selection.targets(arguments),
        # A plan changes something; `--list` does not use it.
        "patch": {what: dict(arguments.changes) or {"none": None}},
        "guards": guards,
        "pace": pace,
    }
    keys = _keys(sections["patch"])
    content = json.dumps(sections, sort_keys=True).encode()
    campaign = _campaign(verb, keys.values())
    name = f"{campaign}-{hashlib.blake2s(content, digest_size=4).hexdigest()}"
    mapping = {"metadata": {"name": name}, **without_empty(**sections)}
    plan = plan_file_from(mapping, "fleetpatch", {**_ARGUMENTS, **keys})
    return replace(plan, campaign=campaign)


def _campaign(verb: str, keys: Iterable[str]) -> str:
    """Return `label-cost-centre-team` for these keys, without their prefixes, cut to 40 letters."""
    names = "-".join(key.rpartition("/")[2].lower() for key in keys)
    words = re.sub("[^a-z0-9]+", "-", f"{verb}-{names}")
    return words[:_LONGEST].strip("-")


def _keys(patch: Json) -> dict[TreePath, str]:
    """Name each label or annotation of the patch by its key, as the arguments do."""
    parts = patch.items() if isinstance(patch, dict) else ()
    return {("patch", part, key): key for part, values in parts for key in values}
