"""Whether an answer is about the object that was asked for.

A connection out of step, a cache or a gateway may hand on the answer to another request. Such an
answer says nothing about our object, so it counts as no answer: after a PATCH the target is in
doubt and is read, and a read is made again.

What an object says of its kind counts where it says so: lists leave it out, and an object that was
asked for as metadata is called PartialObjectMetadata.
"""

from typing import Final

from fleetpatch.model.answer import Answer, NoAnswer, Reply, Silence
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import Seen, Target
from fleetpatch.model.text import clean

PARTIAL: Final = "PartialObjectMetadata"
"""The kind of an object of which only the metadata was asked for."""

_OTHER: Final = "the answer is about another object"
_QUOTED: Final = 200
_NOT_FOUND: Final = 404


def verified_reply(target: Target, reply: Reply, *, written: bool) -> Reply:
    """Give `reply`, or NoAnswer where it is about another object than `target`.

    `written` tells that it answers a PATCH, which never makes another object of the same name; a
    read may find one.
    """
    if not isinstance(reply, Answer):
        return reply
    other = ""
    if reply.seen is not None:
        other = _difference(target, reply.seen, written=written)
    elif reply.is_status:
        other = _other_in_status(target, reply)
    return NoAnswer(Silence.MISDIRECTED, clean(other)) if other else reply


def kind_problem(resource: Resource, api_version: str, kind: str) -> str:
    """Say which other kind an object is of; empty where it is of this one, or does not say."""
    if kind == PARTIAL:
        return ""
    if (kind and kind != resource.kind) or (api_version and api_version != resource.api_version):
        shown = f"{api_version} {kind}".strip()
        return f"it is {clean(shown, _QUOTED)}, not {resource.api_version} {resource.kind}"
    return ""


def missing_identity(seen: Seen) -> str:
    """Name what an object lacks that every stored object has; empty where it lacks nothing.

    Without a uid it cannot be told from another one of its name, and without a resourceVersion a
    patch would not be guarded.
    """
    required = {"name": seen.name, "uid": seen.uid, "resourceVersion": seen.resource_version}
    missing = [name for name, value in required.items() if not value]
    return f"it has no {' and no '.join(missing)}" if missing else ""


def _difference(target: Target, seen: Seen, *, written: bool) -> str:
    if (seen.namespace, seen.name) != (target.namespace, target.name):
        return f"the answer is about {seen.namespace}/{seen.name}"
    if written and seen.uid != target.uid:
        return f"the answer is about an object with uid {seen.uid}, not {target.uid}"
    problem = kind_problem(target.resource, seen.api_version, seen.kind) or missing_identity(seen)
    return f"{_OTHER}: {problem}" if problem else ""


def _other_in_status(target: Target, answer: Answer) -> str:
    """Say that a refusal is about another object; empty where it may be about ours.

    A 404 must not be about another kind either, but about our object's namespace it may be. Other
    refusals may come from admission webhooks, which name what they like.
    """
    kind, name, group = answer.about.lower(), answer.about_name, answer.about_group
    resource = target.resource
    names = {resource.plural, resource.singular, resource.kind.lower()}
    if kind in names and (not group or group == resource.group):
        return _OTHER if name not in {"", target.name} else ""
    if answer.status != _NOT_FOUND or not kind:
        return ""
    is_namespace = kind in {"namespaces", "namespace"} and name in {"", target.namespace}
    return "" if is_namespace else _OTHER
