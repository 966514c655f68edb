"""Where `label` and `annotate` look for objects, and what they print.

Covered: `--kubeconfig` and `--context`, field selectors, `--list`, formats for programs, what
cannot be combined. Left out: wrong command lines (tests/cli/test_bad_input), what a run does
(tests/e2e).
"""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.cli.ad_hoc.batch_jobs import batch
from tests.cli.calling import Caller
from tests.e2e.sandboxes import SandboxServer

# Where.


def test_kubeconfig_names_the_file_and_context_the_cluster(
    call: Caller, jobs: SandboxServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "another kubeconfig"
    file.write_bytes(jobs.kubeconfig.read_bytes())
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    words = ("label", "jobs.batch", "x=1", "-A", "-l", "app", "-y", "--kubeconfig", file)

    assert call(*words, "--context", "sandbox").code == 0
    wrong = call(*words, "--context", "nowhere")

    assert (wrong.code, "no context 'nowhere'; there are: sandbox" in wrong.err) == (1, True)


def test_a_kubeconfig_that_does_not_exist_is_refused(call: Caller) -> None:
    ended = call("label", "jobs.batch", "x=1", "-A", "-l", "app", "--kubeconfig", "nope")

    assert ended.code == 2
    assert "--kubeconfig': nope: no such file" in ended.err


def test_a_field_selector_counts_as_a_selector(call: Caller, jobs: SandboxServer) -> None:
    name = batch(jobs, team="platform")[0]["name"]
    words = ("jobs.batch", "x=1", "-n", "platform", "--field-selector", f"metadata.name={name}")

    ended = call("label", *words, "-y", "-o", "json")

    assert (ended.code, ended.json["targets"]) == (0, 1)


# What is printed.


def test_list_shows_the_labels_and_changes_nothing(call: Caller, jobs: SandboxServer) -> None:
    one = batch(jobs, team="platform")[0]

    ended = call("label", "jobs.batch", one["name"], "-n", "platform", "--list")

    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        f"{key}={one['labels'][key]}" for key in sorted(one["labels"])
    ]
    assert jobs.sent() == 0
    assert "no runs" in call("status").out


def test_list_names_each_of_several_objects(call: Caller, jobs: SandboxServer) -> None:
    ended = call("label", "jobs.batch", "-A", "-l", "team=platform", "--list")

    heads = [line for line in ended.out.splitlines() if not line.startswith(" ")]
    assert heads == [
        f"Listing labels for Job.batch platform/{one['name']} of sandbox:"
        for one in sorted(batch(jobs, team="platform"), key=lambda one: str(one["name"]))
    ]


def test_list_has_formats_for_programs(call: Caller, jobs: SandboxServer) -> None:
    one = batch(jobs, team="platform")[0]
    words = ("label", f"job.batch/{one['name']}", "-n", "platform", "--list", "-o")
    place = {"cluster": "sandbox", "kind": "jobs.batch", "namespace": "platform"}
    expected = [{**place, "name": one["name"], "labels": one["labels"]}]

    assert call(*words, "json").json == expected
    assert YAML(typ="safe").load(call(*words, "yaml").out) == expected
    assert call(*words, "name").out == f"job.batch/{one['name']}\n"
    rows = list(csv.DictReader(io.StringIO(call(*words, "csv").out)))
    assert {row["key"]: row["value"] for row in rows} == one["labels"]


def test_annotations_are_listed_by_annotate(call: Caller, jobs: SandboxServer) -> None:
    words = ("annotate", "jobs.batch", batch(jobs, team="platform")[0]["name"], "-n", "platform")
    assert call(*words, "why=a b", "-y").code == 0

    assert call(*words, "--list").out == "why=a b\n"


def test_list_says_what_is_missing(call: Caller, jobs: SandboxServer) -> None:
    name = batch(jobs, team="platform")[0]["name"]

    some = call("label", "jobs.batch", name, "nope", "-n", "platform", "--list", "-o", "name")
    none = call("label", "jobs.batch", "-A", "-l", "app=nix", "--list")

    assert (some.code, some.out) == (3, f"job.batch/{name}\n")
    assert "warning: jobs.batch nope was not found in cluster sandbox" in some.err
    assert (none.code, none.out, none.err) == (0, "", "No object matches.\n")


def test_list_and_a_change_cannot_be_combined(call: Caller) -> None:
    ended = call("label", "jobs.batch", "x=1", "-A", "-l", "app", "--list")

    assert ended.code == 2
    assert "--list changes nothing: leave the change of 'x' out, or --list" in ended.err


def test_the_result_has_formats_for_programs(call: Caller, jobs: SandboxServer) -> None:
    def label(value: str, *words: str) -> Any:
        return call("label", "jobs.batch", f"x={value}", "-A", "-l", "app", "-y", *words)

    everyone = {f"job.batch/{one['name']}" for one in batch(jobs)}
    assert set(label("1", "--dry-run=client", "-o", "name").out.splitlines()) == everyone
    assert set(label("1", "-o", "name").out.splitlines()) == everyone
    kept = label("2", "-o", "name")
    assert (kept.code, kept.out) == (3, "")
    rows = list(csv.DictReader(io.StringIO(label("1", "-o", "csv").out)))
    assert {row["reason"] for row in rows} == {"already-set"}
    summary = YAML(typ="safe").load(label("1", "-o", "yaml").out)
    assert summary["reasons"] == {"unchanged": {"already-set": len(everyone)}}
    assert list(summary)[:2] == ["run", "runFile"]


def test_quiet_prints_the_result_alone(call: Caller) -> None:
    words = ("jobs.batch", "x=1", "-A", "-l", "app", "-y", "-q", "-o", "name")

    ended = call("label", *words)

    assert (ended.code, ended.err) == (0, "")
    assert len(ended.out.splitlines()) == 12
