"""The child process: objects that end it, hostile objects, what it may do.

Covered: limits on memory and time, splitting, restarts, hostile objects as property tests, the
environment and the files that the process has. Left out: what expressions yield (tests/cel).
"""

import signal
from collections.abc import Sequence
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleetpatch.cel.program import Rows, Texts
from fleetpatch.errors import Refused, SurroundingsError
from fleetpatch.evaluation import evaluator as module
from fleetpatch.evaluation.evaluator import Evaluator
from fleetpatch.model.fields import Json, Path, label
from fleetpatch.model.ports import Evaluated, Subject

BOMB = "object.a.replace('x', object.a).replace('x', object.a).replace('x', object.a)"


class NoNamespaces:
    """Implements the port Namespaces for expressions that read none."""

    async def namespace_object(self, cluster: str, namespace: str) -> Json:
        raise AssertionError(cluster, namespace)


def evaluator_of(
    *values: str,
    where: str = "",
    tables: Any = None,
    memory: int = module.MEMORY,
    cpu_time: float = module.CPU_TIME,
) -> Evaluator:
    texts = Texts(
        {}, {0: where} if where else {}, values, [f"value {at}" for at in range(len(values))]
    )
    paths: Sequence[Path] = [label(str(at)) for at in range(len(values))]
    return Evaluator(
        texts, paths, tables or {}, 0.0, NoNamespaces(), memory=memory, cpu_time=cpu_time
    )


async def evaluated(evaluator: Evaluator, *objects: Json) -> list[Evaluated]:
    async with evaluator:
        return list(await evaluator.evaluate("a", 0, [Subject("n", one) for one in objects]))


async def test_values_come_back_in_the_order_of_the_objects() -> None:
    found = await evaluated(evaluator_of("object.a"), *({"a": str(at)} for at in range(700)))

    assert [one.values[label("0")] for one in found] == [str(at) for at in range(700)]


async def test_only_the_object_that_needs_too_much_memory_is_an_error() -> None:
    objects = [{"a": "x" * (700 if at == 13 else 2)} for at in range(20)]

    found = await evaluated(evaluator_of(BOMB, memory=64 * 2**20), *objects)

    assert [at for at, one in enumerate(found) if one.error] == [13]
    assert "too much memory or time" in found[13].error


async def test_only_the_object_that_needs_too_much_time_is_an_error() -> None:
    slow = {"a": "a" * 40 + "!"}
    # Python's engine backtracks for ages here.
    found = await evaluated(
        evaluator_of("object.a.find('^(a|aa)+$')", cpu_time=0.2), {"a": "aa"}, slow, {"a": "b"}
    )

    assert [bool(one.error) for one in found] == [False, True, False]


async def test_a_cancellation_during_its_start_ends_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[Any] = []

    async def unanswered(child: Any, _message: bytes) -> None:
        started.append(child)
        scope.cancel()
        await anyio.sleep_forever()

    monkeypatch.setattr(module._Child, "ask", unanswered)

    with anyio.CancelScope() as scope:
        await evaluated(evaluator_of("object.a"), {"a": "x"})

    (child,) = started
    assert child._process.returncode == -signal.SIGKILL


async def test_a_plan_whose_expressions_end_the_process_again_and_again_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_ENDED", 2)
    objects = [{"a": "x" * 700}] * 3

    with pytest.raises(Refused, match="more than 2 objects"):
        await evaluated(evaluator_of(BOMB, memory=64 * 2**20), *objects)


async def test_a_run_that_is_carried_out_is_not_refused_for_objects_that_end_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_ENDED", 1)
    subject = Subject("n", {"a": "a" * 40 + "!"})

    async with evaluator_of(where="object.a.find('^(a|aa)+$') == ''", cpu_time=0.1) as evaluator:
        found = [await evaluator.matches("a", 0, subject) for _ in range(3)]

    assert all("too much memory or time" in one.error for one in found)


async def test_the_time_of_the_expansion_is_the_same_for_all_objects() -> None:
    value = "string(now) + string(duration('90s')) + string(now + duration('1h') > now)"
    found = await evaluated(evaluator_of(value), {}, {})

    assert {one.values[label("0")] for one in found} == {"1970-01-01T00:00:00Z90strue"}


async def test_an_expression_opens_no_file_by_the_name_of_a_time_zone() -> None:
    hours = "string(now.getHours({}))"
    known = [hours.format(zone) for zone in ("'+02:00'", "'UTC'")]
    found = await evaluated(evaluator_of(*known), {})
    refused = await evaluated(evaluator_of(hours.format("'/etc/localtime'")), {})

    assert list(found[0].values.values()) == ["2", "0"]
    assert refused[0].error


async def test_a_missing_key_of_a_table_is_named() -> None:
    tables = {"costs": Rows(["team", "centre"], {"red": ["red", "1"]})}
    found = await evaluated(
        evaluator_of("tables.costs[object.a].centre", tables=tables), {"a": "red"}, {"a": "blue"}
    )

    assert found[0].values == {label("0"): "1"}
    assert found[1].error == "value 0: the table costs has no row 'blue'"
    assert [(one.table, one.key) for one in found[1].missing_keys] == [("costs", "blue")]


async def test_an_object_that_json_cannot_write_is_an_error_and_the_others_are_not() -> None:
    found = await evaluated(
        evaluator_of("object.a"), {"a": "x"}, {"a": "\ud800"}, {"a": 2**70}, {"a": "y"}
    )

    assert [bool(one.error) for one in found] == [False, True, True, False]


async def test_a_process_that_is_killed_from_outside_is_replaced_and_no_object_fails() -> None:
    async with evaluator_of("object.a") as evaluator:
        subjects = [Subject("n", {"a": str(at)}) for at in range(3)]
        await evaluator.evaluate("a", 0, subjects)
        assert evaluator._child is not None
        evaluator._child._process.kill()
        await evaluator._child._process.wait()

        found = await evaluator.evaluate("a", 0, subjects[:1])

    assert [one.values for one in found] == [{label("0"): "0"}]


async def test_a_process_that_cannot_start_is_no_error_of_an_object(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_PROGRAM", "raise SystemExit")

    with pytest.raises(SurroundingsError, match="ended when it was started"):
        await evaluated(evaluator_of("object.a"), {"a": "x"})


@pytest.mark.parametrize(
    ("one", "is_readable"),
    [
        ({"a": "x\0y"}, False),
        ({"a": "x", "b": {"\0": 1}}, False),
        ({"a": "x\\\0"}, False),
        ({"a": "x\\u0000"}, True),
        ({"a": "x\\\\u0000"}, True),
    ],
)
async def test_no_text_is_cut_at_a_nul_character(one: Any, is_readable: bool) -> None:
    found = await evaluated(evaluator_of("[object][0].a"), {"a": "p"}, one, {"a": "q"})

    assert [found[at].values for at in (0, 2)] == [{label("0"): "p"}, {label("0"): "q"}]
    assert bool(found[1].error) is not is_readable
    assert found[1].values == ({label("0"): one["a"]} if is_readable else {})


@pytest.mark.parametrize(
    "expression", ["[object.?b]", "[[optional.of(object.a)]]", "{'k': [object.?b]}"]
)
async def test_an_optional_within_a_list_is_an_error_that_says_so(expression: str) -> None:
    (found,) = await evaluated(evaluator_of(expression), {"a": "x"})

    assert found.error.startswith("value 0: an optional is within a list or a map; write [?x]")


async def test_a_crash_of_the_runtime_is_not_called_a_matter_of_memory() -> None:
    (found,) = await evaluated(evaluator_of("{'k': object.?b, 'l': 1}"), {"a": "x"})

    assert "crashed on this object" in found.error
    assert "{?key: x}" in found.error


async def test_values_that_no_server_accepts_are_an_error_of_their_object() -> None:
    objects = [{"a": "x" * size} for size in (10, 2 * 2**20, 10)]

    found = await evaluated(evaluator_of("object.a + object.a"), *objects)

    assert [one.error for one in found][::2] == ["", ""]
    assert "no server accepts" in found[1].error


async def test_an_error_quotes_the_beginning_and_the_end_of_a_long_value() -> None:
    (found,) = await evaluated(evaluator_of("string(quantity(object.a))"), {"a": "z" * 50_000})

    assert len(found.error) <= 500
    assert found.error.startswith("value 0: 'zzz")
    assert found.error.endswith("is not a quantity")


async def test_nothing_is_started_before_there_is_an_object() -> None:
    async with evaluator_of("object.a") as evaluator:
        assert await evaluator.evaluate("a", 0, []) == []
        assert evaluator._child is None


keys = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    ['"', "'", "\\", "\n", "\0", "a.b/c", "${x}", "{{x}}", "__class__", "metadata", "a" * 300]
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats()
    | st.text(max_size=50)
    | st.text(st.characters(categories=["Cs"]), max_size=3),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=30,
)


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = {"a": [value]}
    return value


HOSTILE = [
    nested(100),
    nested(2_000),
    "x" * 2_000_000,
    {f"k{at}": at for at in range(20_000)},
    list(range(50_000)),
    {'"': {"'": {"\\": 1}}},
]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.dictionaries(keys, values, max_size=5), min_size=1, max_size=30))
async def test_a_hostile_object_has_a_value_or_an_error(objects: list[Any]) -> None:
    evaluator = evaluator_of("string(size(object.a))", "object.?b", where="has(object.a) || true")

    found = await evaluated(evaluator, *objects)

    assert len(found) == len(objects)
    for one in found:
        assert one.error or set(one.values) == {label("0"), label("1")}


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: type(value).__name__)
async def test_a_huge_or_deep_object_does_not_end_the_expansion(value: Any) -> None:
    evaluator = evaluator_of("type(object.a) == string ? 'text' : 'other'")

    found = await evaluated(evaluator, {"a": "x"}, {"a": value}, {"a": "y"})

    assert [one.values.get(label("0")) for one in (found[0], found[2])] == ["text", "text"]
    assert found[1].error or found[1].values[label("0")] in ("text", "other")
