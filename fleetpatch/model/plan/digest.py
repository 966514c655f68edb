"""A plan as canonical text, and the digests by which people and run files identify it.

Plans with the same meaning have the same text: keys are sorted, defaults are left out, selectors,
durations and rates are rendered in one way. Comments, the order of keys, formatting and written
defaults do not change the digest. Everything else does.
"""

import hashlib
import json

from fleetpatch.model.fields import MAX_DEPTH, TOO_DEEP, is_deeper
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.plan.section import as_tree, section_of


def canonical(plan: Plan) -> str:
    """Render the plan as JSON text, which `restore` reads back to an equal plan."""
    # Without defaults, so that a new key with a default does not change the digests of old plans.
    return json.dumps(as_tree(plan), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def restore(text: str) -> Plan:
    """Read what `canonical` wrote. Raises ValueError or RecursionError for any other text."""
    meaning = json.loads(text)
    # A run file may come from anywhere; the rules would recurse into its plan.
    if is_deeper(meaning, MAX_DEPTH):
        raise ValueError(TOO_DEEP)
    return section_of(Plan, meaning)


def digest(plan: Plan) -> str:
    """Return the digest of the plan's meaning: `sha256:` and 64 hexadecimal digits."""
    return digest_of(canonical(plan))


def undo_digest(undone: str, plan: str, sealed: str) -> str:
    """Return the digest of an undo, from the undone run's id, its plan's text and its seal.

    It differs from the plan's own digest, so `apply PLAN` never resumes an undo as the plan's run.
    """
    return digest_of(f"undo of {undone}, {digest_of(plan)}, {sealed}")


def digest_of(text: str) -> str:
    """Return `sha256:` and 64 hexadecimal digits, over the text's bytes in UTF-8."""
    # A changed run file may hold lone surrogates; its digest must differ, not raise.
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"
