"""Values: the sandbox and the rules store, compare and refuse them as a real API server does.

Covered: the rules of RFC 6902 and RFC 7386 (tests/rules/patching/patch_rules.py) on a real server,
by the text of each patch; generated JSON and merge patches, whose results are predicted; numbers,
half surrogate pairs and bytes that are not UTF-8, in each type of patch; limits of bodies,
operations and copies; repeated entries of finalizers and owners. Left out: patches for which a
server of this version breaks the connection (a negative index of `replace`, `test`, `copy` and
`move`, a list with null in a `test`, a `test` of a missing entry without a value); counts of batch
Jobs that overflow; that a real server treats a number in another spelling (`1.0` for `1`) as a
change, which increments the version, and then stores the old one.
"""

import json
from random import Random
from typing import Any

import pytest

from fleetpatch.model.encoding import encode
from fleetpatch.model.equality import deep_equal, has_null_entry
from fleetpatch.rules.patching.json_patch import InapplicableError, json_patched
from fleetpatch.rules.patching.merge_patch import merge_patched
from tests.control_plane import JOB_KINDS, ControlPlane, Response
from tests.differential.generated import JSON_PATCH, MERGE, STRATEGIC, Step
from tests.differential.observations import Observation
from tests.differential.servers import KINDS, BothServers, Subject
from tests.rules.patching.patch_rules import (
    JSON_PATCHES,
    MALFORMED_PATCHES,
    MERGE_PATCHES,
    OLD_MERGE_PATCHES,
    REFUSED,
    Case,
    spec_of,
)
from tests.sandbox.spellings import APPLY, SHAPES, TEXTS, configuration
from tests.server_versions import Expected

pytestmark = pytest.mark.control_plane

CUSTOM = JOB_KINDS["tfjobs.kubeflow.org"]
BATCH = JOB_KINDS["jobs.batch"]


class Field:
    """`spec.x` of a custom object on a real server."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self._server = control_plane
        namespace = control_plane.namespace()
        manifest = CUSTOM.manifest("values")
        created = control_plane.request("POST", CUSTOM.path(namespace), manifest)
        assert created.status == 201
        self._path = CUSTOM.path(namespace, "values")

    def set(self, value: Any) -> Any:
        """Set the field to `value`, None for no value; return the spec as the server stores it."""
        spec = {**CUSTOM.spec, **spec_of(value)}
        operation = {"op": "add", "path": "/spec", "value": spec}
        answer = self._server.request("PATCH", self._path, [operation], JSON_PATCH)
        assert answer.status == 200
        return self._stored(answer.body)

    def patched(self, content_type: str, body: bytes) -> Any:
        """Patch the field; return the spec as the server stores it, or REFUSED."""
        answer = self.answer(content_type, body)
        if answer.status == 422:
            return REFUSED
        assert answer.status == 200, answer.body
        return self._stored(answer.body)

    def answer(self, content_type: str, body: bytes) -> Response:
        return self._server.request("PATCH", self._path, body, content_type)

    @staticmethod
    def _stored(document: Any) -> Any:
        return {key: value for key, value in document["spec"].items() if key not in CUSTOM.spec}


@pytest.fixture(scope="module")
def field(control_plane: ControlPlane) -> Field:
    return Field(control_plane)


@pytest.mark.parametrize("case", JSON_PATCHES, ids=lambda case: case.rule)
def test_a_real_server_applies_json_patches_by_these_rules(field: Field, case: Case) -> None:
    field.set(case.before)

    after = field.patched(JSON_PATCH, case.patch.encode())

    assert deep_equal(after, REFUSED if case.result is REFUSED else spec_of(case.result))


@pytest.mark.parametrize("case", MALFORMED_PATCHES, ids=lambda case: case.rule)
def test_a_real_server_refuses_malformed_operations(
    field: Field, case: Case, expected: Expected
) -> None:
    field.set(case.before)

    answer = field.answer(JSON_PATCH, case.patch.encode())

    assert answer.status == expected.malformed_operation


@pytest.mark.parametrize("case", [*MERGE_PATCHES, *OLD_MERGE_PATCHES], ids=lambda case: case.rule)
def test_a_real_server_applies_merge_patches_by_these_rules(
    field: Field, case: Case, expected: Expected
) -> None:
    if case in OLD_MERGE_PATCHES and expected.keeps_null_entries:
        pytest.skip(f"Kubernetes {expected.version} keeps null entries of lists")
    field.set(case.before)

    assert deep_equal(field.patched(MERGE, case.patch.encode()), spec_of(case.result))


@pytest.mark.parametrize("seed", range(6))
def test_generated_json_patches_are_predicted(field: Field, seed: int) -> None:
    random = Random(f"json {seed}")

    for number in range(30):
        before = field.set(_value(random, 3))
        operations = _operations(random, before)
        try:
            predicted = json_patched({"spec": before}, operations)["spec"]
        except InapplicableError:
            predicted = REFUSED
        after = field.patched(JSON_PATCH, encode(operations))
        assert deep_equal(after, predicted), f"step {number}: {before} {operations}"


@pytest.mark.parametrize("seed", range(6))
def test_generated_merge_patches_are_predicted(field: Field, expected: Expected, seed: int) -> None:
    random = Random(f"merge {seed}")

    for number in range(30):
        before, patch = field.set(_value(random, 3)), {"x": _value(random, 4)}
        keeps = expected.keeps_null_entries
        predicted = merge_patched(before, patch, keeps_null_entries=keeps)
        after = field.patched(MERGE, encode({"spec": patch}))
        assert deep_equal(after, predicted), f"step {number}: {before} {patch}"


NUMBERS = [
    *("1.0", "1e2", "1E+2", "-0", "1.10", "0.1e1", "1e18", "1e21", "1e-7", "0.000001", "5e-324"),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775808", "18446744073709551616"),
    *(
        "-9223372036854775809",
        "123456789012345678901.0",
        "9223372036854774784.0",
        "1e400",
        "-1e999",
    ),
    *("1.7976931348623157e308", "9007199254740993", "9007199254740993.0", "1e-400"),
]
STRINGS = [
    rb'"\ud800"',
    rb'"a\ud800b"',
    rb'"\udc00\ud800x"',
    rb'"\ud800\u0041"',
    rb'"\ud83d\ude00"',
    rb'"\\ud800"',
    b'"a\xffb"',
    b'"\xc3"',
    rb'"\/\u0041"',
]


@pytest.mark.parametrize("text", [*(number.encode() for number in NUMBERS), *STRINGS])
def test_a_value_is_stored_as_on_a_real_server(both: BothServers, text: bytes) -> None:
    subjects = both.object(CUSTOM, f"kept-{text.hex()[:40]}")
    patch = b'{"spec":{"x":{"a":%s}}}' % text
    add = b'[{"op":"add","path":"/spec/y","value":%s}]' % text
    test = b'[{"op":"test","path":"/spec/y","value":%s},{"op":"remove","path":"/spec/y"}]' % text

    for step in (
        Step("PATCH", patch, MERGE),
        Step("PATCH", add, JSON_PATCH),
        Step("PATCH", test, JSON_PATCH),
    ):
        sandbox, real = (subject.send(step) for subject in subjects)
        assert sandbox == real, step


@pytest.mark.parametrize(
    "number", ["2.0", "2e0", "2.5", "1e400", "true", '"2"', "9223372036854775808"]
)
def test_a_count_of_a_batch_job_is_an_integer(both: BothServers, number: str) -> None:
    subjects = both.object(BATCH, f"counts-{number.encode().hex()}")
    body = b'{"spec":{"parallelism":%s}}' % number.encode()
    add = b'[{"op":"add","path":"/spec/parallelism","value":%s}]' % number.encode()
    steps = [Step("PATCH", body, MERGE), Step("PATCH", add, JSON_PATCH)]
    if number != "9223372036854775808":  # of which a strategic merge makes 0
        steps.append(Step("PATCH", body, STRATEGIC))

    for step in steps:
        sandbox, real = (subject.send(step) for subject in subjects)
        assert sandbox == real, step


TYPES = [MERGE, JSON_PATCH, STRATEGIC, APPLY]


@pytest.mark.parametrize("content_type", TYPES)
@pytest.mark.parametrize("name", KINDS)
def test_any_spelling_is_answered_alike(both: BothServers, name: str, content_type: str) -> None:
    kind = JOB_KINDS[name]
    subjects = both.object(kind, f"spelled-{TYPES.index(content_type)}")

    for shape in SHAPES:
        is_list = shape.startswith(b'[{"op"')
        if is_list != (content_type == JSON_PATCH) and shape not in BARE:
            continue
        for text in TEXTS:
            if name == "jobs.batch" and (shape, text) in OVERFLOWING:
                continue
            body = shape % text
            if content_type == APPLY:
                body = configuration(kind, body)
            step = Step("PATCH", body, content_type, "?fieldManager=us")
            sandbox, real = (_refusal(subject.send(step)[0]) for subject in subjects)
            assert sandbox == real, step


def _refusal(answer: Observation) -> tuple[int, str, frozenset[str]]:
    return answer.status, answer.reason, answer.fields


BARE = (b"[%s]", b"%s")
_COUNT, _UNKNOWN, _ADDED = SHAPES[0], SHAPES[1], SHAPES[5]
_LONG = (b"9" * 400, b"1" + b"0" * 30 + b".5", b"9223372036854775808", b"1e21", b"1e-7")
OVERFLOWING = {*((_COUNT, text) for text in _LONG), (_UNKNOWN, _LONG[0]), (_ADDED, _LONG[0])}
"""Numbers that a real server treats differently in a field of 32 bits and in an unknown field."""


LARGEST = 3 * 1024 * 1024


def _body(size: int) -> bytes:
    head, tail = b'{"metadata":{"annotations":{"a":"', b'"}}}'
    return head + b"x" * (size - len(head) - len(tail)) + tail


def test_bodies_operations_and_copies_have_the_same_limits(both: BothServers) -> None:
    add = {"op": "add", "path": "/spec/x", "value": "y" * (LARGEST // 4 - 2)}
    copy = {"op": "copy", "from": "/spec/x", "path": "/spec/c"}
    steps = [
        Step("PATCH", _body(LARGEST), MERGE),
        Step("PATCH", _body(LARGEST + 1), MERGE),
        Step("PATCH", _body(LARGEST + 1), "text/plain"),
        Step("PATCH", _body(LARGEST + 1), MERGE, "?dryRun=Maybe"),
        Step("PATCH", _body(LARGEST + 1), APPLY, "?fieldManager=us"),
        Step("PUT", _body(LARGEST + 1)),
        Step("DELETE", _body(LARGEST + 1)),
        Step("PATCH", [{**add, "value": 1}] * 10_000, JSON_PATCH),
        Step("PATCH", [{**add, "value": 1}] * 10_001, JSON_PATCH),
        Step("PATCH", [add, *[copy] * 4], JSON_PATCH, "?dryRun=All"),
        Step("PATCH", [add, *[copy] * 5], JSON_PATCH, "?dryRun=All"),
    ]
    subjects = both.object(CUSTOM, "limits")

    for step in steps:
        sandbox, real = (_brief(subject, step) for subject in subjects)
        assert sandbox == real, (step.method, step.content_type, len(step.body))


def _brief(subject: Subject, step: Step) -> tuple[int, str]:
    answer = subject.server.request(
        step.method, subject.path + step.query, step.body, step.content_type
    )
    return answer.status, answer.body.get("reason", "")


OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}


@pytest.mark.parametrize("name", KINDS)
def test_repeated_entries(both: BothServers, name: str) -> None:
    kind = JOB_KINDS[name]
    subjects = both.object(kind, "twice")
    apply = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"labels": {"z": "1"}}}
    twice = ["example.com/a", "example.com/a"]
    steps = [
        Step("PATCH", {"metadata": {"ownerReferences": [OWNER, OWNER]}}, MERGE),
        Step("PATCH", {"metadata": {"ownerReferences": [OWNER, {**OWNER, "name": "q"}]}}, MERGE),
        Step("PATCH", {"metadata": {"ownerReferences": [OWNER, {**OWNER, "uid": "v"}] * 2}}, MERGE),
        Step("PATCH", {"metadata": {"finalizers": twice}}, MERGE),
        Step("PATCH", {"metadata": {"labels": {"x": "y"}}}, MERGE),
        Step("PATCH", apply, APPLY, "?fieldManager=us"),
        Step("PATCH", {"metadata": {"finalizers": twice[:1]}}, MERGE),
        Step("PATCH", {"metadata": {"finalizers": None, "ownerReferences": None}}, MERGE),
        Step("PATCH", apply, APPLY, "?fieldManager=us"),
        Step("PATCH", {"metadata": {"finalizers": twice}}, MERGE),
    ]

    for step in steps:
        sandbox, real = (subject.send(step) for subject in subjects)
        assert sandbox == real, step
    metadata = {"name": "made-twice", "finalizers": twice, "ownerReferences": [OWNER, OWNER]}
    new = Step("POST", {**kind.manifest("made-twice"), "metadata": metadata})
    made, really_made = both.answers(new, kind.path(both.namespace))
    assert made == really_made


_SCALARS: list[Any] = [
    *(None, True, False, 0, 1, 2, 1.0, 0.5, 1e21, 2**63, "", "a", "a && b > c", "<", "\u2028", "é"),
]
_KEYS = ["a", "b", "0", "c/d", "~e", "<"]


def _value(random: Random, depth: int) -> Any:
    draw = random.random()
    if depth == 0 or draw < 0.4:
        return random.choice(_SCALARS)
    count = random.choice([0, 1, 2, 2, 3])
    if draw < 0.7:
        return [_value(random, depth - 1) for _ in range(count)]
    return {random.choice(_KEYS): _value(random, depth - 1) for _ in range(count)}


def _operations(random: Random, spec: Any) -> list[dict[str, Any]]:
    """Some operations, most of them with a path that exists."""
    return [_operation(random, spec) for _ in range(random.choice([1, 1, 2, 3]))]


def _operation(random: Random, spec: Any) -> dict[str, Any]:
    path, found = _pointer(random, spec)
    match random.choice(["add", "replace", "remove", "move", "copy", "test", "test"]):
        case "test" if not has_null_entry(found):
            value = found if random.random() < 0.7 else random.choice(_SCALARS)
            return {"op": "test", "path": path, "value": value}
        case "move" | "copy" as op:
            source, _ = _pointer(random, spec)
            return {"op": op, "from": source, "path": path}
        case "remove":
            return {"op": "remove", "path": path}
        case op:
            op = "add" if op == "test" else op
            return {"op": op, "path": path, "value": _value(random, 2)}


def _pointer(random: Random, spec: Any) -> tuple[str, Any]:
    """A pointer and its value."""
    path, node = "/spec/x", spec.get("x")
    if random.random() < 0.1:
        return f"{path}/new/er", None
    while isinstance(node, dict | list) and random.random() < 0.8:
        if isinstance(node, dict):
            key = random.choice([*node, *node, "new"])
            path += "/" + key.replace("~", "~0").replace("/", "~1")
            node = node.get(key)
        else:
            index = random.randrange(len(node) + 1)
            path += f"/{index}"
            node = node[index] if index < len(node) else None
    return path, node


def test_the_generators_reach_all_operations_and_outcomes() -> None:
    random = Random("all")
    reached = set()
    for _ in range(500):
        before = json.loads(encode({"x": _value(random, 3)}))
        for operation in _operations(random, before):
            try:
                json_patched({"spec": before}, [operation])
                reached.add((operation["op"], True))
            except InapplicableError:
                reached.add((operation["op"], False))

    operations = {"add", "replace", "remove", "move", "copy", "test"}
    assert reached == {(name, done) for name in operations for done in (True, False)}
