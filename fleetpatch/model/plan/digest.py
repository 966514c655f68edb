"""A plan as canonical text, and the digest of its meaning.

Equal meaning, equal bytes: keys are sorted, defaults left out, selectors, durations and rates
rendered in one way. Comments, order of keys, formatting and defaults written out do not change it;
all else does.
"""

import json

from fleetpatch.model.depth import MAX_DEPTH, TOO_DEEP, is_deeper
from fleetpatch.model.digest import digest_of
from fleetpatch.model.plan.schema import Plan


def canonical(plan: Plan) -> str:
    """Render the plan as JSON text, which `restore` reads back to an equal plan."""
    meaning = plan.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return json.dumps(meaning, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def restore(text: str) -> Plan:
    """Read what `canonical` wrote. Raises ValueError or RecursionError for any other text."""
    meaning = json.loads(text)
    if is_deeper(meaning, MAX_DEPTH):
        raise ValueError(TOO_DEEP)
    return Plan.model_validate(meaning)


def digest(plan: Plan) -> str:
    """Compute `sha256:` and 64 hexadecimal digits."""
    return digest_of(canonical(plan))
