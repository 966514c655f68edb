"""The language of plans: trees, what is read, variables, tables, functions of Kubernetes.

Covered: encoding as the inverse of decoding, lazy and optional variables, projections, the memo,
the order of keys.
Left out: verdicts (test_kubernetes_verdicts.py), mistakes (tests/model/plan).
"""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.cel import syntax
from fleetpatch.cel.expressions import NAMES, Language
from fleetpatch.cel.program import Evaluation, Parts, Rows, Texts
from fleetpatch.cel.reads import merged, projected, reads_of
from fleetpatch.cel.runtime import Environment

EXPRESSIONS = [
    "object.a.b == 1 && has(object.c) || !(object.d in [1, 2u, 3.5, 'x', b'y', null, true])",
    "object.list.all(x, object.list.exists(y, x == y)) ? {'a': [?object.?b]} : {?'c': object.?d}",
    "cel.bind(x, object.a, x + x)",
    "object.?a[?0].orValue(-5)",
    "timestamp('2020-01-01T00:00:00Z') + duration('1h') < now",
    "[1, 2, 3].map(x, x > 1, x * 2).filter(x, x != 4)",
    "[?optional.of(1), ?optional.none(), 3]",
]


def value_of(text: str, data: dict[str, Any] | None = None, **more: Any) -> Any:
    tables = {name: Rows(*rows) for name, rows in more.pop("tables", {}).items()}
    texts = Texts(more.pop("variables", {}), {}, [text], ["value"])
    result = Evaluation(texts, tables).evaluate(0, {"object": data or {}, **more})
    return result.error or (result.values[0][0] if result.values[0] else None)


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_an_encoded_tree_is_decoded_to_the_same_tree(text: str) -> None:
    tree = syntax.decode(Environment(NAMES).compile(text).serialized)

    assert syntax.decode(syntax.encode(tree)) == tree


def test_a_tree_with_very_many_entries_is_encoded() -> None:
    entries = ", ".join(f"?object.?a{at}" for at in range(300))
    tree = syntax.decode(Environment(NAMES).compile(f"[{entries}]").serialized)

    assert syntax.decode(syntax.encode(tree)) == tree


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("object.metadata.name == 'a'", {"metadata": {"name": {}}}),
        ("has(object.metadata.labels)", {"metadata": {"labels": {}}}),
        ("object.metadata.?labels['team'].orValue('')", {"metadata": {"labels": {"team": {}}}}),
        ("object.metadata.labels[object.kind] == ''", {"metadata": {"labels": {}}, "kind": {}}),
        ("object == {}", {}),
        ("object.a.b == object.a", {"a": {}}),
        ("object.a == object.a.b", {"a": {}}),
        ("object.l.exists(x, x.y == object.z)", {"l": {}, "z": {}}),
    ],
)
def test_only_what_is_read_of_an_object_is_sent(text: str, reads: Any) -> None:
    tree = Language({}, {}).compile(text).node

    assert reads_of(tree, NAMES)["object"] == reads


trees: Any = st.recursive(
    st.just({}), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
)


@given(trees, trees, trees)
def test_a_projection_keeps_all_that_is_read(value: Any, one: Any, other: Any) -> None:
    both = merged([{"object": one}, {"object": other}])["object"]

    assert projected(projected(value, both), one) == projected(value, one)


def test_a_variable_is_evaluated_only_where_it_is_needed() -> None:
    variables = {"bad": "object.missing", "good": "object.a"}

    assert (
        value_of("object.a == 1 ? variables.good : variables.bad", {"a": 1}, variables=variables)
        == 1
    )


def test_a_variable_may_be_optional() -> None:
    variables = {"team": "object.?team"}

    assert value_of("variables.team", {}, variables=variables) is None
    assert value_of("variables.team.orValue('x')", {}, variables=variables) == "x"
    assert (
        value_of("true ? variables.team : variables.team", {"team": "r"}, variables=variables)
        == "r"
    )


def test_variables_may_use_each_other_in_any_order() -> None:
    variables = {"c": "variables.b + 'c'", "b": "variables.a + 'b'", "a": "'a'"}

    assert value_of("variables.c", variables=variables) == "abc"


@pytest.mark.parametrize(
    ("namespace", "name"), [(None, "none"), ({"metadata": {"name": "a"}}, "a")]
)
def test_an_expression_can_ask_whether_there_is_a_namespace(namespace: Any, name: str) -> None:
    text = "namespaceObject == null ? 'none' : namespaceObject.metadata.name"

    assert value_of(text, namespaceObject=namespace) == name


def test_variables_that_multiply_are_refused() -> None:
    variables = {f"v{at}": f"variables.v{at - 1} + variables.v{at - 1}" for at in range(1, 30)}

    language = Language({"v0": "object.a", **variables}, {})

    assert any("too large" in one[0].what for one in language.mistakes.values())


TABLES = {
    "costs": (["team", "centre"], {"red": ["red", "1"]}),
    "teams": (["name", "cost"], {"x": ["x", "red"]}),
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("tables.costs['red'].centre", "1"),
        ("tables.costs.red.centre", "1"),
        ("tables.costs[tables.teams['x'].cost].centre", "1"),
        ("tables.costs[?'red'].?centre", "1"),
        ("tables.costs[?'blue'].?centre", None),
        ("tables.costs.?blue.hasValue()", False),
        ("'red' in tables.costs && !('blue' in tables.costs)", True),
        ("has(tables.costs.red) && !has(tables.costs.blue)", True),
        ("['red', 'blue'].filter(k, k in tables.costs)", ["red"]),
        ("tables.costs['blue'].centre", "value: the table costs has no row 'blue'"),
        ("tables.costs[object.n].centre", "value: the table costs has no row 5"),
        ("tables.costs['red']", {"team": "red", "centre": "1"}),
    ],
)
def test_rows_of_tables_are_looked_up(text: str, value: Any) -> None:
    assert value_of(text, {"n": 5}, tables=TABLES) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[1, 2, 3].sum()", 6),
        ("[1.5, 2.5].sum()", 4.0),
        ("[].sum() == 0", True),
        ("[3, 1, 2].min() + [3, 1, 2].max()", 4),
        ("[].min()", "value: min called on empty list"),
        ("[1, 2, 2].isSorted() && !['b', 'a'].isSorted()", True),
        ("[1, 2, 1].indexOf(1) + [1, 2, 1].lastIndexOf(1) + [1].indexOf(7)", 1),
        ("[true, 1].indexOf(1)", 1),
        ("'abc'.indexOf('c')", 2),
        ("'a12b3'.find('[0-9]+')", "12"),
        ("'abc'.find('[0-9]+')", ""),
        ("'a1b2c3'.findAll('[0-9]')", ["1", "2", "3"]),
        ("'a1b2c3'.findAll('[0-9]', 2)", ["1", "2"]),
        ("quantity('1.5Gi') == quantity('1536Mi')", True),
        ("quantity('1k').isGreaterThan(quantity('999'))", True),
        ("quantity('100m').isLessThan(quantity('1'))", True),
        ("quantity('2Gi').asInteger()", 2**31),
        ("string(quantity('1Gi').add(quantity('1Gi')).asInteger())", "2147483648"),
        ("string(quantity('250m').add(quantity('250m')).asApproximateFloat())", "0.5"),
        ("{'quantity': '1'}", {"quantity": "1"}),
        ("{'quantity': '1'} == quantity('1')", False),
        ("quantity('0.5').isInteger()", False),
        ("quantity('0.5').asInteger()", "value: 0.5 is not an integer of 64 bits"),
        ("quantity('500m').asApproximateFloat()", 0.5),
        ("quantity('1').add(quantity('500m')) == quantity('1500m')", True),
        ("quantity('1').sub(quantity('2')).sign()", -1),
        ("quantity('1').compareTo(quantity('1.0'))", 0),
        ("isQuantity('1Gi') && !isQuantity('1G1')", True),
        ("quantity('x')", "value: 'x' is not a quantity"),
        ("math.greatest(1, 5) + math.least(2, 3)", 7),
        ("'a,b'.split(',').join('-').upperAscii()", "A-B"),
        ("base64.encode(b'hi')", "aGk="),
    ],
)
def test_the_functions_of_kubernetes_and_the_extensions_are_there(text: str, value: Any) -> None:
    assert value_of(text) == value


LETTERS = "abcdefghijklmnop"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("object.map(k, k).join('')", LETTERS),
        ("object.filter(k, k > 'b')[0]", "c"),
        ("object.map(k, k > 'b', object[k])[0]", 2),
        ("[object].map(m, m.map(k, k).join(''))[0]", LETTERS),
        ("cel.bind(m, object, m.filter(k, true).map(k, k).join(''))", LETTERS),
        ("['x'].map(map, object.map(type, type)[0])", ["a"]),
        ("variables.keys.join('')", LETTERS),
        ("{10: 0, 9u: 0, -1: 0, true: 0, 'a': 0}.map(k, k)", [True, -1, 9, 10, "a"]),
        ("{'b': optional.none(), 'a': optional.none()}.map(k, k)", ["a", "b"]),
        ("[optional.of(now), optional.of(now)].map(t, t.value() == now)", [True, True]),
    ],
)
def test_a_list_that_is_made_of_a_map_is_in_the_order_of_its_keys(text: str, value: Any) -> None:
    data = {key: at for at, key in reversed([*enumerate(LETTERS)])}
    variables = {"keys": "object.map(k, k)"}
    now = datetime(2026, 1, 1, tzinfo=UTC)

    assert value_of(text, data, variables=variables, now=now) == value


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("object.zz", "value: no such key: zz"),
        ("object.a.b.c", "value: a field is looked up in a value that is no map"),
        ("object.a + object.l", "value: + does not take these types: (int64, list)"),
        ("-object.s", "value: - does not take these types: (string)"),
        ("!object.s", "value: ! does not take a value of this type"),
        ("object.s && true", "value: && does not take a value of this type"),
        ("object.a ? 1 : 2", "value: ?: does not take a value of this type"),
        ("object.a in object.a", "value: in does not take a value of this type"),
        ("object.s.matches(object.a)", "value: matches does not take these types: (string, int64)"),
        (
            "object.s < now",
            "value: < does not take these types: (string, timestamp); write timestamp(...) around",
        ),
        (
            "duration('1h') > object.s",
            "value: > does not take these types: (duration, string); write duration(...) around",
        ),
        ("timestamp(object.s)", "value: "),
        ("1 / object.zero", "value: "),
        ("object.t", "value: "),
        ("dyn(now)", "value: is a timestamp, which JSON does not have; write string(...)"),
        ("[dyn(duration('1s'))]", "value: is a duration, which JSON does not have"),
        ("dyn({1: 2})", "value: is a map with the key 1, and the keys of JSON are text"),
        ("quantity('1Gi')", "value: is a quantity, which JSON does not have; write string(x.asI"),
        ("{'a': [quantity('1').add(quantity('2'))]}", "value: is a quantity, which JSON does not"),
        ("object.q.asInteger()", "value: {'quantity': '1'} is not a quantity"),
        ("0.0 / 0.0", "value: is nan, which JSON does not have"),
        ("type(1)", "value: is a type, which JSON does not have"),
        ("[9223372036854775807, 1].sum()", "value: integer overflow"),
        ("[-9223372036854775807, -2].sum()", "value: integer overflow"),
    ],
)
def test_what_fails_is_an_error_in_words(text: str, what: str) -> None:
    data = {"a": 1, "l": [1], "s": "x", "zero": 0, "q": {"quantity": "1"}}
    error = value_of(text, data, now=datetime(2026, 1, 1, tzinfo=UTC))

    assert str(error).startswith(what)


def test_values_are_remembered_by_what_they_read_and_not_by_more() -> None:
    texts = Texts({}, {0: "object.n > 0"}, ["object.team"], ["value"])
    evaluation = Evaluation(texts, {})

    results = [
        evaluation.evaluate(0, {"object": {"n": at % 3, "team": f"t{at % 2}"}}) for at in range(60)
    ]

    for at, result in enumerate(results):
        assert result.matches is (at % 3 > 0)
        assert result.values == ([[f"t{at % 2}"]] if result.matches else [])


def test_remembering_ends_where_nothing_repeats() -> None:
    evaluation = Evaluation(Texts({}, {}, ["object.a"], ["value"]), {})

    found = [evaluation.evaluate(0, {"object": {"a": at}}).values for at in range(1200)]

    assert found == [[[at]] for at in range(1200)]
    assert not evaluation._memo.is_useful


def test_where_is_asked_alone_and_values_are_asked_alone() -> None:
    evaluation = Evaluation(Texts({}, {0: "object.a == 1"}, ["object.b"], ["value"]), {})

    assert evaluation.evaluate(0, {"object": {"a": 1}}, Parts.WHERE).matches
    assert not evaluation.evaluate(0, {"object": {"a": 2}}, Parts.WHERE).matches
    assert evaluation.evaluate(0, {"object": {"b": 7}}, Parts.VALUES).values == [[7]]


NESTED = {
    "sum": ("cluster", "{} + 'a'"),
    "macro": ("true", "[1].all(x, {})"),
    "map": ("1", "{{'a': {}}}"),
    "list": ("1", "[{}]"),
    "row": ("cluster", "tables.t[string({})].a"),
}


@pytest.mark.parametrize(("innermost", "form"), NESTED.values(), ids=NESTED)
def test_each_expression_without_a_mistake_can_be_loaded(innermost: str, form: str) -> None:
    tables = {"t": ["key", "a"]}
    rows = {name: Rows(columns, {}) for name, columns in tables.items()}
    variables = {"v0": innermost}
    for at in range(1, 60):
        variables[f"v{at}"] = form.format(f"variables.v{at - 1}")

    first = next(iter(Language(variables, tables).mistakes.items()))
    usable = dict(list(variables.items())[: int(first[0][1:])])
    last = f"variables.v{len(usable) - 1}"

    assert "nested too deeply with the variables" in first[1][0].what
    assert len(usable) > 10
    Evaluation(Texts(usable, {0: "true"}, [last], ["value"]), rows)
