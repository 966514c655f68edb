"""The versions of Kubernetes that the sandbox can serve, and how their answers differ.

Here and in `job_rules` is all that depends on the version, except how objects merge: that is in
`fleetpatch.rules.patching.merge_rules`. The other modules ask a field of `Release` what to answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from fleetpatch.sandbox.apiserver.job_rules import JOBS_1_20, JOBS_1_36, JobRules


class KubernetesVersion(StrEnum):
    """The values of `fleetpatch sandbox --kubernetes`."""

    V1_20 = "1.20"
    V1_36 = "1.36"


@dataclass(frozen=True, slots=True, eq=False)
class Release:
    """What depends on the version in the answers of a server.

    - `git_version`: the version in `/version`.
    - `aggregates_discovery`: one document lists the resources of all groups.
    - `has_cron_jobs_v1`: CronJobs are served as `batch/v1`, otherwise as `batch/v1beta1`.
    - `has_generations`: changes of the spec of Jobs, CronJobs and Pods are counted.
    - `names_singulars`: discovery has the singular names of built-in kinds.
    - `publishes_schemas`: /openapi/v3 has the schemas of all kinds; fields that the definition of a
      custom kind leaves open have owners of their own.
    - `counts_metadata`: a list of metadata has a `remainingItemCount`.
    - `labels_namespaces`: each namespace has a label with its name.
    - `has_zero_times`: a time that is not set is null.
    - `tracks_status`: the status has owners, although only its subresource can change it.
    - `takes_empty_values`: the values of `in` and `notin` may end with several commas.
    - `refuses_bodies_alike`: a body that is not an object, or an apply to a custom kind that names
      another kind, is a 400; otherwise a 500 or a 422.
    - `checks_operations`: a JSON Patch is decoded strictly before it is applied: an `op`, `path` or
      `from` that is not text, or a number that is too large, is a 400. Otherwise it may be a 422.
    - `wrong_type`: the reason of a cause where a field of a custom kind has a wrong type.
    """

    version: KubernetesVersion
    git_version: str
    jobs: JobRules
    aggregates_discovery: bool
    has_cron_jobs_v1: bool
    has_generations: bool
    names_singulars: bool
    publishes_schemas: bool
    counts_metadata: bool
    labels_namespaces: bool
    has_zero_times: bool
    tracks_status: bool
    takes_empty_values: bool
    refuses_bodies_alike: bool
    checks_operations: bool
    wrong_type: str

    @property
    def minor(self) -> str:
        """The minor version in `/version`."""
        return self.version.partition(".")[2]

    @property
    def zero_time(self) -> Mapping[str, Any]:
        """The metadata of a pod template that has none."""
        return {"creationTimestamp": None} if self.has_zero_times else {}


RELEASES: Final[Mapping[KubernetesVersion, Release]] = MappingProxyType(
    {
        KubernetesVersion.V1_20: Release(
            KubernetesVersion.V1_20,
            "v1.20.2",
            JOBS_1_20,
            aggregates_discovery=False,
            has_cron_jobs_v1=False,
            has_generations=False,
            names_singulars=False,
            publishes_schemas=False,
            counts_metadata=False,
            labels_namespaces=False,
            has_zero_times=True,
            tracks_status=True,
            takes_empty_values=False,
            refuses_bodies_alike=False,
            checks_operations=False,
            wrong_type="FieldValueInvalid",
        ),
        KubernetesVersion.V1_36: Release(
            KubernetesVersion.V1_36,
            "v1.36.2",
            JOBS_1_36,
            aggregates_discovery=True,
            has_cron_jobs_v1=True,
            has_generations=True,
            names_singulars=True,
            publishes_schemas=True,
            counts_metadata=True,
            labels_namespaces=True,
            has_zero_times=False,
            tracks_status=False,
            takes_empty_values=True,
            refuses_bodies_alike=True,
            checks_operations=True,
            wrong_type="FieldValueTypeInvalid",
        ),
    }
)
