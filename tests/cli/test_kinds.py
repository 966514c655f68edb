"""`fleetpatch kinds`, and plans that its kinds do not take, as only a cluster can show.

Covered: the table for people and for programs, both providers, wrong words; refusals at expansion,
placed, before anything is listed. Left out: the table's contents and checks without a cluster
(tests/model/plan/test_provider_checks).
"""

import json
from typing import Any

import pytest

from fleetpatch.model.providers.tables import PROVIDERS
from tests.cli.calling import Caller
from tests.e2e.sandboxes import SandboxServer
from tests.e2e.tool import Tool, plan


def test_without_words_it_shows_what_kubernetes_takes(call: Caller) -> None:
    ended = call("kinds")

    assert (ended.code, ended.err) == (0, "")
    paragraphs = ended.out.split("\n\n")
    assert paragraphs[0] == "Job kinds of Kubernetes (provider: kubernetes)"
    lines = paragraphs[1].splitlines()
    assert lines[:6] == [
        "jobs.batch",
        "  path     /apis/batch/v1/namespaces/{namespace}/jobs/{name}",
        "  patches  merge, json, strategic, apply",
        "  fields   any",
        "  query    dryRun, fieldManager, force, pretty",
        "  source   Kubernetes API reference, PATCH of a built-in",
    ]
    fixed, exceptions, source, keys = lines[6:]
    assert fixed.startswith("  fixed    spec.completions, spec.selector, spec.template, ")
    assert exceptions.startswith("  but      a suspended Job that never started may get ")
    assert source.startswith("  source   kubernetes.io/docs/concepts/workloads/controllers/job; ")
    assert keys.startswith("  keys     protected: batch.kubernetes.io/*, ")
    assert "custom ones all but strategic" in paragraphs[-1]
    assert "503" not in ended.out


def test_for_cci_it_lists_fields_and_the_statuses_that_are_retried_nevertheless(
    call: Caller,
) -> None:
    ended = call("kinds", "--provider", "cci")

    tfjobs = next(part for part in ended.out.split("\n\n") if part.startswith("tfjobs"))
    assert "  patches  merge\n" in tfjobs
    assert "metadata.labels, metadata.annotations, spec.activeDeadlineSeconds" in tfjobs
    assert "Other kinds are refused." in ended.out
    assert "Status 503: the reference says not to retry it. fleetpatch does" in ended.out


@pytest.mark.parametrize("provider", PROVIDERS)
def test_programs_get_all_of_it_as_one_object(call: Caller, provider: str) -> None:
    printed = json.loads(call("kinds", "--provider", provider, "-o", "json").out)

    table = PROVIDERS[printed["provider"]]
    assert printed["provider"] == provider
    assert printed["otherKinds"] is not table.is_closed
    assert list(printed["notRetried"]) == [str(status) for status in table.not_retried]
    known = {kind["kind"]: kind for kind in printed["kinds"]}
    if not table.is_closed:
        assert known["trainjobs.trainer.kubeflow.org"]["immutable"]["fields"] == [
            "spec.runtimeRef",
            "spec.managedBy",
        ]
        assert "kueue.x-k8s.io/*" in known["workloads.kueue.x-k8s.io"]["protectedKeys"]
        assert known["rayjobs.ray.io"]["immutable"] is None
    assert [kind["kind"] for kind in printed["kinds"]] == [one.resource.name for one in table.kinds]
    for kind, taken in zip(printed["kinds"], table.kinds, strict=True):
        assert kind["path"] == taken.path
        assert len(kind["patchTypes"]) == len(taken.patch_types)
        assert (kind["fields"] is None) is (taken.updatable is None)
        assert kind["query"] == list(taken.query)
        assert kind["source"]


def test_an_unknown_provider_is_bad_usage(call: Caller) -> None:
    ended = call("kinds", "--provider", "aws")

    assert (ended.code, ended.out) == (2, "")
    assert "'aws' is not one of 'kubernetes', 'cci'" in ended.err


def beside(**head: Any) -> dict[str, Any]:
    """A plan that is fine as far as it goes, but for a version that the sandbox does not serve."""
    body = {**head, "metadata": {"labels": {"colour": "red"}}}
    return plan("beside", {"kinds": ["tfjobs"], "selector": "app=etl"}, patch={"merge": body})


@pytest.mark.parametrize("verb", ["plan", "apply"])
def test_a_problem_that_only_a_cluster_shows_has_a_place_and_leaves_no_run(
    call: Caller, tool: Tool, server: SandboxServer, verb: str
) -> None:
    path = tool.write("beside.yaml", beside(apiVersion="kubeflow.org/v7", kind="TFJob"))
    assert call("validate", path).code == 0
    listed = server.requests("list")

    ended = call(verb, path)

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"{path}:")
    assert "patch.merge.apiVersion: is 'kubeflow.org/v7', and that of tfjobs.kube" in ended.err
    assert server.requests("list") == listed
    assert "no runs" in call("status").out


def wrong_kinds(call: Caller, tool: Tool, **more: Any) -> list[str]:
    blocks = [
        {"kinds": ["tfjobz", "jobs.batch", "mxjobz"], "selector": "app=etl"},
        {"kinds": ["jobs"], "selector": "app=etl"},
    ]
    path = tool.write("kinds.yaml", plan("kinds", *blocks, patch={"labels": {"a": "b"}}, **more))
    ended = call("apply", path, "--yes")
    assert (ended.code, ended.out) == (2, "")
    assert "no runs" in call("status").out
    assert all(line.startswith(f"{path}:1:") for line in ended.err.splitlines()), ended.err
    return [line.partition(" ")[2] for line in ended.err.splitlines()]


def test_all_kinds_that_are_not_served_are_reported_at_once_with_place_and_cluster(
    call: Caller, tool: Tool
) -> None:
    first, second, third = wrong_kinds(call, tool)

    assert first.startswith("targets[0].kinds[0]: on cluster sandbox 'tfjobz' is not served")
    assert "did you mean tfjobs.kubeflow.org, " in first
    assert second.startswith("targets[0].kinds[2]: on cluster sandbox 'mxjobz' is not served")
    assert third.startswith("targets[1].kinds[0]: on cluster sandbox 'jobs' is ambiguous")


def test_a_kind_that_several_clusters_do_not_serve_is_one_problem(
    call: Caller, tool: Tool, server: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = json.loads(server.kubeconfig.read_text())
    (cluster,) = known["clusters"]
    (context,) = known["contexts"]
    known["clusters"].append({**cluster, "name": "other"})
    known["contexts"].append(
        {"name": "other", "context": {**context["context"], "cluster": "other"}}
    )
    (tool.folder / "two.kubeconfig").write_text(json.dumps(known))
    monkeypatch.setenv("KUBECONFIG", str(tool.folder / "two.kubeconfig"))

    fleet = [{"name": "a", "context": context["name"]}, {"name": "b", "context": "other"}]
    lines = wrong_kinds(call, tool, fleet=fleet)

    assert len(lines) == 3
    assert all("]: on clusters a, b '" in line for line in lines)


def test_a_wrong_kind_of_a_check_is_reported_before_the_first_wave(
    call: Caller, tool: Tool, server: SandboxServer
) -> None:
    waves = {"sizes": [1], "check": {"kinds": ["jobz"], "condition": "Complete"}}
    block = {"kinds": ["jobs.batch"], "selector": "app=etl"}
    path = tool.write("waves.yaml", plan("waves", block, patch={"labels": {"a": "b"}}, waves=waves))
    sent = server.sent()

    ended = call("apply", path, "--yes")

    assert (ended.code, server.sent()) == (2, sent)
    assert "waves.check.kinds[0]: on cluster sandbox 'jobz' is not served" in ended.err


def test_every_block_without_a_selector_is_reported_with_its_place(
    call: Caller, tool: Tool
) -> None:
    (tool.folder / "all.yaml").write_text(
        "apiVersion: fleetpatch/v1\nkind: Plan\nmetadata: {name: all}\ntargets:\n"
        "  - kinds: [jobs.batch]\n  - {kinds: [tfjobs], selector: app}\n  - kinds: [mxjobs]\n"
        "patch: {labels: {a: b}}\n"
    )
    ended = call("plan", "all.yaml")

    assert ended.code == 2
    first, second = ended.err.splitlines()
    assert first.startswith("all.yaml:5:5: targets[0].selector: is missing, so every object")
    assert second.startswith("all.yaml:7:5: targets[2].selector: is missing, so every object")


def test_a_body_may_name_its_own_kind(call: Caller, tool: Tool) -> None:
    path = tool.write("beside.yaml", beside(apiVersion="kubeflow.org/v1", kind="TFJob"))

    assert call("plan", path).code == 0
