"""Opens pages in headless Chromium, which scripts/browser finds."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, sync_playwright

# As root in a container, and without the services of Chromium that use the network.
_OPTIONS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def chromium(path: str) -> Iterator[Browser]:
    """Start Chromium, and end it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_OPTIONS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Opened:
    """A page, and what the browser said and requested meanwhile."""

    page: Page
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextmanager
def opened(
    browser: Browser,
    path: Path,
    *,
    width: int = 1600,
    dark: bool = False,
    scripts: bool = True,
) -> Iterator[Opened]:
    """Open a file in a window of this width."""
    context = browser.new_context(
        viewport={"width": width, "height": 1000},
        color_scheme="dark" if dark else "light",
        java_script_enabled=scripts,
    )
    try:
        found = Opened(context.new_page())
        found.page.on("console", lambda one: found.messages.append(one.text))
        found.page.on("pageerror", lambda one: found.messages.append(str(one)))
        found.page.on("request", lambda one: found.requests.append(one.url))
        found.page.goto(path.as_uri())
        yield found
    finally:
        context.close()
