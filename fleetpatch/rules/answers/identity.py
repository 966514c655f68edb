"""Whether an answer is about the requested object.

A connection that is out of step, a cache or a gateway may return the answer to another request.
Such an answer says nothing about our object, so it counts as no answer: after a PATCH the target is
in doubt and is read, and a read is repeated.

The kind is compared only if the object has one: the items of lists may lack it, and an object whose
metadata was requested is a PartialObjectMetadata.
"""

from typing import Final

from fleetpatch.model.answer import Answer, NoAnswer, Reply, Silence
from fleetpatch.model.masking import mask_known
from fleetpatch.model.names import namespaced_name
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import Seen, Target
from fleetpatch.model.text import clean

PARTIAL: Final = "PartialObjectMetadata"
"""The kind of an answer to a request for metadata only."""

_OTHER: Final = "the answer is about another object"

_QUOTED: Final = 200
"""Characters to quote of a name or kind of the server; valid ones are shorter in practice."""

_NOT_FOUND: Final = 404


def verified_reply(target: Target, reply: Reply, *, written: bool) -> Reply:
    """Return `reply`, or NoAnswer if it is about another object than `target`.

    `written` means that it answers a PATCH. Then an answer with another uid is about another
    object, because our PATCH never creates one; a read may find an object that was recreated.
    """
    if not isinstance(reply, Answer):
        return reply
    other = ""
    if reply.seen is not None:
        other = _difference(target, reply.seen, written=written)
    elif reply.is_status:
        other = _other_in_status(target, reply)
    if not other:
        return reply
    # Any field of the object may quote the credentials of the request, for example its name.
    return NoAnswer(Silence.MISDIRECTED, clean(mask_known(other, reply.secrets)))


def kind_problem(resource: Resource, api_version: str, kind: str) -> str:
    """Describe the wrong kind of an object; empty if the kind is right or not included."""
    if kind == PARTIAL:
        return ""
    if (kind and kind != resource.kind) or (api_version and api_version != resource.api_version):
        shown = f"{api_version} {kind}".strip()
        return f"it is {clean(shown, _QUOTED)}, not {resource.api_version} {resource.kind}"
    return ""


def missing_identity(seen: Seen) -> str:
    """Name the fields that an object lacks although every stored object has them; else empty.

    Without a uid it cannot be distinguished from a recreated object, and without a resourceVersion
    a patch would not be guarded.
    """
    if seen.name and seen.uid and seen.resource_version:
        return ""
    required = {"name": seen.name, "uid": seen.uid, "resourceVersion": seen.resource_version}
    missing = [name for name, value in required.items() if not value]
    return f"it has no {' and no '.join(missing)}"


def _difference(target: Target, seen: Seen, *, written: bool) -> str:
    if (seen.namespace, seen.name) != (target.namespace, target.name):
        return f"the answer is about {namespaced_name(seen.namespace, seen.name)}"
    if written and seen.uid != target.uid:
        return f"the answer is about an object with uid {seen.uid}, not {target.uid}"
    problem = kind_problem(target.resource, seen.api_version, seen.kind) or missing_identity(seen)
    return f"{_OTHER}: {problem}" if problem else ""


def _other_in_status(target: Target, answer: Answer) -> str:
    """Report that a refusal is about another object; empty if it may be about ours.

    A 404 must not be about another kind either, except the namespace of our object. Other refusals
    may be about any kind: an admission webhook may name whatever object it likes.
    """
    kind, name, group = answer.about.lower(), answer.about_name, answer.about_group
    resource = target.resource
    # A server writes the plural into `details.kind`, but webhooks and gateways write the kind.
    names = {resource.plural, resource.singular, resource.kind.lower()}
    if kind in names and (not group or group == resource.group):
        return _OTHER if name not in {"", target.name} else ""
    if answer.status != _NOT_FOUND or not kind:
        return ""
    is_namespace = kind in {"namespaces", "namespace"} and name in {"", target.namespace}
    return "" if is_namespace else _OTHER
