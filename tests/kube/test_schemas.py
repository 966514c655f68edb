"""What a client learns of how a server merges, from its version and its schema.

Covered: one request for each group version, schemas that are refused, absent or no schema, a kind
without a schema beside one with it. Left out: what a schema says (tests/rules/patching).
"""

import pytest

from fleetpatch.kube.client import ApiServer
from fleetpatch.model.resource import Resource
from fleetpatch.rules.patching.merging import ServerMerging
from tests.fakes import JOBS
from tests.kube.peers import Act, Answers, Request, http, opened, status
from tests.rules.patching import server_schemas

CRON_JOBS = Resource("batch", "v1", "cronjobs", "CronJob")
WIDGETS = Resource("example.com", "v1", "widgets", "Widget")
BATCH = "/openapi/v3/apis/batch/v1"


def server(version: str, schemas: dict[str, bytes | Act]) -> Answers:
    """A server of this version that answers these paths, and no others."""

    def answer(request: Request) -> bytes | Act:
        if request.path == "/version":
            return http(200, {"gitVersion": f"v{version}.0"})
        return schemas.get(request.path, http(404, b"404 page not found"))

    return answer


async def learned(api: ApiServer, *kinds: Resource) -> ServerMerging:
    return await api.merging(kinds)


async def test_kinds_of_one_group_version_need_one_request() -> None:
    made = server_schemas.document("1.20", JOBS)
    async with opened(server("1.31", {BATCH: http(200, made)})) as (api, peer):
        found = await learned(api, JOBS, CRON_JOBS, WIDGETS)

    assert found.schema is not None
    assert [bool(found.schema.root(kind)) for kind in (JOBS, CRON_JOBS, WIDGETS)] == [
        True,
        False,
        False,
    ]
    paths = [request.path for request in peer.requests]
    assert paths == ["/version", BATCH, "/openapi/v3/apis/example.com/v1"]


@pytest.mark.parametrize(
    "answer",
    [
        status(403, "Forbidden"),
        http(404, b"404 page not found"),
        http(200, b"<html>"),
        http(200, []),
        http(200, {"components": {"schemas": {"io.k8s.api.batch.v1.Job": 5}}}),
        http(200, b'{"components":' * 3000),
        http(500, b"no"),
    ],
    ids=["403", "404", "html", "list", "number", "deep", "500"],
)
async def test_without_a_schema_the_version_is_what_is_known(answer: bytes) -> None:
    async with opened(server("1.31", {BATCH: answer})) as (api, _):
        assert await learned(api, JOBS) == ServerMerging("1.31")


async def test_a_schema_with_the_rules_of_a_table_is_not_kept() -> None:
    made = http(200, server_schemas.document("1.36", JOBS))
    async with opened(server("1.29", {BATCH: made})) as (api, _):
        assert await learned(api, JOBS) == ServerMerging("1.36")
