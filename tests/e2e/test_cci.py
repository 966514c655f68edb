"""The five kinds on CCI, and the same on a plain API server: every type of patch that each takes.

Covered: plan, apply and undo of each; the request examples of CCI's pages; what is refused, where,
and that nothing is sent then; each way to log in; tokens that expire during a run, and one login
for all workers; answers that are no API server's. What each kind takes is written down here from
CCI's pages, apart from the tables that the tool goes by.
Left out: what a PATCH comes to by status (test_statuses.py), secrets (test_secrets.py).
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.cli.calling import Caller
from tests.control_plane import JOB_KINDS, ControlPlane
from tests.e2e import logins
from tests.e2e.campaigns import Objects, ends_well, there_and_back
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool, plan
from tests.e2e.witnesses import objects

JOBS, VOLCANO_JOBS, TFJOBS = "jobs.batch", "jobs.batch.volcano.sh", "tfjobs.kubeflow.org"
TRAINING = (TFJOBS, "mxjobs.kubeflow.org", "pytorchjobs.kubeflow.org")
FIELDS = {
    JOBS: "parallelism",
    VOLCANO_JOBS: "replicas",
    **dict.fromkeys(TRAINING, "activeDeadlineSeconds"),
}
"""A field of each kind's spec that CCI lets change."""

ON_CCI = {
    JOBS: ("labels", "merge", "strategic"),
    VOLCANO_JOBS: ("labels", "annotations", "merge", "json", "strategic"),
    **dict.fromkeys(TRAINING, ("labels", "annotations", "merge")),
}
ON_KUBERNETES = {
    JOBS: ("labels", "annotations", "merge", "json", "strategic", "apply"),
    **dict.fromkeys((VOLCANO_JOBS, *TRAINING), ("labels", "annotations", "merge", "json", "apply")),
}
TYPES = ("merge", "json", "strategic", "apply")

Change: TypeAlias = Callable[[dict[str, Any]], None]


def cases(table: dict[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    return [(kind, way) for kind, ways in table.items() for way in ways]


def the_patch(kind: str, way: str) -> dict[str, Any]:
    """A patch of this type, with all that it can do to this kind."""
    field = FIELDS[kind]
    document = {"metadata": {"labels": {"cost": "new", "tier": None}}, "spec": {field: 7}}
    match way:
        case "labels":
            return {
                "labels": {"cost": "new", "tier": None},
                "renameLabels": {"owner": "boss"},
                "copyLabels": {"team": "squad"},
            }
        case "annotations":
            return {"annotations": {"example.com/why": "cost, 4711", "example.com/ticket": None}}
        case "json":
            operations = [
                {"op": "add", "path": "/metadata/labels/cost", "value": "new"},
                {"op": "remove", "path": "/metadata/labels/tier"},
                {"op": "add", "path": f"/spec/{field}", "value": 7},
            ]
            return {"json": operations}
        case "apply":
            # The creator of a batch Job owns its parallelism, even if it is the server's default.
            applied = {"metadata": {"labels": {"cost": "new"}}, "spec": {field: 7}}
            return {"apply": applied, "force": True}
        case _:
            return {way: document}


def the_change(kind: str, way: str) -> Change:
    """Return the change that the patch must make to an object."""

    def change(one: dict[str, Any]) -> None:
        metadata = one["metadata"]
        labels = metadata["labels"]
        if way == "annotations":
            annotations = metadata.setdefault("annotations", {})
            annotations.pop("example.com/ticket", None)
            annotations["example.com/why"] = "cost, 4711"
            return
        labels["cost"] = "new"
        if way != "apply":
            labels.pop("tier")
        if way != "labels":
            one["spec"][FIELDS[kind]] = 7
            return
        labels["squad"] = labels["team"]
        if "owner" in labels:
            labels["boss"] = labels.pop("owner")

    return change


def labels(index: int) -> dict[str, str]:
    """Return the fields of an object; the first has no owner."""
    owner = {"owner": f"owner-{index}"} if index else {}
    return {"app": "etl", "tier": "std", "team": f"team-{index}", **owner}


def of_kind(kind: str, change: Change) -> Callable[[Objects], None]:
    def all_of_them(found: Objects) -> None:
        for (each, _, _), one in found.items():
            if each == kind:
                change(one)

    return all_of_them


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    """CCI with 25 jobs, five of each kind."""
    tool = Tool(tmp_path_factory.mktemp("cloud"))
    with sandbox(tool, provider="cci", jobs=25, namespaces=3) as served:
        yield served


@pytest.fixture
def variables(cloud: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> None:
    know(cloud, monkeypatch)


def know(cloud: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put what opens a server into the environment."""
    for key, value in cloud.credentials.items():
        monkeypatch.setenv(key, value)


def on(
    cloud: SandboxServer, patch: dict[str, Any], *kinds: str, way: str = "token env", **more: Any
) -> dict[str, Any]:
    """A plan for jobs on CCI."""
    block = {"kinds": list(kinds), "selector": "app"}
    fleet = [logins.cluster(cloud, way, Path.cwd())]
    return plan("on-cci", block, patch=patch, **{"fleet": fleet, **more})


@pytest.mark.usefixtures("variables")
@pytest.mark.parametrize(("kind", "way"), cases(ON_CCI))
def test_each_kind_of_cci_takes_each_type_of_patch_that_its_page_lists(
    cloud: SandboxServer, call: Caller, tool: Tool, kind: str, way: str
) -> None:
    file = tool.write("plan.yaml", on(cloud, the_patch(kind, way), kind))

    there_and_back(call, file, lambda: objects(cloud.client), of_kind(kind, the_change(kind, way)))


@pytest.mark.control_plane
@pytest.mark.parametrize(("kind", "way"), cases(ON_KUBERNETES))
def test_each_kind_is_changed_and_restored_on_a_plain_api_server(
    control_plane: ControlPlane, call: Caller, tool: Tool, kind: str, way: str
) -> None:
    control_plane.kubeconfig(tool.folder / "kubeconfig", user="alice")
    space = control_plane.namespace()
    control_plane.create_jobs(3, space, JOB_KINDS[kind], labels=labels)
    block = {"kinds": [kind], "namespaces": [space], "selector": "app"}
    file = tool.write("plan.yaml", plan("plain", block, patch=the_patch(kind, way)))

    there_and_back(
        call,
        file,
        lambda: objects(control_plane, beginning=space),
        of_kind(kind, the_change(kind, way)),
    )


@pytest.mark.control_plane
def test_an_apply_without_force_leaves_to_others_what_they_own(
    control_plane: ControlPlane, call: Caller, tool: Tool
) -> None:
    control_plane.kubeconfig(tool.folder / "kubeconfig", user="alice")
    space = control_plane.namespace()
    control_plane.create_jobs(3, space, JOB_KINDS[JOBS], labels=labels)
    block = {"kinds": [JOBS], "namespaces": [space], "selector": "app"}
    patch = {**the_patch(JOBS, "apply"), "force": False}
    before = objects(control_plane, beginning=space)

    ended = call(
        "apply", tool.write("p.yaml", plan("mild", block, patch=patch)), "-y", "-o", "json"
    )

    assert ended.json["reasons"] == {"skipped": {"owned": 3}}
    details = {one["detail"] for one in tool.targets("mild")}
    assert all(".spec.parallelism" in detail for detail in details), details
    assert objects(control_plane, beginning=space) == before


@pytest.mark.usefixtures("variables")
@pytest.mark.parametrize(
    ("kind", "value"), [(VOLCANO_JOBS, "patchlabel"), *((kind, "test") for kind in TRAINING[:2])]
)
def test_the_label_examples_of_ccis_pages_change_that_label_and_nothing_else(
    cloud: SandboxServer, call: Caller, tool: Tool, kind: str, value: str
) -> None:
    example = {"metadata": {"labels": {"app": value}}}
    file = tool.write("plan.yaml", on(cloud, {"merge": example}, kind))

    there_and_back(
        call,
        file,
        lambda: objects(cloud.client),
        of_kind(kind, lambda one: one["metadata"]["labels"].update(app=value)),
    )


OPERATION = {"op": "replace", "path": "/status", "value": "Available"}
"""The request example of CCI's page for Jobs."""

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    *(
        (kind, the_patch(kind, way), f"does not accept {way} patches; it accepts")
        for kind, ways in ON_CCI.items()
        for way in TYPES
        if way not in ways
    ),
    *((kind, {"merge": OPERATION}, "looks like a JSON Patch operation") for kind in FIELDS),
    *(
        (
            kind,
            {"merge": {"spec": {"template": {"spec": {"dnsPolicy": "Default"}}}}},
            "it accepts metadata.labels",
        )
        for kind in (JOBS, *TRAINING)
    ),
    *(
        (
            kind,
            {"labels": {"a": "b"}, "fieldManager": "ops"},
            "does not accept fieldManager; it accepts",
        )
        for kind in (JOBS, *TRAINING)
    ),
    (JOBS, {"annotations": {"a": "b"}}, "it accepts metadata.labels, spec.parallelism"),
    (JOBS, {"strategic": {"metadata": {"annotations": {"a": "b"}}}}, "cannot be updated there"),
    (JOBS, {"merge": {"spec": {"activeDeadlineSeconds": 5}}}, "cannot be updated there"),
    (VOLCANO_JOBS, {"merge": {"spec": {"queue": "gold"}}}, "spec.template, spec.replicas"),
    (
        VOLCANO_JOBS,
        {"json": [{"op": "replace", "path": "/spec/tasks/0/replicas", "value": 2}]},
        "cannot be updated there",
    ),
    (TFJOBS, {"merge": {"metadata": {"finalizers": ["a.b/c"]}}}, "cannot be updated there"),
    (TFJOBS, {"merge": {"metadata": {"name": "x"}}}, "identifies the object"),
    (TFJOBS, {"merge": {"metadata": {"uid": "x"}}}, "identifies the object"),
    (TFJOBS, {"merge": {"metadata": {"resourceVersion": "1"}}}, "identifies the object"),
    (TFJOBS, {"merge": {"status": {"phase": "x"}}}, "is written by the kind's controller"),
    (TFJOBS, {"merge": {"metadata": {"labels": None}}}, "would change all labels"),
    (TFJOBS, {"merge": {"spec": {}}}, "changes nothing"),
    (VOLCANO_JOBS, {"labels": {"volcano.sh/queue-name": "x"}}, "schedule a job"),
    (VOLCANO_JOBS, {"labels": {"a": "b"}, "force": True}, "is for apply only"),
    (VOLCANO_JOBS, {"labels": {"a": "b"}, "fieldManager": "x" * 129}, "128"),
    ("pods", {"labels": {"a": "b"}}, "is not a kind of provider cci; it has jobs.batch"),
]


@pytest.mark.usefixtures("variables")
@pytest.mark.parametrize(("kind", "patch", "words"), REFUSED)
def test_a_patch_that_cci_does_not_take_is_refused_with_its_place_before_anything_is_sent(
    cloud: SandboxServer, call: Caller, tool: Tool, kind: str, patch: dict[str, Any], words: str
) -> None:
    file = tool.write("plan.yaml", on(cloud, patch, kind))
    before = cloud.counters()

    for verb in (("plan", file), ("apply", file, "--yes"), ("validate", file)):
        ended = call(*verb)

        assert ended.code == 2
        assert re.match(rf"{re.escape(str(file))}:\d+:\d+: ", ended.err), ended.err
        assert words in ended.err
    assert cloud.counters() == before


@pytest.mark.parametrize("kind", [VOLCANO_JOBS, *TRAINING])
def test_a_strategic_patch_of_a_custom_kind_is_refused_on_any_cluster(
    call: Caller, tool: Tool, kind: str
) -> None:
    block = {"kinds": [kind], "selector": "app"}
    patch = {"strategic": {"metadata": {"labels": {"a": "b"}}}}

    ended = call("apply", tool.write("plan.yaml", plan("strategic", block, patch=patch)), "--yes")

    assert ended.code == 2
    assert "does not accept strategic patches; it accepts merge, json, apply" in ended.err


@pytest.mark.usefixtures("variables")
@pytest.mark.parametrize("kind", [JOBS, *TRAINING])
def test_a_dry_run_is_refused_where_cci_would_really_patch(
    cloud: SandboxServer, call: Caller, tool: Tool, kind: str
) -> None:
    file = tool.write("plan.yaml", on(cloud, the_patch(kind, "labels"), kind))
    before = cloud.sent()

    ended = call("apply", file, "--yes", "--dry-run")

    assert ended.code == 2
    assert "does not support dryRun, and would really be patched" in ended.err
    assert cloud.sent() == before


@pytest.mark.usefixtures("variables")
def test_volcano_jobs_take_a_dry_run_and_the_field_manager_of_the_plan(
    cloud: SandboxServer, call: Caller, tool: Tool
) -> None:
    patch = {**the_patch(VOLCANO_JOBS, "json"), "fieldManager": "platform", "pretty": True}
    file = tool.write("plan.yaml", on(cloud, patch, VOLCANO_JOBS))
    before = objects(cloud.client)

    tried = call("apply", file, "--yes", "--dry-run", "-o", "json")
    assert tried.json["reasons"] == {"applied": {"dry-run": 5}}, tried.err
    assert objects(cloud.client) == before

    applied = call("apply", file, "--yes", "-o", "json")
    assert ends_well(applied, 5)
    assert ends_well(call("undo", applied.json["run"], "--yes", "-o", "json"), 5)


@pytest.mark.usefixtures("variables")
@pytest.mark.parametrize("way", logins.WAYS)
def test_each_way_to_log_in_carries_a_plan_out_and_back(
    cloud: SandboxServer, call: Caller, tool: Tool, way: str
) -> None:
    file = tool.write("plan.yaml", on(cloud, the_patch(TFJOBS, "merge"), TFJOBS, way=way))
    before = cloud.counters()

    there_and_back(
        call, file, lambda: objects(cloud.client), of_kind(TFJOBS, the_change(TFJOBS, "merge"))
    )

    after = cloud.counters()
    assert (after["logins"] > before["logins"]) is way.startswith("iam")
    assert after["statuses"].get("401", 0) == before["statuses"].get("401", 0)


def test_a_run_outlives_its_tokens_with_one_login_for_all_workers(
    call: Caller, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Three times, long after one another, all tokens expire just before a PATCH: a batch Job's, a
    # TFJob's and a PyTorchJob's, which are the first, third and fifth 200 of the targets.
    unlucky = [f"*-{number:06}" for number in (300, 304, 303)]
    chaos = {"rules": [{"action": "revoke", "times": 1, "names": [name]} for name in unlucky]}
    with sandbox(tool, provider="cci", jobs=1000, namespaces=1, chaos=chaos) as cloud:
        know(cloud, monkeypatch)
        document = on(cloud, the_patch(JOBS, "labels"), *FIELDS, way="iam")
        document["pace"] = {"rate": "200/s", "burst": 10, "concurrency": 32}
        assert call("plan", tool.write("plan.yaml", document)).code == 0
        before = cloud.counters()["logins"]

        applied = call("apply", "on-cci", "--yes", "-o", "json")

        assert ends_well(applied, 1000)
        counted = cloud.counters()
        assert 1 <= counted["statuses"]["401"] <= 32 * len(unlucky)
        assert counted["logins"] - before == 1 + len(unlucky)


def test_tokens_with_a_short_life_are_renewed_before_they_expire(
    call: Caller, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A token is used for 4 s of its 5 s, so neither process may lose the CPU for the last second.
    with sandbox(tool, provider="cci", jobs=300, token_lifetime=5) as cloud:
        know(cloud, monkeypatch)
        document = on(cloud, the_patch(TFJOBS, "merge"), TFJOBS, way="iam")
        document["pace"] = {"rate": "10/s", "burst": 1, "concurrency": 32}
        assert call("plan", tool.write("plan.yaml", document)).code == 0
        before = cloud.counters()["logins"]

        applied = call("apply", "on-cci", "--yes", "-o", "json")

        assert ends_well(applied, 60)
        counted = cloud.counters()
        assert "401" not in counted["statuses"]
        # 6 s of work, a token for 4 s of it each.
        assert 2 <= counted["logins"] - before <= 3


def test_answers_that_are_no_api_servers_are_shown_as_what_they_are(
    call: Caller, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = ("gateway", "html", "text")
    rules = [
        {"status": 400, "body": body, "names": [f"*-{number:06}"]}
        for number, body in enumerate(bodies)
    ]
    with sandbox(tool, provider="cci", jobs=3, chaos={"rules": rules}) as cloud:
        know(cloud, monkeypatch)
        file = tool.write("plan.yaml", on(cloud, the_patch(JOBS, "labels"), *FIELDS))

        ended = call("apply", file, "--yes", "-o", "json")

    assert ended.code == 3
    assert ended.json["reasons"] == {"failed": {"rejected": 3}}
    details = {one["name"][-6:]: one["detail"] for one in tool.targets("on-cci")}
    assert details == {
        "000000": "400 API request error. (APIG.0201)",
        "000001": "400 an HTML page: 400 Bad Request",
        "000002": "400 400 Bad Request",
    }
