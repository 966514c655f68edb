"""The client against a real API server.

Covered: discovery and names, lists by page and selector, PATCH and GET, and the answers that the
verdicts depend on (unchanged, conflict, gone, not served, forbidden, unauthorized). Left out:
campaigns (tests of the floors above).
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fleetpatch.engine.clock import SystemClock
from fleetpatch.errors import ClusterError, CredentialsError, UsageError
from fleetpatch.kube.client import ApiServer
from fleetpatch.kube.kubeconfig.connect import connect_to_context
from fleetpatch.kube.resolve import resolve
from fleetpatch.model.answer import Answer
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import Seen
from tests.control_plane import JOB_KINDS, ControlPlane
from tests.kube.peers import JOBS, merge, target
from tests.values import replace

pytestmark = pytest.mark.control_plane
BOTH = merge(b'{"metadata":{"labels":{"app":"etl"}}}')


@asynccontextmanager
async def opened(
    control_plane: ControlPlane, tmp_path: Path, user: str = "alice", **options: Any
) -> AsyncIterator[ApiServer]:
    file = control_plane.kubeconfig(tmp_path / user, user)
    connection = await connect_to_context(environ={"KUBECONFIG": str(file)})
    async with ApiServer("real", connection, clock=SystemClock(), **options) as api:
        yield api


async def listed(api: ApiServer, namespace: str, selector: str = "") -> list[Seen]:
    pages = api.pages(JOBS, namespace=namespace, selector=selector, field_selector="")
    return [seen async for page in pages for seen in page.items]


async def test_the_job_kinds_are_discovered_and_resolved(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    async with opened(control_plane, tmp_path) as api:
        resources = await api.resources()

    assert api.unavailable == {}
    for name, kind in JOB_KINDS.items():
        found = resolve(name, resources)
        assert (found.api_version, found.plural) == (kind.api_version, kind.plural)
    assert resolve("vcjob", resources).name == "jobs.batch.volcano.sh"
    assert resolve("TFJob", resources).name == "tfjobs.kubeflow.org"
    with pytest.raises(UsageError, match=r"jobs\.batch, jobs\.batch\.volcano\.sh"):
        resolve("jobs", resources)


async def test_objects_are_listed_page_by_page(control_plane: ControlPlane, tmp_path: Path) -> None:
    namespace = control_plane.namespace()
    names = control_plane.create_jobs(
        12, namespace, labels=lambda index: {"parity": "even" if index % 2 == 0 else "odd"}
    )

    async with opened(control_plane, tmp_path, page_size=5) as api:
        everything = await listed(api, namespace)
        odd = await listed(api, namespace, "parity in (odd)")
        none = await listed(api, namespace, "parity=none")
        assert namespace in await api.namespaces()

    assert [seen.name for seen in everything] == names
    assert [seen.name for seen in odd] == names[1::2]
    assert odd[0].labels["parity"] == "odd"
    assert none == []
    assert api.requests["list"] >= 3 + 2 + 1 + 1


@pytest.mark.parametrize("name", sorted(JOB_KINDS))
async def test_a_patch_changes_an_object_and_a_read_shows_it(
    control_plane: ControlPlane, tmp_path: Path, name: str
) -> None:
    namespace, kind = control_plane.namespace(), JOB_KINDS[name]
    [job] = control_plane.create_jobs(1, namespace, kind)

    async with opened(control_plane, tmp_path) as api:
        it = target(job, resolve(name, await api.resources()), namespace)
        dry = await api.patch(it, BOTH, dry_run=True)
        before = await api.get(it)
        first = await api.patch(it, BOTH, dry_run=False)
        again = await api.patch(it, BOTH, dry_run=False)
        read = await api.get(it)

    assert isinstance(dry, Answer)
    assert dry.seen is not None
    assert dry.seen.labels["app"] == "etl"
    assert isinstance(before, Answer)
    assert before.seen is not None
    assert before.seen.labels.get("app") != "etl"
    assert isinstance(first, Answer)
    assert first.seen is not None
    assert first.seen.resource_version != before.seen.resource_version
    assert first == again
    assert isinstance(read, Answer)
    assert read.seen is not None
    # Who wrote a field is decoded of reads alone.
    assert read.seen.managed_fields
    assert first == replace(read, seen=replace(read.seen, managed_fields=None))


async def test_each_answer_has_the_form_that_the_verdicts_expect(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    namespace = control_plane.namespace()
    [job] = control_plane.create_jobs(1, namespace)
    widgets = Resource("nowhere.example", "v1", "widgets", "Widget")

    async with opened(control_plane, tmp_path, "admin") as api:
        it = target(job, JOBS, namespace)
        conflict = await api.patch(it, merge(b'{"metadata":{"resourceVersion":"1"}}'))
        replaced = await api.patch(it, merge(b'{"metadata":{"uid":"other"}}'))
        gone = await api.patch(target("gone", JOBS, namespace), BOTH, dry_run=False)
        unserved = await api.patch(target("a", widgets, namespace), BOTH, dry_run=False)

    assert isinstance(conflict, Answer)
    assert (conflict.status, conflict.reason, conflict.about) == (409, "Conflict", "jobs")
    assert isinstance(replaced, Answer)
    assert (replaced.status, "metadata.uid" in replaced.causes) == (422, True)
    assert isinstance(gone, Answer)
    assert (gone.status, gone.reason, gone.about) == (404, "NotFound", "jobs")
    assert unserved == Answer(404, message="404 page not found")


async def test_a_user_without_the_right_is_refused_by_name(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    namespace = control_plane.namespace()
    async with opened(control_plane, tmp_path, "bob") as api:
        answer = await api.patch(target("a", JOBS, namespace), BOTH, dry_run=False)
        with pytest.raises(ClusterError, match=r'not allowed .*cannot list resource "jobs"'):
            await listed(api, namespace)

    assert isinstance(answer, Answer)
    assert (answer.status, answer.reason) == (403, "Forbidden")


async def test_a_wrong_token_is_a_credentials_error(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    file = control_plane.kubeconfig(tmp_path / "config")
    file.write_text(file.read_text().replace(control_plane.admin_token, "wrong"))
    connection = await connect_to_context(environ={"KUBECONFIG": str(file)})
    async with ApiServer("real", connection, clock=SystemClock()) as api:
        answer = await api.get(target())
        with pytest.raises(CredentialsError, match="401 Unauthorized"):
            await api.resources()

    assert isinstance(answer, Answer)
    assert answer.status == 401


async def test_a_selector_that_is_not_valid_is_refused_by_the_server(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    async with opened(control_plane, tmp_path) as api:
        with pytest.raises(ClusterError, match="400 BadRequest"):
            await listed(api, control_plane.namespace(), "a gt 5")


@pytest.mark.parametrize(
    ("logged_in", "user", "status"),
    [
        ("admin", {}, 200),
        ("admin", {"as": "alice"}, 200),
        ("admin", {"as": "bob"}, 403),
        ("admin", {"as": "bob", "as-groups": ["fleet", "system:masters"]}, 200),
        ("admin", {"as": "bob", "as-user-extra": {"example.com/a b": ["x", "y"]}}, 403),
        ("alice", {"as": "admin", "as-groups": ["system:masters"]}, 403),
    ],
)
async def test_a_patch_is_made_as_the_impersonated_user(
    control_plane: ControlPlane, tmp_path: Path, logged_in: str, user: dict[str, Any], status: int
) -> None:
    namespace = control_plane.namespace()
    [job] = control_plane.create_jobs(1, namespace)
    file = control_plane.kubeconfig(tmp_path / "config", logged_in)
    content = json.loads(file.read_text())
    content["users"][0]["user"] |= user
    file.write_text(json.dumps(content))
    connection = await connect_to_context(environ={"KUBECONFIG": str(file)})
    async with ApiServer("real", connection, clock=SystemClock()) as api:
        answer = await api.patch(
            target(job, JOBS, namespace), merge(b'{"metadata":{"labels":{"a":"b"}}}')
        )

    assert isinstance(answer, Answer)
    assert answer.status == status
    if status == 403:
        named = "impersonate" if logged_in == "alice" else 'User "bob" cannot patch'
        assert named in answer.message
