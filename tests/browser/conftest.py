"""Chromium, and pages in it that notice what a page must not do."""

import importlib.util
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from report import run_page

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Opened:
    """A page in the browser.

    Attributes:
        page: Playwright's page.
        faults: What it must not do: messages on the console, exceptions, dialogs, requests beyond its own file.
    """

    page: Any
    faults: list[str] = field(default_factory=list)

    def show_everything(self) -> None:
        """Opens all folds and looks at every chart until it is drawn: the page draws what comes into sight alone."""
        self.page.evaluate("document.querySelectorAll('details').forEach((fold) => (fold.open = true))")
        for k in range(self.page.locator("[data-chart]").count()):
            chart = f"document.querySelectorAll('[data-chart]')[{k}]"
            # Again and again: charts above that are drawn meanwhile push this one out of sight.
            self.wait_until(
                f"{chart}.scrollIntoView({{ block: 'center', behavior: 'instant' }}), "
                f"{chart}.dataset.drawn !== undefined"
            )
        self.page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")

    def wait_until(self, condition: str) -> None:
        """Waits up to a minute; Playwright's own way to wait is `eval`, which the page forbids."""
        for _ in range(1200):
            if self.page.evaluate(condition):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"must become true in a minute: {condition}; {self.faults}")


Open = Callable[..., Opened]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="`make test-browser` installs it")
    spec = importlib.util.spec_from_file_location("chromium_script", ROOT / "scripts" / "chromium.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    path = script.find()
    if path is None:
        pytest.skip("there is no Chromium")
    # Chromium refuses to run as root inside of its sandbox.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, tmp_path) -> Iterator[Open]:
    """Opens HTML text from a file, or an address; options are those of a browser context. Faults end the test.

    `allowed` is the beginning of addresses that the page may ask for.
    """
    contexts, opened = [], []

    def open_it(page: str, *, allowed: str = "file://", **options: Any) -> Opened:
        address = page
        if not page.startswith(("http://", "file://")):
            file = tmp_path / f"page-{len(opened)}.html"
            file.write_text(page)
            address = file.as_uri()
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        tab = context.new_page()
        found = Opened(tab)
        opened.append(found)
        tab.on("console", lambda message: found.faults.append(f"console {message.type}: {message.text}"))
        tab.on("pageerror", lambda error: found.faults.append(f"exception: {error}"))
        tab.on("dialog", lambda dialog: (found.faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        tab.on(
            "request",
            lambda request: (
                None
                if request.url == address or (allowed != "file://" and request.url.startswith(allowed))
                else found.faults.append(f"request: {request.url}")
            ),
        )
        tab.goto(address)
        return found

    yield open_it
    for context in contexts:
        context.close()
    assert [fault for found in opened for fault in found.faults] == []


@pytest.fixture(scope="session")
def page_of(run_facts) -> Callable[[str], str]:
    """Kind of a run (see `run_facts`) to the HTML of its page."""
    return cache(lambda kind: run_page.render(*run_facts(kind)()))
