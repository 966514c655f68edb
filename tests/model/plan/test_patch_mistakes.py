"""Mistakes in a plan's patch: their places and messages.

Covered: parts that cannot be combined, labels written twice, fields and maps that must not be
changed, protected keys in every way that a patch can write them, bodies that look like another
type's, patches without an effect, and too large ones. Left out: what a provider's kinds do not
accept (test_provider_checks).
"""

import re
from typing import Any

import pytest

from fleetpatch.errors import PlanError
from fleetpatch.model.plan.load import parse_plan
from tests.model.plans import problems_of, with_patch
from tests.plans import plan_from

ALONG = "would change all labels or annotations"

PARTS: list[tuple[str, str, str]] = [
    ("{}", "8:8", "changes nothing; add labels, annotations"),
    ("{fieldManager: ops, pretty: true}", "8:8", "changes nothing"),
    ("{labels: {a: b}, merge: {spec: {a: b}}}", "8:25", "cannot be combined with labels"),
    ("{copyLabels: {a: b}, apply: {spec: {a: b}}}", "8:29", "cannot be combined with copyLabels"),
    ("{merge: {spec: {a: b}}, apply: {spec: {a: b}}}", "8:32", "cannot be combined with merge"),
    ("{labels: {a: b}, force: true}", "8:25", "is for apply only"),
    ("{merge: 5}", "8:16", "must be a mapping"),
    (
        "{merge: {spec: {a: b}}}\nguards: {onExisting: skip}",
        "9:10",
        "is for patch.labels",
    ),
    ("{copyLabels: {a: b}}\nguards: {onExisting: skip}", "9:10", "see guards.onClash"),
    ("{annotations: {a: " + "x" * 262_144 + "}}", "8:9", "the annotations take 262145 bytes"),
]

LABELS: list[tuple[str, str, str]] = [
    ("{renameLabels: {a: a}}", "8:27", "renames 'a' to itself"),
    ("{copyLabels: {a: a}}", "8:25", "copies 'a' to itself"),
    ("{renameLabels: {a: b, c: b}}", "8:33", "'a' is renamed to 'b' already"),
    ("{copyLabels: {a: b, c: b}}", "8:31", "'a' is copied to 'b' already"),
    ("{renameLabels: {a: b}, copyLabels: {c: b}}", "8:47", "'a' is renamed to 'b' already"),
    ("{renameLabels: {a: b, b: c}}", "8:27", "'b' is renamed, too"),
    ("{copyLabels: {a: b, b: c}}", "8:25", "'b' is copied, too"),
    ("{copyLabels: {a: b}, renameLabels: {c: a}}", "8:47", "'a' is copied, too"),
    ("{copyLabels: {a: b}, renameLabels: {b: c}}", "8:25", "'b' is renamed, too"),
    ("{copyLabels: {a: b}, renameLabels: {a: c}}", "8:22", "'a' is renamed, too"),
    ("{labels: {team: x}, renameLabels: {team: b}}", "8:43", "'team' is set under patch.labels"),
    ("{labels: {team: x}, renameLabels: {b: team}}", "8:46", "'team' is set under patch.labels"),
    ("{labels: {a: null}, renameLabels: {a: b}}", "8:43", "'a' is removed under patch.labels"),
    ("{labels: {a: null}, copyLabels: {a: b}}", "8:41", "'a' is removed under patch.labels"),
    ("{labels: {team: x}, copyLabels: {b: team}}", "8:44", "'team' is set under patch.labels"),
    ("{renameAnnotations: {a: a}}", "8:32", "renames 'a' to itself"),
    ("{copyAnnotations: {a: b, c: b}}", "8:36", "'a' is copied to 'b' already"),
    ("{copyAnnotations: {a: b}, renameAnnotations: {c: a}}", "8:57", "'a' is copied, too"),
    (
        "{annotations: {a: x}, copyAnnotations: {b: a}}",
        "8:51",
        "'a' is set under patch.annotations",
    ),
    (
        "{renameAnnotations: {a: b}, merge: {spec: {a: b}}}",
        "8:36",
        "cannot be combined with renameAnnotations",
    ),
    ("{renameAnnotations: {a b: c}}", "8:29", "is not a valid annotation key"),
    ('{labels: {"old.x/*": gone}}', "8:18", "a pattern only removes keys; write null"),
    ('{annotations: {"old.x/*": ""}}', "8:23", "a pattern only removes keys; write null"),
    ('{labels: {"*": null}}', "8:18", "'*' would remove every key"),
    ('{labels: {"*-old": null}}', "8:18", "only one '*' is allowed, and at the end"),
    ('{labels: {"a*b*": null}}', "8:18", "only one '*' is allowed, and at the end"),
    ('{labels: {"-a*": null}}', "8:18", "cannot match a key"),
    ('{labels: {"a b/*": null}}', "8:18", "cannot match a key"),
    ('{copyLabels: {"a/*": b}}', "8:22", "is not a valid label key"),
]

DOCUMENTS: list[tuple[str, str, str]] = [
    ("{merge: {}}", "8:9", "changes nothing; add the fields"),
    ("{merge: {metadata: {labels: {}}, spec: {}}}", "8:9", "changes nothing"),
    ("{apply: {apiVersion: batch/v1, kind: Job}}", "8:9", "changes nothing"),
    ("{strategic: {spec: {template: {}}}}", "8:9", "changes nothing"),
    ("{merge: {op: replace, path: /status, value: x}}", "8:9", "looks like a JSON Patch"),
    ("{strategic: {op: add, path: /a}}", "8:9", "looks like a JSON Patch"),
    ("{apply: {op: add, path: /a}}", "8:9", "looks like a JSON Patch"),
    ("{merge: {metadata: {name: x}}}", "8:28", "identifies the object"),
    ("{strategic: {metadata: {namespace: x}}}", "8:32", "identifies the object"),
    ("{apply: {metadata: {resourceVersion: x}}}", "8:28", "identifies the object"),
    ("{merge: {metadata: {uid: x}}}", "8:28", "identifies the object"),
    ("{merge: {metadata: {creationTimestamp: null}}}", "8:28", "is set by the server"),
    ("{merge: {metadata: {deletionTimestamp: x}}}", "8:28", "is set by the server"),
    ("{merge: {metadata: {generation: 5}}}", "8:28", "is set by the server"),
    ("{merge: {metadata: {managedFields: [{}]}}}", "8:28", "is set by the server"),
    ("{merge: {metadata: {selfLink: x}}}", "8:28", "is set by the server"),
    ("{merge: {status: {a: b}}}", "8:17", "is written by the kind's controller"),
    ("{strategic: {status: null}}", "8:21", "is written by the kind's controller"),
    ("{merge: {metadata: null}}", "8:17", ALONG),
    ("{merge: {metadata: {labels: null}}}", "8:28", ALONG),
    ("{strategic: {metadata: {annotations: null}}}", "8:32", ALONG),
    ("{apply: {metadata: {labels: null}}}", "8:28", ALONG),
    ("{merge: {metadata: {labels: x}}}", "8:36", "must be a mapping of keys to values"),
    ("{strategic: {metadata: {labels: {$patch: replace, a: b}}}}", "8:41", ALONG),
    ("{strategic: {metadata: {$patch: delete}}}", "8:32", ALONG),
    ("{strategic: {$patch: replace, spec: {a: b}}}", "8:21", ALONG),
    ("{merge: {spec: {x: [{$patch: delete}]}}}", "8:29", "$patch is for strategic patches"),
    ("{apply: {spec: {x: {$retainKeys: [a]}}}}", "8:28", "$retainKeys is for strategic"),
    (
        "{strategic: {spec: {$setElementOrder/a: [{name: b}]}}}",
        "8:28",
        "$setElementOrder/a cannot be undone",
    ),
    (
        "{strategic: {metadata: {$deleteFromPrimitiveList/finalizers: [a]}}}",
        "8:32",
        "$deleteFromPrimitiveList/finalizers cannot be undone",
    ),
    ("{strategic: {spec: {$retainKeys: [a], a: 1}}}", "8:28", "$retainKeys cannot be undone"),
    ("{apply: {spec: {a: {b: null}}}}", "8:28", "cannot be null; an apply removes"),
    ("{apply: {spec: {a: [{b: null}]}}}", "8:29", "cannot be null; an apply removes"),
    ("{merge: {metadata: {labels: {team: 5}}}}", "8:43", "must be text; put it in quotes"),
    ("{merge: {metadata: {labels: {team: a b}}}}", "8:43", "'a-b' is valid"),
    ("{merge: {metadata: {labels: {te am: a}}}}", "8:37", "is not a valid label key"),
    ("{merge: {metadata: {annotations: {a: [b]}}}}", "8:45", "must be text"),
]

OPERATIONS: list[tuple[str, str, str]] = [
    ("{json: {op: add, path: /a}}", "8:15", "must be a list, not a mapping"),
    ("{json: [{op: put, path: /spec}]}", "8:21", "must be one of add, remove"),
    ("{json: [{op: [], path: /spec}]}", "8:21", "must be one of add, remove"),
    ("{json: [{op: remove, path: a}]}", "8:35", "JSON pointer"),
    ('{json: [{op: replace, path: "", value: {}}]}', "8:36", "JSON pointer"),
    ("{json: [{op: add, path: /spec/a}]}", "8:16", "value: is missing"),
    ("{json: [{op: copy, path: /spec/a}]}", "8:16", "JSON pointer"),
    ("{json: [{op: test, path: /spec/a, value: 1}]}", "8:9", "only tests, and changes nothing"),
    ("{json: [{op: move, from: /spec/a, path: /spec/a}]}", "8:48", "onto itself"),
    ("{json: [{op: copy, from: /spec/a, path: /spec/a}]}", "8:48", "onto itself"),
    ("{json: [{op: move, from: /spec/a, path: /spec/a/b}]}", "8:48", "into itself"),
    ("{json: [{op: remove, path: /status/active}]}", "8:35", "the kind's controller"),
    ("{json: [{op: move, from: /status/a, path: /spec/a}]}", "8:33", "the kind's controller"),
    ("{json: [{op: add, path: /metadata/name, value: x}]}", "8:32", "identifies the object"),
    ("{json: [{op: remove, path: /metadata/uid}]}", "8:35", "identifies the object"),
    ("{json: [{op: remove, path: /metadata/managedFields/0}]}", "8:35", "set by the server"),
    ("{json: [{op: replace, path: /kind, value: Pod}]}", "8:36", "is the object's kind"),
    ("{json: [{op: remove, path: /metadata}]}", "8:35", ALONG),
    ("{json: [{op: add, path: /metadata/labels, value: {}}]}", "8:32", ALONG),
    ("{json: [{op: replace, path: /metadata/annotations, value: {}}]}", "8:36", ALONG),
    ("{json: [{op: move, from: /metadata/labels, path: /spec/a}]}", "8:33", ALONG),
    ("{json: [{op: copy, from: /spec/a, path: /metadata/labels}]}", "8:48", ALONG),
    ("{json: [{op: add, path: /metadata/labels/a, value: 5}]}", "8:59", "must be text"),
    ("{json: [{op: add, path: /metadata/labels/a, value: a b}]}", "8:59", "'a-b' is valid"),
    ("{json: [{op: remove, path: /metadata/labels/}]}", "8:35", "is not a valid label key"),
]

PROTECTED: list[tuple[str, str]] = [
    ("{labels: {job-name: x}}", "8:18"),
    ("{annotations: {batch.kubernetes.io/x: y}}", "8:23"),
    ("{renameLabels: {controller-uid: b}}", "8:24"),
    ("{renameLabels: {b: volcano.sh/x}}", "8:27"),
    ("{copyLabels: {b: volcano.sh/x}}", "8:25"),
    ("{merge: {metadata: {labels: {job-name: null}}}}", "8:37"),
    ("{strategic: {metadata: {labels: {job-name: x}}}}", "8:41"),
    ("{apply: {metadata: {annotations: {training.kubeflow.org/x: x}}}}", "8:42"),
    ("{json: [{op: remove, path: /metadata/labels/volcano.sh~1x}]}", "8:35"),
    ("{json: [{op: move, from: /metadata/labels/job-name, path: /metadata/labels/a}]}", "8:33"),
    ("{json: [{op: copy, from: /spec/a, path: /metadata/labels/job-name}]}", "8:48"),
]

ALLOWED = (
    "{json: [{op: test, path: /metadata/labels/job-name, value: a}, {op: remove, path: /spec/a}]}",
    "{json: [{op: test, path: /status/active, value: 1}, {op: remove, path: /spec/a}]}",
    "{json: [{op: copy, from: /metadata/name, path: /metadata/labels/called}]}",
    "{json: [{op: copy, from: /metadata/labels/job-name, path: /metadata/labels/job}]}",
    "{copyLabels: {job-name: my-job-name}}",
    "{copyLabels: {a: b}, renameLabels: {c: d}, labels: {e: f}, annotations: {a: b}}",
    "{merge: {spec: {x: {$ref: a}}}}",
    "{strategic: {metadata: {labels: {$patch: merge, a: b}}}}",
    "{merge: {metadata: {labels: {a: null}, finalizers: null}}}",
    "{labels: {a: b}, force: false}",
)

TESTS: list[tuple[str, str, str]] = [
    ("", "8:45", "is missing; test needs one"),
    (", value: [a, null]", "8:78", "contains a list with a null, which servers cannot test"),
    (", value: {c: [{d: [~]}]}", "8:78", "contains a list with a null"),
    (', value: "a\\b"', "8:78", "contains a backspace or form feed"),
    (', value: ["\\\\\\f"]', "8:78", "contains a backspace or form feed"),
]


@pytest.mark.parametrize(("value", "place", "words"), TESTS)
def test_a_test_that_servers_cannot_do_is_refused(value: str, place: str, words: str) -> None:
    patch = f"{{json: [{{op: remove, path: /spec/c}}, {{op: test, path: /spec/a{value}}}]}}"

    (problem,) = problems_of(with_patch(patch))

    assert f":{place}: patch.json[1].value: " in problem
    assert words in problem


@pytest.mark.parametrize("value", ['"\\\\b \\\\f"', "{a: null}", "[[], [a]]", "'\\b'"])
def test_a_test_that_servers_can_do_is_accepted(value: str) -> None:
    patch = (
        f"{{json: [{{op: remove, path: /spec/c}}, {{op: test, path: /spec/a, value: {value}}}]}}"
    )

    parse_plan(with_patch(patch), "plan.yaml")


@pytest.mark.parametrize(
    ("patch", "place", "words"),
    [*PARTS, *LABELS, *DOCUMENTS, *OPERATIONS],
    ids=lambda one: one[:60],
)
def test_a_mistake_is_placed_and_explained(patch: str, place: str, words: str) -> None:
    (problem,) = problems_of(with_patch(patch))

    assert problem.startswith(f"plan.yaml:{place}: ")
    assert words in problem
    assert len(problem) < 400
    assert not re.search("dict|tuple|Input should", problem)


@pytest.mark.parametrize(("patch", "place"), PROTECTED)
def test_a_protected_key_is_refused_in_every_way_of_writing_it_unless_it_is_allowed_by_name(
    patch: str, place: str
) -> None:
    (problem,) = problems_of(with_patch(patch))

    assert problem.startswith(f"plan.yaml:{place}: ")
    found = re.search("'([^']+)' belongs to .*guards.allowKeys", problem)
    assert found
    parse_plan(with_patch(patch) + f"guards: {{allowKeys: [{found[1]}]}}\n", "plan.yaml")


@pytest.mark.parametrize("patch", ALLOWED)
def test_fields_that_only_look_protected_are_accepted(patch: str) -> None:
    parse_plan(with_patch(patch), "plan.yaml")


def values(patch: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "relabel"},
        "targets": [{"kinds": ["jobs.batch.volcano.sh"], "selector": "app=etl"}],
        "patch": patch,
        **more,
    }


def test_a_json_patch_leaves_room_for_the_guards_within_the_servers_limit() -> None:
    remove = {"op": "remove", "path": "/spec/a"}

    plan_from(values({"json": [remove] * 9_998}))
    with pytest.raises(PlanError, match="has 9999 operations, and a plan may have 9998"):
        plan_from(values({"json": [remove] * 9_999}))


def signing(auth: dict[str, Any]) -> dict[str, Any]:
    server = "https://cci.example.com"
    return {"fleet": [{"name": "a", "provider": "cci", "server": server, "auth": auth}]}


def test_a_body_that_is_too_large_to_be_signed_is_refused_if_requests_are_signed() -> None:
    keys = {"accessKeyEnv": "AK", "secretKeyEnv": "SK", "project": "p"}
    around = len('{"spec":{"template":""}}')
    fits = {"merge": {"spec": {"template": "x" * (12 * 1024 * 1024 - around)}}}
    exceeds = {"merge": {"spec": {"template": "ü" * (6 * 1024 * 1024)}}}

    plan_from(values(fits, **signing({"aksk": keys})))
    plan_from(values(exceeds, **signing({"token": {"env": "TOKEN"}})))
    with pytest.raises(PlanError, match=r"patch\.merge: takes \d+ bytes, and signed requests"):
        plan_from(values(exceeds, **signing({"aksk": keys})))
