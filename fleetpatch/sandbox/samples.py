"""Models for the jobs of the sample fleet: a spec and a status for each kind.

They resemble real jobs: a batch Job of one pod, an MPI job of Volcano with a master and workers,
TensorFlow with parameter servers, MXNet with a scheduler, PyTorch with a master. Each model is made
once and shared by all objects that use it, so it must not be changed in place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from fleetpatch.model.fields import Json
from fleetpatch.model.resource import Resource
from fleetpatch.sandbox.apiserver import jobs
from fleetpatch.sandbox.apiserver.discovery import JOB_KINDS
from fleetpatch.sandbox.apiserver.release import Release

_REGISTRY: Final = "registry.example.com/ml"
_STARTED: Final = "2026-03-02T06:00:00Z"
_SIZES: Final = (("250m", "1Gi"), ("2", "4Gi"), ("8", "32Gi"))  # CPU and memory


@dataclass(frozen=True, slots=True)
class Model:
    """The spec and the status of a job."""

    spec: Mapping[str, Any]
    status: Mapping[str, Any]


def _pod(name: str, command: str, size: tuple[str, str], port: int | None = None) -> Json:
    """A pod template with one container; `size` is CPU and memory."""
    resources = {"cpu": size[0], "memory": size[1]}
    container: Json = {
        "name": name,
        "image": f"{_REGISTRY}/{name}:3.28",
        "command": ["/bin/sh", "-c", command],
        "resources": {"limits": resources, "requests": resources},
        "workingDir": "/home",
    }
    if port is not None:
        container["ports"] = [{"name": f"{name}-port", "containerPort": port}]
    spec = {
        "containers": [container],
        "imagePullSecrets": [{"name": "default-secret"}],
        "restartPolicy": "OnFailure",
    }
    return {"spec": spec}


def _replicas(**roles: tuple[int, Json]) -> Json:
    return {role: {"replicas": count, "template": pod} for role, (count, pod) in roles.items()}


def _conditions(kind: str) -> list[Json]:
    return [
        {
            "type": state,
            "status": "True",
            "reason": f"{kind}{state}",
            "message": f"the {kind} is {state.lower()}",
            "lastTransitionTime": _STARTED,
            "lastUpdateTime": _STARTED,
        }
        for state in ("Created", "Running")
    ]


def _active(**roles: int) -> Json:
    return {role: {"active": count} for role, count in roles.items()}


def _batch(release: Release, size: tuple[str, str]) -> Model:
    pod = _pod("redis", "redis-cli --scan | wc -l", size)
    spec = jobs.decoded(release, {"parallelism": 1, "completions": 1, "template": pod})
    return Model(spec, {"startTime": _STARTED, "active": 1})


def _volcano(_release: Release, size: tuple[str, str]) -> Model:
    master = "mpiexec --allow-run-as-root --host ${MPI_HOST} -np 2 mpi_hello_world"
    tasks = [
        {
            "name": "mpimaster",
            "replicas": 1,
            "policies": [{"action": "CompleteJob", "event": "TaskCompleted"}],
            "template": _pod("mpimaster", master, size, 22),
        },
        {"name": "mpiworker", "replicas": 2, "template": _pod("mpiworker", "sshd -D", size, 22)},
    ]
    spec = {
        "minAvailable": 1,
        "plugins": {"env": [], "ssh": [], "svc": []},
        "queue": "default",
        "schedulerName": "volcano",
        "tasks": tasks,
    }
    state = {"lastTransitionTime": _STARTED, "phase": "Running"}
    return Model(spec, {"minAvailable": 1, "running": 3, "state": state})


def _tensorflow(_release: Release, size: tuple[str, str]) -> Model:
    train = "python tf_cnn_benchmarks.py --model=resnet50 --variable_update=parameter_server"
    pod = _pod("tensorflow", train, size, 2222)
    spec = {"backoffLimit": 6, "tfReplicaSpecs": _replicas(Ps=(1, pod), Worker=(2, pod))}
    status = {"conditions": _conditions("TFJob"), "replicaStatuses": _active(PS=1, Worker=2)}
    return Model(spec, {**status, "startTime": _STARTED})


def _mxnet(_release: Release, size: tuple[str, str]) -> Model:
    pod = _pod("mxnet", "python train_imagenet.py --kv-store dist_sync", size)
    roles = _replicas(Scheduler=(1, pod), Server=(1, pod), Worker=(2, pod))
    spec = {"cleanPodPolicy": "Running", "jobMode": "MXTrain", "mxReplicaSpecs": roles}
    active = _active(Scheduler=1, Server=1, Worker=2)
    status = {"conditions": _conditions("MXJob"), "mxReplicaStatuses": active}
    return Model(spec, {**status, "startTime": _STARTED})


def _pytorch(_release: Release, size: tuple[str, str]) -> Model:
    pod = _pod("pytorch", "python -m torch.distributed.launch train.py", size, 23456)
    spec = {"pytorchReplicaSpecs": _replicas(Master=(1, pod), Worker=(3, pod))}
    status = {"conditions": _conditions("PyTorchJob"), "replicaStatuses": _active(Master=1)}
    return Model(spec, {**status, "startTime": _STARTED})


# In the order of JOB_KINDS; `strict` notices a kind without a model.
_MAKERS: Final = dict(
    zip(JOB_KINDS, (_batch, _volcano, _mxnet, _pytorch, _tensorflow), strict=True)
)


@lru_cache
def models(release: Release) -> Mapping[Resource, tuple[Model, ...]]:
    """The models of each kind, from small to large."""
    return MappingProxyType(
        {kind: tuple(maker(release, size) for size in _SIZES) for kind, maker in _MAKERS.items()}
    )
