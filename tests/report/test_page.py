"""The HTML page of a report, as text.

Covered: its policy, what a hostile cluster sends, its size, what is shown of each part, and that it
needs the extra. Left out: how a browser shows it (tests/e2e/test_report_page.py).
"""

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleetpatch.campaign.report import report_of
from fleetpatch.errors import UsageError
from fleetpatch.journal import queries, sessions
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.verification import VerificationTable
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.run import RunState, Usage
from fleetpatch.model.verification import Verified, VerifyResult
from fleetpatch.report.document import page as page_module
from fleetpatch.report.document.page import page
from fleetpatch.report.document.svg import powers_of, ticks_of
from tests.report_runs import BEGAN, a_plan, an_info, hostile_run, made_run

LARGEST = 2_000_000
LOADING = {"script", "img", "iframe", "object", "embed", "link", "audio", "video", "source", "base"}
BIDI = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Elements(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def made(path: Path, targets: int = 370, **more: object) -> str:
    made_run(path, targets, **more)  # type: ignore[arg-type] # as the caller says
    return page(report_of([path], path.stem, BEGAN + 9000))


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    return made(tmp_path_factory.mktemp("page") / "relabel.run")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a run in which everything that a cluster or a run file has is hostile."""
    path = hostile_run(tmp_path_factory.mktemp("hostile") / "relabel.run")
    return page(report_of([path], path.stem, BEGAN + 9000))


def test_the_policy_allows_this_style_sheet_and_this_script_and_nothing_else(text: str) -> None:
    (policy,) = [
        attributes["content"]
        for tag, attributes in Elements(text).tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))

    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    for rule, tag in (("style-src", "style"), ("script-src", "script")):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"


def test_nothing_is_loaded_and_no_style_or_handler_is_in_an_attribute(text: str) -> None:
    tags = Elements(text).tags

    assert [tag for tag, _ in tags if tag in LOADING] == ["script"]
    names = {name for _, attributes in tags for name in attributes}
    assert not {name for name in names if name in {"style", "src"} or name.startswith("on")}
    assert not re.search(r"url\(|@import", text)
    addresses = {value for _, attributes in tags for value in attributes.values() if value}
    assert {one for one in addresses if "://" in one} == {"http://www.w3.org/2000/svg"}


def test_a_hostile_cluster_adds_no_element(text: str, hostile: str) -> None:
    ours = {tag for tag, _ in Elements(text).tags}

    found = Elements(hostile)
    assert {tag for tag, _ in found.tags} <= ours
    assert [tag for tag, _ in found.tags if tag in LOADING] == ["script"]
    assert len([tag for tag, _ in found.tags if tag == "style"]) == 1
    attributes = {name for _, one in found.tags for name in one}
    assert not {name for name in attributes if name.startswith("on")}


def test_what_a_hostile_cluster_sends_is_shown_as_text(hostile: str) -> None:
    shown = "".join(Elements(hostile).text)

    assert "<script>window.pwned = 1</script>" in shown
    assert "{{ 7 * 7 }}" in shown
    assert not BIDI.search(hostile)
    assert "m" * 3000 not in hostile


def test_the_page_of_many_places_and_messages_is_small(tmp_path: Path) -> None:
    text = made(
        tmp_path / "x.run",
        9000,
        namespaces=4000,
        message=lambda number: f"{'abcdefgh'[number % 8] * (number % 300 + 1)} is refused",
        name="a-very-long-name-of-a-job" * 4,
    )

    assert "and 3,000 more" in text
    assert len(text.encode()) < LARGEST


def test_the_page_is_small_whatever_a_run_has(tmp_path: Path) -> None:
    words = ["<<alpha", "&&beta", "''gamma", ">>delta", "<&epsilon", "'zeta", "<eta", "&theta"]
    path = made_run(
        tmp_path / "x.run",
        6000,
        namespaces=1500,
        message=lambda number: " ".join(words[int(digit)] for digit in f"{number:o}") + "<" * 1000,
        value="<&'" * 50,
        name="a-very-long-name-of-a-job" * 8,
    )
    with RunFile.open(path, write=True) as run:
        for number in range(100):
            begun = sessions.begin(run, BEGAN + number, "<" * 3000)
            cause = Cause(CauseCode.CHECK_FAILED, "<" * 3000)
            sessions.end(run, begun, BEGAN + number, RunState.FINISHED, cause, partly=False)
        run.count(Usage(), {f"{'abcdefghij'[n % 10]}{'<' * 3000}": 1 for n in range(60)})

    part = report_of([path], "x", BEGAN)
    text = page(replace(part, runs=list(part.runs) * 30))

    assert "earlier session" in text
    assert "more message" in text
    assert "Of 30 runs the newest 20 are listed" in text
    assert len(text.encode()) < LARGEST


def test_every_part_of_a_run_is_shown(text: str) -> None:
    shown = " ".join(" ".join(Elements(text).text).split())

    for part in (
        "Move the jobs to the new cost centre.",
        "the yearly accounting",
        "OPS-4711",
        "olga@bastion",
        "2026-03-01 02:00:00",
        "10 failed",
        'label cost-centre absent → "4711"',
        'admission webhook "…" denied the request: … needs … GPUs',
        "--failed --reason rejected",
        "session 1",
        "wave 3",
        "Half of the PATCHes were answered within",
        "As a share of the time:",
        "conflicts (409)",
        "Warnings of the servers",
        "fleetpatch undo",
        an_info(a_plan()).plan_digest,
    ):
        assert part in shown


def test_each_chart_says_the_same_in_words(text: str) -> None:
    tags = Elements(text).tags
    charts = [attributes for tag, attributes in tags if attributes.get("class") == "chart"]
    ids = {attributes.get("id") for _, attributes in tags}

    assert len(charts) == 2 * 6
    assert all(one["role"] == "img" and one["aria-labelledby"] in ids for one in charts)


def test_a_run_without_a_timeline_says_so(tmp_path: Path) -> None:
    with RunFile.create(tmp_path / "x.run", an_info(a_plan())) as run:
        run.seal()

    text = page(report_of([tmp_path / "x.run"], "x", BEGAN))

    assert "Nothing was recorded over time" in text
    assert "Nothing was sent yet" in text


def test_a_verification_is_shown_with_who_owns_the_fields_now(tmp_path: Path) -> None:
    path = made_run(tmp_path / "x.run", 60)
    with RunFile.open(path, write=True) as run:
        table = VerificationTable(run)
        found = Verified(VerifyResult.REVERTED, "flux", BEGAN, "team is put back")
        table.add((listed.target, found) for listed in queries.targets(run))
        table.finish(BEGAN, BEGAN + 1, "ann@desk", 0)

    text = page(report_of([path], "x", BEGAN))

    assert "reverted" in text
    assert "flux" in text
    assert "team is put back" in text
    assert "60 reverted since." in text
    assert "--verified reverted" in text


def test_without_the_extra_the_message_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(page_module, "_NEEDED", ("jinja2", "no_such_package"))

    with pytest.raises(UsageError, match=r"pip install 'fleetpatch\[report\]'"):
        page_module.require_extra()


@pytest.mark.parametrize(
    ("highest", "ticks"),
    [
        (0.0, [0.0, 0.25]),
        (1.0, [0.0, 0.25, 0.5, 0.75, 1.0]),
        (434, [0, 200, 400, 600]),
        (22, [0, 10, 20, 30]),
    ],
)
def test_an_axis_has_round_numbers(highest: float, ticks: list[float]) -> None:
    assert ticks_of(highest) == pytest.approx(ticks)


def test_a_logarithmic_axis_has_powers_of_ten_around_its_values() -> None:
    assert powers_of(0.004, 0.9) == pytest.approx([0.001, 0.01, 0.1, 1.0])
    assert powers_of(0.01, 0.01) == pytest.approx([0.01, 0.1])
