"""The query parameters of a PATCH, by provider, kind and options.

Covered: every kind of both tables, what is left out, quoting of any name, no dry run where the
kind does not have one, how an apply is sent. Left out: the rest of a URL (test_patch), and the
earlier refusal of such a dry run (tests of the campaign).
"""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.kube.client import ApiServer
from fleetpatch.kube.connection import Connection
from fleetpatch.kube.http.urls import Urls
from fleetpatch.model.change import PatchOptions, PatchRequest, PatchType
from fleetpatch.model.providers.capability import Capability, ProviderName, QueryParameter
from fleetpatch.model.providers.kinds import BATCH_JOB, TF_JOB, VOLCANO_JOB
from fleetpatch.model.providers.tables import CCI, PROVIDERS
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
def test_only_parameters_that_the_kind_accepts_are_sent(
    provider: ProviderName, kind: Capability
) -> None:
    takes_dry_run = QueryParameter.DRY_RUN in kind.query

    sent = query(provider, kind.resource, ALL, PatchType.APPLY, dry_run=takes_dry_run)

    assert sent.keys() == {name.value for name in kind.query}


def test_a_plain_patch_has_only_its_field_manager() -> None:
    assert query(ProviderName.KUBERNETES, BATCH_JOB) == {"fieldManager": "fleetpatch"}
    assert query(ProviderName.CCI, VOLCANO_JOB) == {"fieldManager": "fleetpatch"}
    assert query(ProviderName.CCI, TF_JOB) == {}


@given(*[st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)] * 5)
def test_no_name_leads_to_another_path_or_ends_the_request_line(
    group: str, version: str, plural: str, namespace: str, name: str
) -> None:
    resource = Resource(group, version, plural, "Kind")
    request = PatchRequest(PatchType.MERGE, b"{}", PLAIN)
    sent = Urls("https://x").patch(target(name, resource, namespace), request, dry_run=False)

    path, _, query = sent.raw_path_qs.partition("?")
    assert query == "fieldManager=fleetpatch"
    assert re.fullmatch(r"/apis/[^/]+/[^/]+/namespaces/[^/]+/[^/]+/[^/]+", path)
    assert re.fullmatch(r"[!-~]+", path)
    assert not {".", ".."} & set(path.split("/"))


def test_values_are_quoted() -> None:
    sent = query(ProviderName.KUBERNETES, BATCH_JOB, ALL, PatchType.APPLY, dry_run=True)

    assert sent == {
        "fieldManager": "the manager & co/ä",
        "force": "true",
        "pretty": "true",
        "dryRun": "All",
    }


@pytest.mark.parametrize("patch_type", [kind for kind in PatchType if kind is not PatchType.APPLY])
def test_only_an_apply_is_forced(patch_type: PatchType) -> None:
    assert "force" not in query(ProviderName.KUBERNETES, BATCH_JOB, ALL, patch_type)


def test_any_custom_kind_accepts_the_parameters_of_kubernetes() -> None:
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
async def test_a_kind_without_dry_run_is_never_sent_one(resource: Resource) -> None:
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
