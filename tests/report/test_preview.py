"""Covers `report.preview`: a plan, shown before anything is sent.

Leaves out where the counts come from (the journal's folds).
"""

from collections.abc import Mapping

import pytest

from fleetpatch.model.outcome import Outcome, Reason
from fleetpatch.model.run import RunState, Tally
from fleetpatch.report.places import PreviewPlace
from fleetpatch.report.preview import (
    ChangeSample,
    Preview,
    as_json,
    confirmation_lines,
    is_yes,
    preview_lines,
)
from tests.report.samples import AFTER, INFO, RUN_FILE, TFJOBS, a_summary, a_target
from tests.values import replace

PLACES: Mapping[PreviewPlace, Tally] = {
    ("prod-a", "jobs.batch", "team-a"): Tally(pending=1200, unchanged=20),
    ("prod-a", "jobs.batch", "team-b"): Tally(pending=3),
    ("prod-b", "tfjobs.kubeflow.org", "team-a"): Tally(pending=31, skipped=2),
}
TOTAL = Tally(pending=1234, unchanged=20, skipped=2)
SKIPPED = {Outcome.SKIPPED: {Reason.CLASH: 2}}
NONE = dict.fromkeys(("applied", "unchanged", "skipped", "failed", "pending"), 0)
PREVIEW = Preview(
    a_summary(RunState.PLANNED, TOTAL, SKIPPED),
    PLACES,
    [ChangeSample(a_target(), AFTER)],
    digest="sha256:9c8b7a",
)


def test_a_preview_reads_so() -> None:
    assert "\n".join(preview_lines(PREVIEW)) == (
        "Plan     relabel-ml-teams\n"
        "Digest   sha256:0f1e2d\n"
        "Run      relabel-ml-teams-7f3a\n"
        "Digest   sha256:9c8b7a\n"
        "Cluster  prod-a at https://10.0.0.1:6443\n"
        "Cluster  prod-b at https://10.0.0.2:6443\n"
        "\n"
        "CLUSTER  KIND                 NAMESPACE  TO PATCH  UNCHANGED  SKIPPED\n"
        "prod-a   jobs.batch           team-a        1,200         20        0\n"
        "prod-a   jobs.batch           team-b            3          0        0\n"
        "prod-a   in all                             1,234         20        2\n"
        "prod-b   tfjobs.kubeflow.org  team-a           31          0        2\n"
        "in all                                      1,234         20        2\n"
        "\n"
        "For example:\n"
        "  prod-a jobs.batch team-a/etl-0001\n"
        '    annotation example.com/campaign: (absent) -> "q4"\n'
        '    label cost-centre: (absent) -> "4711"\n'
        '    label team: "ml" -> (absent)\n'
        "\n"
        "Warning: 2 objects cannot be relabelled: they have the new label already, with another "
        "value: "
        f"fleetpatch targets {RUN_FILE} --reason clash\n"
        "\n"
        f"Run file {RUN_FILE}\n"
        f"Nothing was sent. To patch 1,234 of the 1,256 objects: fleetpatch apply {RUN_FILE}"
    )


def with_namespaces(count: int) -> str:
    places = {
        ("prod-a", "jobs.batch", f"team-{number:02}"): Tally(pending=100 - number, unchanged=1)
        for number in range(count)
    }
    return "\n".join(preview_lines(Preview(a_summary(RunState.PLANNED), places)))


def test_the_largest_namespaces_are_named_and_the_others_summed_up() -> None:
    shown = with_namespaces(20)
    assert " team-02            98          1 " in shown
    assert "team-03" not in shown
    assert " and 17 more     1,513         17 " in shown


def test_all_namespaces_are_named_where_a_person_asks_for_them() -> None:
    places = {
        ("prod-a", "jobs.batch", f"team-{number:02}"): Tally(pending=1) for number in range(20)
    }
    preview = Preview(a_summary(RunState.PLANNED), places)

    shown = "\n".join(preview_lines(preview, all_namespaces=True))

    assert all(f" team-{number:02} " in shown for number in range(20))
    assert "more" not in shown


def test_a_place_without_an_object_is_a_row_with_zeros() -> None:
    empty = [("prod-a", "jobs.batch", "team-x"), ("prod-b", "", "")]
    preview = Preview(a_summary(RunState.PLANNED, TOTAL), PLACES, empty=empty)

    lines = [line.split() for line in preview_lines(preview)]

    assert ["prod-a", "jobs.batch", "team-x", "0", "0", "0"] in lines
    assert ["prod-b", "0", "0", "0"] in lines


def test_a_single_namespace_is_never_summed_up() -> None:
    shown = with_namespaces(4)
    assert "team-03" in shown
    assert "more" not in shown


def test_an_inconsistent_list_is_warned_of() -> None:
    summary = a_summary(RunState.PLANNED, TOTAL, inconsistent=("prod-b",))
    shown = "\n".join(preview_lines(Preview(summary, PLACES)))
    assert "Warning: the list of prod-b was cut by the server" in shown


def test_the_preview_names_the_fields_that_only_the_server_can_merge() -> None:
    shown = "\n".join(preview_lines(replace(PREVIEW, undecided=["spec.tasks of jobs.x"])))

    assert "the server decides how these fields merge: spec.tasks of jobs.x" in shown
    assert "the server decides" not in "\n".join(preview_lines(PREVIEW))


def test_a_preview_without_a_target_reports_that() -> None:
    preview = Preview(a_summary(RunState.PLANNED, Tally(unchanged=5)), {})
    assert list(preview_lines(preview))[-1] == "Nothing to do: no object needs the patch."


def test_a_field_that_stays_is_not_shown() -> None:
    sample = ChangeSample(a_target(), {})
    shown = list(preview_lines(Preview(a_summary(RunState.PLANNED, TOTAL), PLACES, [sample])))
    assert not [line for line in shown if "->" in line]


def test_values_with_escape_codes_and_long_ones_do_no_harm() -> None:
    path = ("metadata", "annotations", "note")
    target = a_target("evil\x1b[2J", TFJOBS, before={path: "\x1b[31m" + "x" * 1000})
    sample = ChangeSample(target, {path: "short"})
    shown = list(preview_lines(Preview(a_summary(RunState.PLANNED, TOTAL), PLACES, [sample])))
    assert not [line for line in shown if "\x1b" in line]
    (change,) = [line for line in shown if "->" in line]
    assert change.endswith('x" -> "short"')
    assert "x…x" in change
    assert len(change) < 120


AS_JSON = {
    "run": INFO.run,
    "runDigest": "sha256:9c8b7a",
    "runFile": RUN_FILE,
    "plan": {"name": "relabel-ml-teams", "digest": "sha256:0f1e2d"},
    "description": "",
    "reason": "",
    "annotations": {},
    "missingClusters": {},
    "targets": 1256,
    "outcomes": {"pending": 1234, "unchanged": 20, "skipped": 2},
    "dependents": {"pending": 0, "unchanged": 0, "skipped": 0},
    "counts": [
        {
            "cluster": "prod-a",
            "kind": "jobs.batch",
            "namespace": "team-a",
            "pending": 1200,
            "unchanged": 20,
            "skipped": 0,
        },
        {
            "cluster": "prod-a",
            "kind": "jobs.batch",
            "namespace": "team-b",
            "pending": 3,
            "unchanged": 0,
            "skipped": 0,
        },
        {
            "cluster": "prod-b",
            "kind": "tfjobs.kubeflow.org",
            "namespace": "team-a",
            "pending": 31,
            "unchanged": 0,
            "skipped": 2,
        },
    ],
    "createdAt": "2024-03-01T02:00:00Z",
    "createdBy": "olga@bastion",
    "dryRun": False,
    "undoOf": None,
    "undoneBy": None,
    "byCluster": {
        "prod-a": {**NONE, "unchanged": 20, "skipped": 2, "pending": 1234},
        "prod-b": NONE,
    },
    "byKind": {},
    "byNamespace": {},
    "empty": [],
    "clusters": [
        {
            "name": "prod-a",
            "server": "https://10.0.0.1:6443",
            "pending": 1234,
            "unchanged": 20,
            "skipped": 2,
        },
        {
            "name": "prod-b",
            "server": "https://10.0.0.2:6443",
            "pending": 0,
            "unchanged": 0,
            "skipped": 0,
        },
    ],
    "waves": [],
    "window": None,
    "samples": [
        {
            "cluster": "prod-a",
            "kind": "jobs.batch",
            "namespace": "team-a",
            "name": "etl-0001",
            "before": {
                'metadata.annotations."example.com/campaign"': None,
                "metadata.labels.cost-centre": None,
                "metadata.labels.team": "ml",
            },
            "after": {
                'metadata.annotations."example.com/campaign"': "q4",
                "metadata.labels.cost-centre": "4711",
                "metadata.labels.team": None,
            },
        }
    ],
    "inconsistent": [],
    "undecided": [],
    "missingKeys": [],
    "warnings": [],
}


def test_the_json_has_the_same_content() -> None:
    assert as_json(PREVIEW) == AS_JSON


def test_the_question_names_every_cluster_its_server_and_the_counts() -> None:
    assert "\n".join(confirmation_lines(PREVIEW.summary)) == (
        "relabel-ml-teams is about to patch 1,234 objects:\n"
        "  CLUSTER  SERVER                 TO PATCH  UNCHANGED  SKIPPED\n"
        "  prod-a   https://10.0.0.1:6443     1,234         20        2\n"
        "  prod-b   https://10.0.0.2:6443         0          0        0"
    )


@pytest.mark.parametrize("answer", ["yes", " Yes\n", "YES", "y", "Y\n"])
def test_yes_is_yes(answer: str) -> None:
    assert is_yes(answer)


@pytest.mark.parametrize("answer", ["", "\n", "ye", "ja", "yes please", "no"])
def test_any_other_answer_is_no(answer: str) -> None:
    assert not is_yes(answer)


def test_the_next_command_patches_all_objects_or_names_their_share() -> None:
    for tally, shown in (
        (Tally(pending=998), "To patch the 998 objects: "),
        (Tally(pending=1), "To patch the 1 object: "),
        (Tally(pending=1, unchanged=3), "To patch 1 of the 4 objects: "),
    ):
        lines = list(preview_lines(Preview(a_summary(RunState.PLANNED, tally), {})))
        assert shown in lines[-1]


def test_an_undo_is_called_an_undo_in_its_preview_and_above_the_question() -> None:
    info = replace(INFO, run="undo-relabel-1", undo_of="relabel-ml-teams-7f3a")
    planned = a_summary(RunState.PLANNED, Tally(pending=797), info=info)

    assert "Undoes   relabel-ml-teams-7f3a" in list(preview_lines(Preview(planned, {})))
    shown = next(confirmation_lines(planned))
    assert shown == "The undo of relabel-ml-teams-7f3a is about to patch 797 objects:"
