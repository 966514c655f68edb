"""Digests of text: by these a person knows a plan, and a run file is held against them."""

import hashlib


def digest_of(text: str) -> str:
    """Compute `sha256:` and 64 hexadecimal digits over the text's UTF-8 bytes."""
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


def undo_digest(undone: str, plan: str, sealed: str) -> str:
    """The digest of an undo: of the id of the run that it undoes, its plan's text and its seal.

    It is never a plan's own digest, so `apply PLAN` never takes an undo for the plan's run.
    """
    return digest_of(f"undo of {undone}, {digest_of(plan)}, {sealed}")
