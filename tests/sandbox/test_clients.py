"""Other clients work with the sandbox: kubectl and lightkube.

Covers common operations on jobs: get, label, annotate, patch, create, delete, paged lists. Left
out: `kubectl apply`, watches, and typed (protobuf) creation, which the sandbox does not support.
"""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightkube
import pytest
from lightkube.config.kubeconfig import KubeConfig
from lightkube.generic_resource import create_namespaced_resource
from lightkube.resources.batch_v1 import Job
from lightkube.types import PatchType

from tests import needs
from tests.control_plane import JobKind
from tests.sandbox.objects import BATCH, NAMESPACE, TENSORFLOW, create, metadata
from tests.sandbox.serving import SandboxThread

Kubectl = Callable[..., str]
TFJob = create_namespaced_resource("kubeflow.org", "v1", "TFJob", "tfjobs")


@pytest.fixture
def kubectl(running: SandboxThread, tmp_path: Path) -> Kubectl:
    """Run kubectl against the sandbox and return its stdout; it must succeed."""
    program = needs.program("kubectl")
    kubeconfig = running.sandbox.ready.kubeconfig
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "HOME": str(tmp_path)}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [program, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_kubectl_gets_jobs_of_all_kinds(kubectl: Kubectl) -> None:
    names = kubectl("get", "jobs.batch,vcjob,tfjobs,mxjobs,pytorchjobs", "-A", "-o", "name")

    assert len(names.split()) == 60
    assert len(kubectl("get", "vj", "-A", "--chunk-size=5", "-o", "name").split()) == 12
    assert "creationTimestamp" in kubectl("get", "tfjobs", "-A", "-l", "app=etl", "-o", "yaml")


def test_kubectl_labels_annotates_and_patches(running: SandboxThread, kubectl: Kubectl) -> None:
    path = create(running, "mine")
    job = ["job.batch/mine", "-n", NAMESPACE]

    kubectl("label", *job, "cost-centre=4711", "app-")
    kubectl("annotate", *job, "note=by hand")
    kubectl("patch", *job, "-p", '{"metadata": {"labels": {"strategic": "yes"}}}')
    kubectl("patch", *job, "--type=merge", "-p", '{"metadata": {"labels": {"merge": "yes"}}}')
    operation = {"op": "add", "path": "/metadata/labels/json", "value": "yes"}
    kubectl("patch", *job, "--type=json", "-p", json.dumps([operation]))

    found = metadata(running, path)
    labels = {"cost-centre": "4711", "strategic": "yes", "merge": "yes", "json": "yes"}
    assert found["labels"] == labels
    assert found["annotations"] == {"note": "by hand"}


@pytest.mark.parametrize("kind", [BATCH, TENSORFLOW])
def test_kubectl_creates_and_deletes(kubectl: Kubectl, tmp_path: Path, kind: JobKind) -> None:
    manifest = tmp_path / "job.json"
    manifest.write_text(json.dumps(kind.manifest("made", {"app": "etl"})), encoding="utf-8")

    kubectl("create", "-n", NAMESPACE, "-f", str(manifest))
    shown = json.loads(kubectl("get", "-n", NAMESPACE, "-f", str(manifest), "-o", "json"))
    kubectl("delete", "-n", NAMESPACE, "-f", str(manifest))

    assert shown["metadata"]["labels"] == {"app": "etl"}
    assert kubectl("get", kind.plural, "-n", NAMESPACE, "-l", "app=etl", "-o", "name") == ""


async def test_lightkube_lists_and_patches(running: SandboxThread) -> None:
    config = KubeConfig.from_file(running.sandbox.ready.kubeconfig)
    client = lightkube.AsyncClient(config=config)
    body = {"metadata": {"labels": {"cost-centre": "4711"}}}

    jobs = [job async for job in client.list(Job, namespace="*", chunk_size=5)]
    tensorflow = [job async for job in client.list(TFJob, namespace="*", labels={"app": "etl"})]
    objects: list[Any] = [*jobs, *tensorflow]
    for each in objects:
        name, namespace = each.metadata.name, each.metadata.namespace
        await client.patch(type(each), name, body, namespace=namespace, patch_type=PatchType.MERGE)
    found = [job async for job in client.list(Job, namespace="*", labels={"cost-centre": "4711"})]
    await client.close()

    assert (len(jobs), len(found)) == (12, 12)
    assert tensorflow
