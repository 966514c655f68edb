"""Plan files for tests: a minimal one, one that uses every key, and the problems of others."""

from pathlib import Path

import pytest

from fleetpatch.errors import PlanError
from fleetpatch.model.plan.load import load_plan, parse_plan

MINIMAL = """\
apiVersion: fleetpatch/v1
kind: Plan
metadata:
  name: relabel
targets:
  - kinds: [jobs.batch]
    selector: app=etl
patch:
  labels: {team: ml}
"""

FULL = """\
# A comment.
apiVersion: fleetpatch/v1
kind: Plan
metadata:
  name: relabel-ml-teams
  description: Move the ML teams' jobs to the new cost-centre labels.
fleet:
  - {name: prod-a, context: prod-a}
  - name: cci-north
    provider: cci
    server: https://cci.example.com
    auth: {token: {env: CCI_TOKEN}}
    retry: {statuses: [504, 429]}
targets:
  - kinds: [tfjobs, jobs.batch.volcano.sh, mxjobs, pytorchjobs]
    namespaces: ["team-*", "!team-legacy", "[a-c]?-x"]
    selector: app in (etl, train), tier != gold
    fieldSelector: status.successful=0
patch:
  labels: {cost-centre: "4711", team: null, on: no}
  renameLabels: {owner: team-owner}
  copyLabels: {tier: old-tier}
  annotations: {fleet.example.com/campaign: q4, note: null}
  pretty: true
guards:
  {onDrift: skip, conflicts: version, maxTargets: 5000, allowKeys: [job-name], onClash: refuse}
pace: {rate: 100/s, burst: 200, concurrency: 32}
retry: {attempts: 6, maxDelay: 30s, statuses: [429, 503, 504], budget: 10%}
limits: {maxFailures: 2%, deadline: 2h}
waves: {sizes: [1, 10%, 100%], pause: 5m}
window: {opens: "0 2 * * SAT", lasts: 3h, timezone: Asia/Shanghai}
lock: {lease: ops/relabel.ml, duration: 1m}
"""

OTHER_PATCHES = (
    "{merge: {spec: {suspend: true, gone: null}}}",
    "{json: [{op: test, path: /a, value: null}, {op: move, from: /spec/a, path: /spec/b}]}",
    "{strategic: {metadata: {labels: {a: b}}}, fieldManager: ops}",
    "{strategic: {spec: {tolerations: {$patch: delete}}}}",
    "{apply: {metadata: {annotations: {a: b}}}, fieldManager: Ops team, force: true}",
    "{apply: {apiVersion: batch/v1, kind: Job, spec: {suspend: true}}}",
    "{merge: {apiVersion: batch/v1, kind: Job, metadata: {labels: {a: null}}}, pretty: true}",
    "{copyLabels: {team: old-team}, labels: {other: x}}",
)

SIGN_INS = (
    "{token: {env: CCI_TOKEN}}",
    "{token: {file: /run/secrets/token}}",
    "{iam: {endpoint: http://localhost:1/iam, domain: d, user: u, passwordEnv: P, project: p}}",
    "{iam: {endpoint: https://iam.x, domain: d, user: u, passwordFile: ./p, project: p}}",
    "{aksk: {accessKeyEnv: AK, secretKeyEnv: SK, project: p}}",
)


def with_patch(patch: str) -> str:
    """Return the smallest plan file with another patch, in flow style."""
    return MINIMAL.replace("patch:\n  labels: {team: ml}\n", f"patch: {patch}\n")


def on_cci(patch: str = "{labels: {team: ml}}", kinds: str = "[tfjobs]", auth: str = "") -> str:
    """Return the smallest plan file for a cluster of CCI; the arguments are in flow style."""
    cluster = f"server: https://cci.example.com, auth: {auth or SIGN_INS[0]}"
    fleet = f"fleet: [{{name: north, provider: cci, {cluster}}}]\n"
    return with_patch(patch).replace("[jobs.batch]", kinds) + fleet


VALID = (
    MINIMAL,
    FULL,
    *(with_patch(patch) for patch in OTHER_PATCHES),
    *(on_cci(auth=auth) for auth in SIGN_INS),
)


def problems_of(text: str) -> list[str]:
    """Return the problems of a plan file, one line each."""
    with pytest.raises(PlanError) as caught:
        parse_plan(text, "plan.yaml")
    return [str(problem) for problem in caught.value.problems]


def problems_of_file(path: Path | str) -> list[str]:
    """Return the problems of a plan file, and of the files that it names, one line each."""
    with pytest.raises(PlanError) as caught:
        load_plan(path)
    return [str(problem) for problem in caught.value.problems]
