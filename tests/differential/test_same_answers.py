"""Generated requests get the same answers from the sandbox and from a real API server.

Covers creation, PATCH of three types (labels, annotations, nulls, wrong types, versions, uids,
names, specs, dry runs, unknown content types, bodies that are not patches), GET and LIST with
selectors, limits and tokens, for a built-in and a custom kind. Compared are the status, the reason,
the object in the details, the fields of the causes, whether the version changed, the object, and
the owners of its fields.

Left out: texts of messages; JSON Patches of fields below a job's labels, annotations and
finalizers; server-side apply (test_same_applies); and `spec.ttlSecondsAfterFinished`, which 1.20
drops, while servers since 1.23 and the sandbox keep it.
"""

from random import Random

import pytest

from tests.control_plane import JOB_KINDS
from tests.differential.generated import list_step, patch_step
from tests.differential.servers import KINDS, BothServers

pytestmark = pytest.mark.control_plane


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", KINDS)
def test_generated_patches_are_answered_alike(both: BothServers, name: str, seed: int) -> None:
    random = Random(f"{name} {seed}")
    subjects = both.object(JOB_KINDS[name], f"patched-{seed}")

    for number in range(25):
        step = patch_step(random)
        sandbox, real = (subject.send(step) for subject in subjects)
        assert sandbox == real, f"step {number}: {step}"


@pytest.mark.parametrize("name", KINDS)
def test_generated_lists_are_answered_alike(both: BothServers, name: str) -> None:
    random = Random(name)
    kind = JOB_KINDS[name]
    for server in both.servers:
        for number in range(6):
            labels = {"app": "etl" if number % 2 else "train", "n": str(number)}
            server.request("POST", kind.path(both.namespace), kind.manifest(f"o{number}", labels))

    for _ in range(80):
        step = list_step(random)
        sandbox, real = both.answers(step, kind.path(both.namespace))
        assert sandbox == real, step
