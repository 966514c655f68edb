"""`label` and `annotate` name objects and kinds as kubectl does.

Covered: names of objects in both forms, objects that do not exist, kinds by every name.
Left out: selectors, expressions and lists of objects (test_selection).
"""

import pytest

from tests.cli.ad_hoc.batch_jobs import batch, values
from tests.cli.calling import Caller
from tests.e2e.sandboxes import SandboxServer

# Names of objects.


def test_only_the_named_objects_are_labelled(call: Caller, jobs: SandboxServer) -> None:
    first, second = batch(jobs, team="platform")[:2]

    ended = call(
        "label", "jobs.batch", first["name"], second["name"], "x=1", "-n", "platform", "-y"
    )

    assert ended.code == 0, ended.err
    changed = {name for name, value in values(jobs, "x").items() if value == "1"}
    assert changed == {first["name"], second["name"]}


def test_objects_of_several_kinds_are_named_with_their_kinds(
    call: Caller, jobs: SandboxServer
) -> None:
    of_tensorflow = jobs.client.request("GET", "/apis/kubeflow.org/v1/tfjobs").body["items"][0]
    named = batch(jobs, team="platform")[0]["name"], of_tensorflow["metadata"]["name"]
    words = f"Job.batch/{named[0]}", f"tfjob/{named[1]}"

    ended = call("label", *words, "x=1", "-A", "-y", "-o", "json")

    assert (ended.code, ended.json["outcomes"]["applied"]) == (0, 2), ended.err


def test_a_named_object_that_does_not_exist_is_named_and_the_others_are_changed(
    call: Caller, jobs: SandboxServer
) -> None:
    name = batch(jobs, team="platform")[0]["name"]

    ended = call("label", "jobs.batch", name, "nope", "x=1", "-n", "platform", "-y")

    assert ended.code == 3
    assert "warning: jobs.batch nope was not found in platform of cluster sandbox" in ended.err
    assert values(jobs, "x")[name] == "1"


def test_a_name_that_exists_in_another_namespace_only_is_not_found(
    call: Caller, jobs: SandboxServer
) -> None:
    here = batch(jobs, team="platform")[0]["name"]
    elsewhere = next(one["name"] for one in batch(jobs) if one["namespace"] != "platform")

    ended = call("label", "jobs.batch", here, elsewhere, "x=1", "-n", "platform", "-y")

    assert ended.code == 3
    assert f"{elsewhere} was not found in platform" in ended.err
    assert values(jobs, "x")[elsewhere] is None


def test_if_no_named_object_exists_nothing_is_planned(call: Caller) -> None:
    ended = call("label", "jobs.batch", "nope", "x=1", "-n", "platform", "-y")

    assert ended.code == 2
    assert "the plan does not match any object" in ended.err


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("jobs.batch etl-7 a=1 -A -l app=etl", "a kind and the name of an object, which cannot be"),
        (
            "jobs.batch etl-7 a=1 -A --field-selector a=b",
            "cannot be combined with --field-selector",
        ),
        (
            "jobs.batch,tfjobs etl-7 a=1 -A",
            "names of objects need one kind; write jobs.batch/etl-7",
        ),
        ("jobs.batch/etl-7 etl-8 a=1 -A", "'etl-8': with KIND/NAME every object is written so"),
        ("jobs.batch jobs.batch/etl-7 a=1 -A", "'jobs.batch': with KIND/NAME every object"),
        ("jobs.batch/a/b a=1 -A", "'jobs.batch/a/b': write one kind and one name"),
        ("jobs.batch/ a=1 -A", "'jobs.batch/': write one kind and one name"),
        ("jobs.batch a=1 etl-7 -A", "'etl-7': write KEY=VALUE to set, or KEY- to remove; names of"),
        ("a=1 jobs.batch etl-7 -A", "'a=1': kinds and names of objects come before the first"),
        ("jobs.batch/etl-7 -A", "'etl-7': write KEY=VALUE to set, or KEY- to remove"),
        ("jobs.batch etl%2F7 a=1 -A", "is not a valid name of an object"),
    ],
)
def test_names_that_cannot_be_meant_are_refused(call: Caller, words: str, problem: str) -> None:
    ended = call("label", *words.split(), "-y")

    assert (ended.code, ended.out) == (2, "")
    assert problem in ended.err


# Kinds.


@pytest.mark.parametrize(
    "kind",
    [
        "TFJob",
        "tfjob",
        "TFJOBS",
        "tfjobs.kubeflow.org",
        "TFJob.kubeflow.org",
        "TFJob.v1.kubeflow.org",
    ],
)
def test_a_kind_may_be_written_by_each_of_its_names_in_any_case(call: Caller, kind: str) -> None:
    ended = call("label", kind, "x=1", "-A", "-l", "app", "-y", "-o", "json")

    assert ended.code == 0, ended.err
    run = ended.json["run"]
    listed = call("targets", run).out.splitlines()
    assert {line.split()[1] for line in listed[1:]} == {"tfjobs.kubeflow.org"}


def test_a_short_name_is_a_name_of_a_kind(call: Caller) -> None:
    assert call("label", "VCJob", "x=1", "-A", "-l", "app", "-y").code == 0


def test_a_kind_name_that_two_groups_have_is_ambiguous(call: Caller) -> None:
    ended = call("label", "Job", "x=1", "-A", "-l", "app", "-y")

    assert ended.code == 2
    assert "'job' is ambiguous; write one of these: jobs.batch" in ended.err
