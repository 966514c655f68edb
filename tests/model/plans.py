"""Plan files for tests: a smallest one, and one that uses everything."""

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
    auth: {accessKey: {env: ACCESS_KEY}}
targets:
  - kinds: [jobs.batch, jobs.batch.volcano.sh, tfjobs, mxjobs, pytorchjobs]
    namespaces: ["team-*", "!team-legacy", "[a-c]?-x"]
    selector: app in (etl, train), tier != gold
    fieldSelector: status.successful=0
patch:
  labels: {cost-centre: "4711", team: null, on: no}
  renameLabels: {owner: team-owner}
  annotations: {fleet.example.com/campaign: q4, note: null}
guards: {onDrift: skip, conflicts: version, maxTargets: 5000, allowKeys: [job-name]}
pace: {rate: 100/s, burst: 200, concurrency: 32}
retry: {attempts: 6, maxDelay: 30s, statuses: [429, 503, 504], budget: 10%}
limits: {maxFailures: 2%, deadline: 2h}
waves: {sizes: [1, 10%, 100%], pause: 5m}
window: {opens: "0 2 * * SAT", lasts: 3h, timezone: Asia/Shanghai}
lock: {lease: ops/relabel.ml, duration: 1m}
"""

OTHER_PATCHES = (
    "{merge: {spec: {suspend: true, gone: null}}}",
    "{json: [{op: test, path: /a, value: null}, {op: move, from: /a, path: /b}]}",
    "{strategic: {metadata: {labels: {a: b}}}}",
    "{apply: {metadata: {annotations: {a: b}}}}",
)


def with_patch(patch: str) -> str:
    """Give the smallest plan file with another patch, in flow style."""
    return MINIMAL.replace("patch:\n  labels: {team: ml}\n", f"patch: {patch}\n")


VALID = (MINIMAL, FULL, *(with_patch(patch) for patch in OTHER_PATCHES))
