"""The page of a report in a browser.

Covered: at two widths and in both schemes it renders without a message on the console, requests
nothing and needs no scrolling to the side; contrast; sorting, filtering and the keyboard; without
scripts; on paper; a hostile cluster, whose scripts do not run. Left out: what the page has
(tests/report/test_page.py).
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from fleetpatch.campaign.report import report_of
from fleetpatch.report.document.page import page
from tests import needs
from tests.e2e.browsers import chromium, opened
from tests.report_runs import BEGAN, hostile_run, made_run

CONTRAST = """
(selector) => {
  const luminance = (text) => {
    const [r, g, b] = text.match(/[\\d.]+/g).map(Number).map((c) => c / 255)
      .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if (colour !== "rgba(0, 0, 0, 0)") return colour;
    }
    return "rgb(255, 255, 255)";
  };
  return [...document.querySelectorAll(selector)].map((element) => {
    const two = [getComputedStyle(element).color, behind(element)].map(luminance);
    return (Math.max(...two) + 0.05) / (Math.min(...two) + 0.05);
  });
}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; without it the tests are skipped, or fail in CI."""
    with chromium(needs.found_by("browser")) as started:
        yield started


@pytest.fixture(scope="module")
def friendly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _page_of(made_run(tmp_path_factory.mktemp("friendly") / "relabel.run", 370))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    return _page_of(hostile_run(folder / "relabel.run"))


def _page_of(run: Path) -> Path:
    file = run.with_suffix(".html")
    file.write_text(page(report_of([run], "relabel", BEGAN + 9000)), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("which", "width", "dark"),
    [
        *(("friendly", width, dark) for width in (390, 1600) for dark in (False, True)),
        ("hostile", 390, True),
        ("hostile", 1600, False),
    ],
)
def test_it_renders_without_a_message_a_request_or_an_overflow(
    browser: Browser, request: pytest.FixtureRequest, which: str, width: int, *, dark: bool
) -> None:
    file: Path = request.getfixturevalue(which)
    with opened(browser, file, width=width, dark=dark) as shown:
        assert shown.messages == []
        assert shown.requests == [file.as_uri()]
        assert shown.page.evaluate("document.documentElement.scrollWidth") == width
        assert shown.page.locator("h2").count() == 10
        # Each chart is drawn once, in the size for this width.
        assert shown.page.locator("svg.chart:visible").count() == 6


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_has_enough_contrast(browser: Browser, friendly: Path, *, dark: bool) -> None:
    with opened(browser, friendly, dark=dark) as shown:
        texts = "p, h1, h2, h3, li, td, th, dt, dd, code, a, summary, .kind, .state, .none, button"
        ratios = shown.page.evaluate(CONTRAST, texts)

        assert len(ratios) > 300
        assert min(ratios) >= 4.5


def test_dark_is_dark(browser: Browser, friendly: Path) -> None:
    with opened(browser, friendly, dark=True) as shown:
        colour = shown.page.evaluate("getComputedStyle(document.body).backgroundColor")

        assert colour == "rgb(18, 23, 27)"


def test_a_table_is_sorted_by_a_click_and_by_the_keyboard(browser: Browser, friendly: Path) -> None:
    with opened(browser, friendly) as shown:
        table = shown.page.locator("#table-3")
        header = table.get_by_role("button", name="applied")
        column = table.locator("tbody tr td:nth-child(3)")

        header.click()
        falling = [int(text) for text in column.all_inner_texts()]
        header.press("Enter")
        rising = [int(text) for text in column.all_inner_texts()]
        order = table.locator("th[aria-sort]").get_attribute("aria-sort")

        assert falling == sorted(falling, reverse=True)
        assert rising == sorted(rising)
        assert len(set(falling)) > 1
        assert order == "ascending"


def test_a_table_is_filtered_by_a_part_of_a_name(browser: Browser, friendly: Path) -> None:
    with opened(browser, friendly) as shown:
        box = shown.page.locator("input[data-table='table-3']")
        rows = shown.page.locator("#table-3 tbody tr:visible th")
        everything = rows.count()

        box.fill("TEAM 0001")
        names = rows.all_inner_texts()
        box.fill("no such namespace")
        nothing = rows.count()
        box.fill("")

        assert everything == 40
        assert set(names) == {f"team-{number:05}" for number in (1, *range(10, 20))}
        assert nothing == 0
        assert rows.count() == 40


def test_everything_is_reached_by_the_keyboard(browser: Browser, friendly: Path) -> None:
    with opened(browser, friendly) as shown:
        shown.page.keyboard.press("Tab")
        first = shown.page.evaluate("document.activeElement.textContent")
        reached = set()
        for _ in range(30):
            shown.page.keyboard.press("Tab")
            reached.add(shown.page.evaluate("document.activeElement.tagName"))

        assert first == "Skip to the outcome"
        assert {"A", "BUTTON", "INPUT", "DIV"} <= reached


def test_without_scripts_all_rows_are_there(browser: Browser, friendly: Path) -> None:
    with opened(browser, friendly, scripts=False) as shown:
        assert shown.page.locator("#table-3 tbody tr").count() == 40
        assert shown.page.locator("input:visible").count() == 0


def test_on_a_phone_values_before_and_after_have_the_whole_width(
    browser: Browser, friendly: Path
) -> None:
    with opened(browser, friendly, width=390) as shown:
        row, cell = (
            shown.page.locator(f"#changed .sample:first-child {part}").first.bounding_box()
            for part in (".diff", ".diff td.old")
        )
        label = shown.page.get_by_text("When", exact=True).first.bounding_box()

    assert row is not None
    assert cell is not None
    assert label is not None
    assert row["width"] > 250
    assert cell["width"] > 100
    assert label["width"] > 30


def test_paper_has_all_rows_and_no_controls(browser: Browser, friendly: Path) -> None:
    with opened(browser, friendly, dark=True) as shown:
        shown.page.emulate_media(media="print")

        assert shown.page.locator("nav:visible, input:visible, summary:visible").count() == 0
        assert shown.page.locator("svg.chart:visible").count() == 6
        colour = shown.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert colour == "rgb(255, 255, 255)"
        hidden = "(all) => all.map((one) => one.scrollHeight - one.clientHeight)"
        assert max(shown.page.locator(".scroll:visible").evaluate_all(hidden)) <= 1
        assert shown.page.pdf(format="A4").startswith(b"%PDF")


def test_a_hostile_cluster_runs_no_script_and_adds_no_element(
    browser: Browser, friendly: Path, hostile: Path
) -> None:
    kinds = "[...new Set([...document.querySelectorAll('*')].map((one) => one.localName))].sort()"
    with opened(browser, friendly) as shown:
        ours = shown.page.evaluate(kinds)
    with opened(browser, hostile) as shown:
        found = shown.page.evaluate(kinds)
        pwned = shown.page.evaluate("window.pwned")
        scripts = shown.page.locator("script, style").count()
        text = shown.page.locator("main").inner_text()

    assert set(found) <= set(ours)
    assert pwned is None
    assert scripts == 2
    assert "<script>window.pwned = 1</script>" in text


def test_the_policy_stops_a_script_that_got_into_the_page(browser: Browser, friendly: Path) -> None:
    add = """() => {
      const script = document.createElement("script");
      script.textContent = "window.pwned = 1";
      document.body.append(script);
      document.body.setAttribute("onclick", "window.pwned = 2");
      document.body.click();
      return window.pwned;
    }"""
    with opened(browser, friendly) as shown:
        assert shown.page.evaluate(add) is None
        assert all("Content Security Policy" in message for message in shown.messages)
