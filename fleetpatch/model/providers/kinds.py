"""The job kinds of Kubernetes, and what of them cannot be changed, as their projects document it.

A literal table, to be compared with its sources. Which labels and annotations their controllers
own is in `fleetpatch.model.protected`.
"""

from typing import Final

from fleetpatch.model.fields import Path
from fleetpatch.model.providers.capability import Immutable
from fleetpatch.model.resource import Resource

BATCH_JOB: Final = Resource("batch", "v1", "jobs", "Job", "job")
CRON_JOB: Final = Resource("batch", "v1", "cronjobs", "CronJob", "cronjob", ("cj",))
VOLCANO_JOB: Final = Resource("batch.volcano.sh", "v1alpha1", "jobs", "Job", "job", ("vcjob", "vj"))
MX_JOB: Final = Resource("kubeflow.org", "v1", "mxjobs", "MXJob", "mxjob")
PYTORCH_JOB: Final = Resource("kubeflow.org", "v1", "pytorchjobs", "PyTorchJob", "pytorchjob")
TF_JOB: Final = Resource("kubeflow.org", "v1", "tfjobs", "TFJob", "tfjob")
MPI_JOB: Final = Resource("kubeflow.org", "v2beta1", "mpijobs", "MPIJob", "mpijob")
TRAIN_JOB: Final = Resource("trainer.kubeflow.org", "v1alpha1", "trainjobs", "TrainJob", "trainjob")
JOB_SET: Final = Resource("jobset.x-k8s.io", "v1alpha2", "jobsets", "JobSet", "jobset")
LEADER_WORKER_SET: Final = Resource(
    "leaderworkerset.x-k8s.io",
    "v1",
    "leaderworkersets",
    "LeaderWorkerSet",
    "leaderworkerset",
    ("lws",),
)
RAY_JOB: Final = Resource("ray.io", "v1", "rayjobs", "RayJob", "rayjob")
RAY_CLUSTER: Final = Resource("ray.io", "v1", "rayclusters", "RayCluster", "raycluster")
SPARK_APPLICATION: Final = Resource(
    "sparkoperator.k8s.io",
    "v1beta2",
    "sparkapplications",
    "SparkApplication",
    "sparkapplication",
    ("sparkapp",),
)
WORKFLOW: Final = Resource("argoproj.io", "v1alpha1", "workflows", "Workflow", "workflow", ("wf",))
WORKLOAD: Final = Resource(
    "kueue.x-k8s.io", "v1beta2", "workloads", "Workload", "workload", ("wl",)
)

CUSTOM_KINDS: Final = (
    VOLCANO_JOB,
    MX_JOB,
    PYTORCH_JOB,
    TF_JOB,
    MPI_JOB,
    TRAIN_JOB,
    JOB_SET,
    LEADER_WORKER_SET,
    RAY_JOB,
    RAY_CLUSTER,
    SPARK_APPLICATION,
    WORKFLOW,
    WORKLOAD,
)
"""The job kinds of operators, in the order in which they are shown."""


def _spec(*names: str) -> tuple[Path, ...]:
    return tuple(("spec", name) for name in names)


# No other kind documents immutable fields. Changes of a running RayJob, SparkApplication or
# Workflow are accepted, but their operators act on few of them.
IMMUTABLE: Final = {
    BATCH_JOB: Immutable(
        _spec(
            "completions",
            "selector",
            "template",
            "completionMode",
            "podFailurePolicy",
            "successPolicy",
            "backoffLimitPerIndex",
            "managedBy",
        ),
        "kubernetes.io/docs/concepts/workloads/controllers/job;"
        " kubernetes/kubernetes, pkg/apis/batch/validation, ValidateJobSpecUpdate",
        "a suspended Job that never started may get other labels, annotations, nodeSelector,"
        " affinity, tolerations and schedulingGates in its template; completions of an Indexed Job"
        " may change together with parallelism",
    ),
    JOB_SET: Immutable(
        _spec(
            "replicatedJobs",
            "managedBy",
            "network",
            "successPolicy",
            "failurePolicy",
            "startupPolicy",
            "volumeClaimPolicies",
        ),
        "kubernetes-sigs/jobset, api/jobset/v1alpha2/jobset_types.go and"
        " pkg/webhooks/jobset_webhook.go",
        "a suspended JobSet may get other labels, annotations, nodeSelector, tolerations and"
        " schedulingGates in its templates",
    ),
    LEADER_WORKER_SET: Immutable(
        (("spec", "leaderWorkerTemplate", "subGroupPolicy", "subGroupSize"),),
        "kubernetes-sigs/lws, pkg/webhooks/leaderworkerset_webhook.go, ValidateUpdate",
    ),
    TRAIN_JOB: Immutable(
        _spec("runtimeRef", "managedBy"),
        "kubeflow/trainer, pkg/apis/trainer/v1alpha1/trainjob_types.go",
    ),
    WORKLOAD: Immutable(
        _spec("podSets", "queueName", "priorityClassRef"),
        "kubernetes-sigs/kueue, apis/kueue/v1beta2/workload_types.go and"
        " pkg/webhooks/workload_webhook.go",
        "only while the Workload has quota reserved",
    ),
}
"""Fields that cannot be changed, by kind."""
