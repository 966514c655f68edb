"""The manifests of deploy/, as `kubectl kustomize` renders them."""

import subprocess
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from ruamel.yaml import YAML

from tests import needs

FOLDER = Path(__file__).parents[2] / "deploy"
OVERLAYS = {path.parent.name: path.parent for path in FOLDER.glob("overlays/*/kustomization.yaml")}
PLANS = sorted(FOLDER.glob("overlays/**/plan.yaml"))

Manifest: TypeAlias = dict[str, Any]


@cache
def rendered(overlay: str) -> list[Manifest]:
    """Render an overlay."""
    words = [needs.program("kubectl"), "kustomize", str(OVERLAYS[overlay])]
    text = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return list(YAML(typ="safe").load_all(text))


def of_kind(overlay: str, kind: str) -> list[Manifest]:
    return [one for one in rendered(overlay) if one["kind"] == kind]


def pod_of(cron_job: Manifest) -> Any:
    return cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def container_of(cron_job: Manifest) -> Any:
    (container,) = pod_of(cron_job)["containers"]
    return container
