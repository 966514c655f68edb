"""The API of one Lease over HTTP: implements the port `Leases`.

An update is a merge patch with the resourceVersion that was read, so that one of two writers gets a
409, and metadata that others added is kept. Each call sends one request, and a second one after a
401 if the credentials could be renewed. Other retries are made by the holder (`engine.lease`),
which knows its deadline.
"""

from typing import Annotated, Final, TypeAlias

import msgspec
from yarl import URL

from fleetpatch.kube.http import requests
from fleetpatch.kube.http.decoding import Raw, RawReply, decode_answer
from fleetpatch.kube.http.lenient_json import decode
from fleetpatch.kube.http.requests import RequestTemplate
from fleetpatch.kube.http.transport import Transport
from fleetpatch.kube.http.urls import Urls
from fleetpatch.model.answer import Answer, NoAnswer, one_line_with_reason
from fleetpatch.model.change import FIELD_MANAGER
from fleetpatch.model.fields import Json
from fleetpatch.model.lease import Lease, LeaseMiss, LeaseRecord, LeaseReply, LeaseTrouble
from fleetpatch.model.plan.retry import RETRIED
from fleetpatch.model.text import clean

_GROUP: Final = "coordination.k8s.io/v1"
_OK: Final = (200, 201)
_OTHER_OBJECT: Final = "but the answer is about another object"
_UNAUTHORIZED: Final = 401
_TRANSIENT: Final = frozenset({*RETRIED, *range(500, 600)})
"""Statuses after which the same request may succeed."""

_MANAGED: Final = {"fieldManager": FIELD_MANAGER}


class _Metadata(msgspec.Struct, rename="camel"):
    resource_version: str
    namespace: str | None = None
    name: str | None = None


# As in the API: a larger number is not a Lease, and would overflow the time arithmetic.
_Int32: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]


class _Spec(msgspec.Struct, rename="camel"):
    holder_identity: str | None = None
    lease_duration_seconds: _Int32 | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: _Int32 | None = None


class _Lease(msgspec.Struct):
    metadata: _Metadata
    spec: _Spec | None = None
    kind: str | None = None


_leases: Final = msgspec.json.Decoder(_Lease)


class LeaseApi:
    """One Lease of one server, by namespace and name; implements `Leases`."""

    def __init__(self, transport: Transport, urls: Urls, namespace: str, name: str) -> None:
        self._transport = transport
        self._urls = urls
        self._namespace = namespace
        self._name = name
        self._collection = f"/apis/{_GROUP}/namespaces/{namespace}/leases"
        self._path = f"{self._collection}/{name}"

    async def read(self) -> LeaseReply:
        """See `Leases.read`."""
        return await self._send(requests.READ_LEASE, self._urls.path(self._path))

    async def create(self, record: LeaseRecord) -> LeaseReply:
        """See `Leases.create`."""
        # A POST of an existing name is answered 409, so only one of two creators gets the Lease.
        document = {"apiVersion": _GROUP, "kind": "Lease", "metadata": {"name": self._name}}
        url = self._urls.path(self._collection, _MANAGED)
        return await self._send(requests.CREATE_LEASE, url, document | {"spec": _spec(record)})

    async def update(self, record: LeaseRecord, version: str) -> LeaseReply:
        """See `Leases.update`."""
        body = {"metadata": {"resourceVersion": version}, "spec": _spec(record)}
        return await self._send(requests.UPDATE_LEASE, self._urls.path(self._path, _MANAGED), body)

    async def _send(self, template: RequestTemplate, url: URL, body: Json = None) -> LeaseReply:
        content = msgspec.json.encode(body) if body else None
        raw = await self._exchange(template, url, content)
        if isinstance(raw, NoAnswer):
            return LeaseTrouble(one_line_with_reason(raw))
        return self._lease(raw) if raw.status in _OK else self._refusal(decode_answer(raw))

    async def _exchange(
        self, template: RequestTemplate, url: URL, content: bytes | None
    ) -> RawReply:
        raw = await self._transport.send(template, url, content)
        refused = isinstance(raw, Raw) and raw.status == _UNAUTHORIZED
        # Repeated here, since a Lease must not be lost because of an expired token.
        if refused and await self._transport.credentials.renew():
            return await self._transport.send(template, url, content)
        return raw

    def _lease(self, raw: Raw) -> LeaseReply:
        lease = decode(_leases, raw.body)
        if lease is None:
            return LeaseTrouble(f"{raw.status}, but the answer is not a Lease")
        wanted = ("Lease", self._namespace, self._name)
        shown = (lease.kind, lease.metadata.namespace, lease.metadata.name)
        # Compare only the fields that the answer has: a server may omit some.
        if any(one and one != other for one, other in zip(shown, wanted, strict=True)):
            return LeaseTrouble(f"{raw.status}, {_OTHER_OBJECT}")
        return Lease(_record(lease.spec or _Spec()), lease.metadata.resource_version)

    def _refusal(self, answer: Answer) -> LeaseReply:
        match answer:
            # Only a 404 about this Lease means that it is absent. A 404 may also be about the
            # namespace or the API, and then a create would fail, too.
            case Answer(status=404, about="leases", about_name=name) if name in {"", self._name}:
                return LeaseMiss.ABSENT
            case Answer(status=404, about="leases"):
                return LeaseTrouble(f"404, {_OTHER_OBJECT}")
            case Answer(status=409):
                return LeaseMiss.CONFLICT
        advice = self._advice(answer)
        return LeaseTrouble(
            one_line_with_reason(answer) + advice, passing=answer.status in _TRANSIENT
        )

    def _advice(self, answer: Answer) -> str:
        match answer:
            case Answer(status=401):
                return f"; {self._transport.credentials.remedy}"
            case Answer(status=403):
                return (
                    "; needs the verbs get, create and patch on leases.coordination.k8s.io in "
                    f"namespace {self._namespace}; grant them, or remove `lock` from the plan"
                )
            case Answer(status=404, about="namespaces"):
                return f"; create the namespace {self._namespace}, or name another one in the plan"
            case Answer(status=404):
                return f"; the server does not serve {_GROUP}: remove `lock` from the plan"
        return ""


def _spec(record: LeaseRecord) -> Json:
    """Return the spec of a Lease; null removes a value, in a merge patch."""
    return {
        "holderIdentity": record.holder or None,
        "leaseDurationSeconds": record.seconds or None,
        "acquireTime": record.acquired or None,
        "renewTime": record.renewed or None,
        "leaseTransitions": record.transitions,
    }


def _record(spec: _Spec) -> LeaseRecord:
    return LeaseRecord(
        clean(spec.holder_identity or ""),
        max(0, spec.lease_duration_seconds or 0),
        clean(spec.acquire_time or ""),
        clean(spec.renew_time or ""),
        spec.lease_transitions or 0,
    )
