"""Samples of a run: two clusters, and a few targets with every outcome."""

from collections.abc import Mapping

from fleetpatch.model.fields import ABSENT, Fields, annotation, label
from fleetpatch.model.outcome import Outcome, Reason
from fleetpatch.model.resource import Resource
from fleetpatch.model.run import ClusterInfo, RunInfo, RunState, Summary, Tally, Usage
from fleetpatch.model.target import Target, TargetId

JOBS = Resource("batch", "v1", "jobs", "Job")
TFJOBS = Resource("kubeflow.org", "v1", "tfjobs", "TFJob")

INFO = RunInfo(
    run="relabel-ml-teams-7f3a",
    plan_name="relabel-ml-teams",
    plan_digest="sha256:0f1e2d",
    plan="{}",
    created_at="2024-03-01T02:00:00Z",
    created_by="olga@bastion",
    tool_version="0.1.0",
    clusters=(
        ClusterInfo("prod-a", "https://10.0.0.1:6443", "prod-a"),
        ClusterInfo("prod-b", "https://10.0.0.2:6443", "prod-b"),
    ),
)

RUN_FILE = "/var/lib/fleetpatch/relabel-ml-teams-7f3a.run"

BEFORE: Fields = {
    annotation("example.com/campaign"): ABSENT,
    label("cost-centre"): ABSENT,
    label("team"): "ml",
}
AFTER: Fields = {
    annotation("example.com/campaign"): "q4",
    label("cost-centre"): "4711",
    label("team"): ABSENT,
}


def a_target(name: str = "etl-0001", resource: Resource = JOBS, before: Fields = BEFORE) -> Target:
    return Target(TargetId(1), "prod-a", resource, "team-a", name, "uid-1", "1001", before)


def a_summary(
    state: RunState = RunState.FINISHED,
    tally: Tally | None = None,
    reasons: Mapping[Outcome, Mapping[Reason, int]] | None = None,
    *,
    info: RunInfo = INFO,
    cause: str = "",
    usage: Usage | None = None,
    inconsistent: tuple[str, ...] = (),
) -> Summary:
    tally = tally or Tally()
    return Summary(
        info=info,
        run_file=RUN_FILE,
        state=state,
        cause=cause,
        tally=tally,
        reasons=reasons or {},
        by_cluster={"prod-a": tally, "prod-b": Tally()},
        by_kind={},
        by_namespace={},
        usage=usage or Usage(),
        inconsistent=inconsistent,
    )
