"""A plan as canonical text, and the digest of its meaning.

Equal meaning, equal bytes: keys are sorted, defaults left out, selectors, durations and rates
rendered in one way. Comments, order of keys, formatting and defaults written out do not change it;
all else does.
"""

import json

from fleetpatch.model.digest import digest_of
from fleetpatch.model.plan.schema import Plan


def canonical(plan: Plan) -> str:
    """Render the plan as JSON text, which `restore` reads back to an equal plan."""
    meaning = plan.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return json.dumps(meaning, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def restore(text: str) -> Plan:
    """Read what `canonical` wrote. Raises ValueError where it did not write it."""
    return Plan.model_validate(json.loads(text))


def digest(plan: Plan) -> str:
    """Compute `sha256:` and 64 hexadecimal digits."""
    return digest_of(canonical(plan))
