"""Takes the pictures of docs/images anew, from facts of a real run that the tests hold: `make screenshots`."""

# ruff: noqa: T201 (a script talks on standard output)

import json
import os
import sys
import tempfile
from pathlib import Path

from chromium import find
from playwright.sync_api import sync_playwright

from report import run_page

ROOT = Path(__file__).resolve().parent.parent
FACTS = ROOT / "tests" / "unit" / "report" / "samples" / "digits"
PICTURE = ROOT / "docs" / "images" / "report.png"
SIZE = {"width": 1360, "height": 2210}
SCALE = 0.6


def main() -> int:
    """Returns the exit status."""
    summary, details = (json.loads((FACTS / name).read_text()) for name in ("summary.json", "details.json"))
    PICTURE.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        page_file = Path(folder) / "report.html"
        page_file.write_text(run_page.render(summary, details))
        # Chromium refuses to run as root inside of its sandbox.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = driver.chromium.launch(executable_path=find(), args=arguments)
        page = browser.new_page(viewport=SIZE, device_scale_factor=SCALE, color_scheme="light")
        page.goto(page_file.as_uri())
        # Charts are drawn when they come near the screen.
        page.locator("#pareto").scroll_into_view_if_needed()
        page.locator("[data-chart='pareto'] svg").wait_for()
        page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
        page.screenshot(path=PICTURE)
        browser.close()
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
