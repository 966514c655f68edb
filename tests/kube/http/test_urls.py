"""The query parameters of a PATCH, by provider, kind and options.

Covered: every kind of both tables, what is left out, quoting, that nothing is rehearsed where that
is unknown, how an apply is sent. Left out: what else is in a URL (test_kube_patch), and who refuses
a rehearsal before it comes to this (tests of the campaign).
"""

import pytest

from fleetpatch.kube.client import ApiServer
from fleetpatch.kube.connection import Connection
from fleetpatch.kube.http.urls import Urls
from fleetpatch.model.change import PatchOptions, PatchRequest, PatchType
from fleetpatch.model.providers.capability import Capability, ProviderName, QueryParameter
from fleetpatch.model.providers.tables import BATCH_JOB, CCI, PROVIDERS, TF_JOB, VOLCANO_JOB
from fleetpatch.model.resource import Resource
from tests.kube.peers import VirtualClock, an_object, http, in_turn, opened, serve, target

PLAIN = PatchOptions()
ALL = PatchOptions("the manager & co/ä", force=True, pretty=True)


def query(
    provider: ProviderName,
    resource: Resource,
    options: PatchOptions = PLAIN,
    patch_type: PatchType = PatchType.MERGE,
    *,
    dry_run: bool = False,
) -> dict[str, str]:
    request = PatchRequest(patch_type, b"{}", options)
    urls = Urls("https://x", provider)
    return dict(urls.patch(target("a", resource), request, dry_run=dry_run).query)


@pytest.mark.parametrize(
    ("provider", "kind"),
    [(provider.name, kind) for provider in PROVIDERS.values() for kind in provider.kinds],
    ids=lambda value: value.resource.name if isinstance(value, Capability) else value,
)
def test_nothing_is_sent_that_the_kind_does_not_take(
    provider: ProviderName, kind: Capability
) -> None:
    rehearsed = QueryParameter.DRY_RUN in kind.query

    sent = query(provider, kind.resource, ALL, PatchType.APPLY, dry_run=rehearsed)

    assert sent.keys() == {name.value for name in kind.query}


def test_a_plain_patch_names_its_manager_and_no_more() -> None:
    assert query(ProviderName.KUBERNETES, BATCH_JOB) == {"fieldManager": "fleetpatch"}
    assert query(ProviderName.CCI, VOLCANO_JOB) == {"fieldManager": "fleetpatch"}
    assert query(ProviderName.CCI, TF_JOB) == {}


def test_values_come_out_as_they_went_in() -> None:
    sent = query(ProviderName.KUBERNETES, BATCH_JOB, ALL, PatchType.APPLY, dry_run=True)

    assert sent == {
        "fieldManager": "the manager & co/ä",
        "force": "true",
        "pretty": "true",
        "dryRun": "All",
    }


@pytest.mark.parametrize("patch_type", [kind for kind in PatchType if kind is not PatchType.APPLY])
def test_nothing_but_an_apply_is_forced(patch_type: PatchType) -> None:
    assert "force" not in query(ProviderName.KUBERNETES, BATCH_JOB, ALL, patch_type)


def test_a_custom_kind_of_any_name_takes_what_kubernetes_takes() -> None:
    resource = Resource("example.com", "v1", "things", "Thing")

    assert query(ProviderName.KUBERNETES, resource, dry_run=True).keys() == {
        "fieldManager",
        "dryRun",
    }


@pytest.mark.parametrize(
    "resource",
    [
        *(kind.resource for kind in CCI.kinds if QueryParameter.DRY_RUN not in kind.query),
        Resource("example.com", "v1", "things", "Thing"),
    ],
    ids=lambda resource: resource.name,
)
async def test_what_can_not_be_rehearsed_is_never_sent_as_a_rehearsal(resource: Resource) -> None:
    async with serve(in_turn(http(200, an_object()))) as peer:
        connection = Connection("", "", peer.url, provider=ProviderName.CCI)
        async with ApiServer("test", connection, clock=VirtualClock()) as api:
            with pytest.raises(
                RuntimeError, match=rf"^cci has no dry run of a PATCH of {resource.name}$"
            ):
                await api.patch(
                    target("a", resource), PatchRequest(PatchType.MERGE, b"{}"), dry_run=True
                )

    assert peer.requests == []


async def test_an_apply_is_sent_as_one() -> None:
    options = PatchOptions("me", force=True)
    async with opened(in_turn(http(200, an_object()))) as (api, peer):
        await api.patch(target(), PatchRequest(PatchType.APPLY, b"{}", options))

    [request] = peer.requests
    assert request.headers["content-type"] == "application/apply-patch+yaml"
    assert request.query == {"fieldManager": "me", "force": "true"}
