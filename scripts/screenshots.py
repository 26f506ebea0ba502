"""Takes the pictures of docs/images anew, from facts that the tests hold: `make screenshots`."""

# ruff: noqa: T201 (a script talks on standard output)

import importlib.util
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from chromium import find
from playwright.sync_api import sync_playwright

from pipeline.overview.collect import Overview
from report import index_page, run_page

ROOT = Path(__file__).resolve().parent.parent
FACTS = ROOT / "tests" / "unit" / "report" / "samples" / "digits"
WORLDS = ROOT / "tests" / "unit" / "overview" / "conftest.py"
PICTURES = ROOT / "docs" / "images"
SCALE = 0.6


def main() -> int:
    """Returns the exit status."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        # Chromium refuses to run as root inside of its sandbox.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = driver.chromium.launch(executable_path=find(), args=arguments)
        for name, height, text in (
            ("report", 2270, _run()),
            ("index", 1180, _index(Path(folder))),
        ):
            file = Path(folder) / f"{name}.html"
            file.write_text(text)
            page = browser.new_page(
                viewport={"width": 1360, "height": height}, device_scale_factor=SCALE, color_scheme="light"
            )
            page.goto(file.as_uri())
            if name == "report":
                # Charts are drawn when they come near the screen.
                page.locator("#pareto").scroll_into_view_if_needed()
                page.locator("[data-chart='pareto'] svg").wait_for()
                page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
            picture = PICTURES / f"{name}.png"
            page.screenshot(path=picture)
            print(f"{picture.relative_to(ROOT)}: {picture.stat().st_size:,} bytes")
        browser.close()
    return 0


def _run() -> str:
    """The page of a real run."""
    summary, details = (json.loads((FACTS / name).read_text()) for name in ("summary.json", "details.json"))
    return run_page.render(summary, details)


def _index(folder: Path) -> str:
    """The page of a workspace whose past is made up."""
    world = _worlds().World(folder)
    for number in range(48):
        run = world.push(number) if number % 4 == 0 else world.run(number)
        (run / "report.html").touch()
        if number == 24:
            world.registry.rollback(None, "too slow in the field")
    return index_page.render(Overview(world.config).collect() | {"workspace": ".edge/digits"})


def _worlds() -> Any:  # noqa: ANN401 - a module of the tests
    spec = importlib.util.spec_from_file_location("overview_worlds", WORLDS)
    assert spec is not None
    assert spec.loader is not None
    worlds = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(worlds)
    return worlds


if __name__ == "__main__":
    sys.exit(main())
