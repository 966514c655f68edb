"""What each of the worked plans in plans/ must do to which object, written again in Python."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.control_plane import JOB_KINDS
from tests.e2e.campaigns import Object, annotations, labels
from tests.e2e.witnesses import objects

FOLDER = Path(__file__).parents[2] / "plans"
ALL_PLANS = {path.name: path for path in sorted(FOLDER.glob("*.yaml"))}
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JOBS, VOLCANO_JOBS = "jobs.batch", "jobs.batch.volcano.sh"
TFJOBS, MXJOBS, PYTORCHJOBS = (
    f"{kind}.kubeflow.org" for kind in ("tfjobs", "mxjobs", "pytorchjobs")
)


def is_in_team(one: Object) -> bool:
    """Return whether its namespace is `team-...`, after the prefix of the test's namespaces."""
    return "team-" in one["metadata"]["namespace"]


def is_legacy(one: Object) -> bool:
    return bool(one["metadata"]["namespace"].endswith("team-legacy"))


def rename_owner(one: Object) -> None:
    if "owner" in labels(one):
        labels(one)["team-owner"] = labels(one).pop("owner")


def is_at(one: Object, app: str, tier: str = "") -> bool:
    return labels(one)["app"] == app and tier in ("", labels(one)["tier"])


@dataclass(frozen=True)
class Case:
    """What a plan does: `change`, in place, to those objects of `kinds` that `selects` knows.

    `hands` is what others did before, so that the plan has something to meet.
    """

    kinds: tuple[str, ...]
    selects: Callable[[Object], bool]
    change: Callable[[Object], None]
    hands: Callable[["Patching"], None] = lambda _: None
    providers: tuple[str, ...] = ("kubernetes",)


class Patching:
    """Another writer on one server, who patches every other object of a kind."""

    def __init__(self, server: Any, beginning: str) -> None:
        self._server, self._beginning = server, beginning

    def every_other(self, kind: str, body: Object, content_type: str = MERGE) -> None:
        job = JOB_KINDS[kind]
        found = objects(self._server, [job], self._beginning)
        for (_, space, name), one in sorted(found.items())[::2]:
            path, sent = job.path(space, name), body
            if content_type == APPLY:
                path += "?fieldManager=team&force=true"
                head = {key: one[key] for key in ("apiVersion", "kind")}
                sent = {**head, "metadata": {"name": name}, **body}
            answer = self._server.request("PATCH", path, sent, content_type)
            assert answer.status == 200, answer.body


def demo(one: Object) -> None:
    labels(one)["cost-centre"] = "4711"
    labels(one)["ml-team"] = labels(one).pop("team")
    annotations(one)["fleet.example.com/campaign"] = "demo-relabel"


def cost_centre(one: Object) -> None:
    labels(one).update({"cost-centre": "4711", "billing-team": labels(one)["team"]})
    annotations(one)["fleet.example.com/change"] = "FIN-2207"


def cost_table(one: Object) -> None:
    with (FOLDER / "cost-centres.csv").open(newline="") as file:
        rows = {row["team"]: row for row in csv.DictReader(file)}
    row = rows[labels(one)["team"]]
    labels(one)["cost-centre"] = row["centre"]
    labels(one).setdefault("owner", row["lead"])


def keep_logs(one: Object) -> None:
    # A server puts what a patch adds to a list in front of what is there.
    one["metadata"].setdefault("finalizers", []).insert(0, "fleet.example.com/keep-logs")


def pause(one: Object) -> None:
    one["spec"]["parallelism"] = 0


def more_workers(one: Object) -> None:
    one["spec"]["tasks"][1]["replicas"] = 4


def take_over(one: Object) -> None:
    one["spec"].setdefault("runPolicy", {})["ttlSecondsAfterFinished"] = 86400


def owner_on_cci(one: Object) -> None:
    rename_owner(one)
    labels(one)["campaign"] = "team-owner"


def clean_up(one: Object) -> None:
    one["spec"].update(ttlSecondsAfterFinished=3600, cleanPodPolicy="Running")


def hand_over(one: Object) -> None:
    annotations(one).pop("example.com/ticket", None)
    annotations(one)["fleet.example.com/contact"] = "platform@example.com"


def deadline(one: Object) -> None:
    one["spec"]["activeDeadlineSeconds"] = 86400
    annotations(one)["fleet.example.com/deadline"] = "set-by-platform"


CASES = {
    "demo-relabel.yaml": Case(
        tuple(JOB_KINDS),
        lambda one: labels(one)["app"] in {"etl", "train"} and labels(one)["tier"] != "gold",
        demo,
    ),
    "batch-job-cost-centre.yaml": Case(
        (JOBS,),
        lambda one: is_in_team(one) and not is_legacy(one) and is_at(one, "etl"),
        cost_centre,
    ),
    "batch-job-cost-table.yaml": Case(
        (JOBS,),
        lambda one: (
            is_in_team(one)
            and (is_at(one, "etl") or is_at(one, "train"))
            and labels(one)["tier"] != "gold"
        ),
        cost_table,
    ),
    "batch-job-keep-logs.yaml": Case(
        (JOBS,),
        lambda one: is_at(one, "train"),
        keep_logs,
        lambda hand: hand.every_other(JOBS, {"metadata": {"finalizers": ["example.com/theirs"]}}),
    ),
    "batch-job-pause.yaml": Case(
        (JOBS,),
        lambda one: labels(one)["tier"] == "std",
        pause,
        lambda hand: hand.every_other(JOBS, {"spec": {"parallelism": 3}}),
    ),
    "volcano-job-workers.yaml": Case(
        (VOLCANO_JOBS,),
        lambda one: is_at(one, "train", "std") and one["spec"]["tasks"][1]["name"] == "mpiworker",
        more_workers,
        lambda hand: hand.every_other(VOLCANO_JOBS, {"spec": {"queue": "training"}}),
    ),
    "tfjob-take-over.yaml": Case(
        (TFJOBS,),
        lambda one: labels(one)["app"] in {"etl", "train"},
        take_over,
        lambda hand: hand.every_other(
            TFJOBS, {"spec": {"runPolicy": {"ttlSecondsAfterFinished": 604800}}}, APPLY
        ),
    ),
    "pytorchjob-owner.yaml": Case(
        (PYTORCHJOBS,),
        lambda one: is_at(one, "train") or is_at(one, "serve", "gold"),
        rename_owner,
    ),
    "mxjob-retire.yaml": Case(
        (MXJOBS,),
        lambda one: not is_legacy(one),
        lambda one: labels(one).update(lifecycle="retiring"),
        providers=("kubernetes", "cci"),
    ),
    "cci-batch-job-owner.yaml": Case((JOBS,), lambda _: True, owner_on_cci, providers=("cci",)),
    "cci-tfjob-ttl.yaml": Case(
        (TFJOBS,), lambda one: not is_at(one, "etl"), clean_up, providers=("cci",)
    ),
    "cci-volcano-job-handover.yaml": Case(
        (VOLCANO_JOBS,),
        lambda one: is_in_team(one) and labels(one)["team"] == "vision",
        hand_over,
        providers=("cci",),
    ),
    "cci-pytorchjob-deadline.yaml": Case(
        (PYTORCHJOBS,), lambda one: is_at(one, "train"), deadline, providers=("cci",)
    ),
}


ELSEWHERE = {"cronjob-cost-centre.yaml", "jobset-suspend.yaml"}
"""Plans for kinds that the sample fleet does not contain (test_plans_of_other_kinds)."""

PLANS = {name: path for name, path in ALL_PLANS.items() if name not in ELSEWHERE}
