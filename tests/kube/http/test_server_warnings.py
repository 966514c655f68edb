"""`Warning` headers: how they are read, counted, bounded and cleaned.

Left out: log and summary of a run (tests/e2e/test_server_warnings.py).
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.kube.http.server_warnings import ServerWarnings, texts_of
from fleetpatch.model.answer import MAX_WARNING_TEXTS, OTHER_WARNINGS, add_warnings
from tests.kube.peers import TOKEN, an_object, http, in_turn, merge, opened, target

OLD = "batch/v1beta1 CronJob is deprecated in v1.21+"


@pytest.mark.parametrize(
    ("header", "texts"),
    [
        (f'299 - "{OLD}"', (OLD,)),
        (f'299 kube-apiserver "{OLD}" "Thu, 01 Jan 2026 00:00:00 GMT"', (OLD,)),
        ('299 - "one", 299 - "two"', ("one", "two")),
        ('299 - "one" "date",299 - "two, three"', ("one", "two, three")),
        (r'299 - "a \"quoted\" \\ word"', (r'a "quoted" \ word',)),
        ('  299   -   "blanks"  ', ("blanks",)),
        ('299 - "=?utf-8?q?gr=C3=BCn?="', ("grün",)),
        ('299 - "=?nonsense?q?x?="', ("=?nonsense?q?x?=",)),
        ('199 - "miscellaneous", 299 - "ours"', ("ours",)),
        ('299 - "kept", broken, 299 - "lost"', ("kept",)),
        ('299 - ""', ()),
        ('299 - "no end', ()),
        ("299 - unquoted", ()),
        ('99 - "short"', ()),
        ("", ()),
        (",,,", ()),
    ],
)
def test_a_header_is_read_as_client_go_reads_it(header: str, texts: tuple[str, ...]) -> None:
    assert texts_of(header) == texts


@given(
    st.text()
    | st.lists(st.sampled_from(['299 - "', '"', "\\", ",", "=?", "?=", "x "])).map("".join)
)
def test_any_header_is_read(header: str) -> None:
    shown: list[str] = []
    warnings = ServerWarnings()
    warnings.on_new = shown.append

    warnings.note([header], lambda text: text)

    assert list(warnings.counts) == shown
    assert all(len(text) <= 500 and text.isprintable() for text in shown)


async def test_all_answers_count_and_each_text_is_reported_once() -> None:
    reported: list[str] = []
    answer = http(200, an_object(), Warning=f'299 - "{OLD}"')
    async with opened(in_turn(answer)) as (api, _peer):
        api.warnings.on_new = reported.append
        for _ in range(3):
            await api.patch(target(), merge(b"{}"))
        await api.get(target())

        assert api.warnings.counts == {OLD: 4}
    assert reported == [OLD]


async def test_warnings_of_refusals_and_of_lists_count_as_well() -> None:
    refusal = http(422, {"kind": "Status", "code": 422, "reason": "Invalid"}, Warning='299 - "a"')
    denial = http(403, {"kind": "Status", "code": 403, "reason": "Forbidden"}, Warning='299 - "b"')
    empty = http(200, {"items": [], "metadata": {}}, Warning='299 - "c", 299 - "a"')
    async with opened(in_turn(refusal, denial, empty)) as (api, _peer):
        for _ in range(2):
            await api.patch(target(), merge(b"{}"))
        listed = api.pages(target().resource, namespace=None, selector="", field_selector="")
        assert [page async for page in listed]

        assert api.warnings.counts == {"a": 2, "b": 1, "c": 1}


async def test_an_answer_without_the_header_has_no_warning() -> None:
    async with opened(in_turn(http(200, an_object()))) as (api, _peer):
        await api.patch(target(), merge(b"{}"))

        assert api.warnings.counts == {}


async def test_secrets_and_control_characters_are_not_kept() -> None:
    text = f"you sent \x1b[31m{TOKEN} and {TOKEN[:4]}\x9b0m{TOKEN[4:]}, password=hunter22 \u202e!"
    async with opened(in_turn(http(200, an_object(), Warning=f'299 - "{text}"'))) as (api, _peer):
        await api.patch(target(), merge(b"{}"))
        [shown] = api.warnings.counts

    assert TOKEN not in shown
    assert "hunter22" not in shown
    assert shown.isprintable()
    assert shown.startswith("you sent [redacted]")


def test_texts_are_bounded_in_number_and_length() -> None:
    reported: list[str] = []
    warnings = ServerWarnings()
    warnings.on_new = reported.append
    for number in range(1000):
        warnings.note([f'299 - "{number} {"x" * 2000}"'], lambda text: text)

    assert len(reported) == MAX_WARNING_TEXTS
    assert len(warnings.counts) == MAX_WARNING_TEXTS + 1
    assert warnings.counts[OTHER_WARNINGS] == 1000 - MAX_WARNING_TEXTS
    assert max(map(len, warnings.counts)) <= 500


def test_the_warnings_of_one_answer_are_bounded() -> None:
    warnings = ServerWarnings()

    warnings.note(['299 - "x",' * 5000], lambda text: text)

    assert sum(warnings.counts.values()) == 20


def test_counts_add_up_whatever_the_number_of_texts() -> None:
    counts: dict[str, int] = {}
    for session in range(3):
        new = {f"{session}-{number}": 2 for number in range(40)}
        counts = add_warnings(counts, new | {"same": 1})

    assert sum(counts.values()) == 3 * 81
    assert len(counts) == MAX_WARNING_TEXTS + 1
    assert counts["same"] == 3
