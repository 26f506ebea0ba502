"""The page of a workspace in Chromium: from a disk, where it stands still, and from a server, where it keeps fresh."""

import importlib.util
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.overview.collect import Overview
from pipeline.overview.server import Pages, Server
from pipeline.progress_file import ProgressFile
from report import index_page

pytestmark = pytest.mark.browser

RUNS = 60
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


def world_in(folder: Path):
    """The workspace without runs that the unit tests of the page have too."""
    place = Path(__file__).parents[1] / "unit" / "overview" / "conftest.py"
    spec = importlib.util.spec_from_file_location("overview_worlds", place)
    worlds = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(worlds)
    return worlds.World(folder)


@pytest.fixture
def world(tmp_path):
    """A workspace with so many runs that some of them are folded away."""
    world = world_in(tmp_path / "world")
    for number in range(RUNS):
        folder = world.push(number) if number % 5 == 0 else world.run(number)
        (folder / "report.html").write_text("<!doctype html><link rel=icon href=data:,><title>a report</title>")
    world.registry.rollback(None, "too slow in the field")
    return world


@pytest.fixture
def text(world):
    return index_page.render(Overview(world.config).collect())


@pytest.fixture
def served(world):
    """Its address, while it is served."""
    pages = Pages(Overview(world.config).collect, index_page.render, index_page.state)
    with Server(world.root, pages, 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def going_on(world):
    """A run that has begun and goes on in this process."""
    folder = world.root / "runs" / "20260701-000000-live"
    folder.mkdir()
    file = ProgressFile(folder, folder.name, "digits")
    file.plan(["ingest", "trainer", "gate"], {}, {"ingest": 2.0, "trainer": 60.0, "gate": 3.0})
    file.start("ingest")
    return file


def shown(page, number: int) -> list[str]:
    """What is in a column of the rows that are seen."""
    return page.locator("#runs-table tbody tr:visible").evaluate_all(
        f"(rows) => rows.map((row) => row.cells[{number}].dataset.value)"
    )


def sort_by(page, name: str) -> None:
    page.locator("#runs-table thead").get_by_role("button", name=name).click()


def test_from_a_disk_it_stands_still_and_asks_for_nothing(open_page, text):
    page = open_page(text, offline=True).page
    page.wait_for_timeout(1200)
    assert page.locator("[data-static]").first.is_visible()
    assert page.locator("#lost").is_hidden()
    assert page.locator(".drawing svg").count() == 4


def test_rows_are_sorted_filtered_and_unfolded(open_page, text):
    page = open_page(text).page
    assert len(shown(page, 0)) == 50
    page.get_by_role("button", name=f"Show all {RUNS}").click()
    newest_first = shown(page, 0)
    assert newest_first == sorted(newest_first, reverse=True)
    sort_by(page, "Drop")
    drops = [float(value) for value in shown(page, 4)]
    assert drops == sorted(drops)
    assert page.locator("th[aria-sort=ascending]").inner_text().startswith("Drop")
    sort_by(page, "Drop")
    assert [float(value) for value in shown(page, 4)] == sorted(drops, reverse=True)
    sort_by(page, "Drop")
    assert shown(page, 0) == newest_first
    page.get_by_role("button", name="Pushed", exact=True).click()
    assert len(shown(page, 0)) == RUNS / 5
    page.get_by_role("button", name="Not pushed").press("Enter")
    assert len(shown(page, 0)) == RUNS - RUNS / 5


def test_points_tell_what_they_are_and_lead_to_their_reports(open_page, served):
    page = open_page(served, allowed=served).page
    point = page.locator("#chart-quality [data-run='57']")
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    assert page.locator(".tip").inner_text() == point.get_attribute("data-tip")
    assert "blocked, 0.9" in page.locator(".tip").inner_text()
    page.mouse.move(5, 5)
    assert page.locator(".tip").count() == 0
    page.mouse.click(*middle)
    page.wait_for_url(f"{served}runs/*-0039/report.html")


def test_a_run_is_followed_from_its_begin_to_its_end_without_moving_the_page(open_page, served, world, going_on):
    page = open_page(served, allowed=served).page
    page.get_by_text("0 of 3 nodes").wait_for()
    assert page.locator("[data-static]").first.is_hidden()
    page.get_by_role("button", name="Dark").click()
    sort_by(page, "Drop")
    filter_ = page.get_by_role("button", name="Not pushed")
    filter_.click()
    page.evaluate("scrollTo({ top: 900, behavior: 'instant' })")
    page.evaluate("window.sameDocument = true")
    going_on.end(SimpleNamespace(id="ingest", state="complete", seconds=1.0))
    going_on.start("trainer")
    going_on.epoch("trainer", 2, 9, {"val_accuracy": 0.9})
    going_on._write()
    page.get_by_text("1 of 3 nodes").wait_for()
    page.get_by_text("epoch 2 of 9, accuracy 0.9000").wait_for()
    assert page.locator("progress").evaluate("(bar) => bar.value / bar.max") == pytest.approx(1 / 3)
    world.write(world.summary(RUNS) | {"run_id": "20260701-000000-live"})
    going_on.remove()
    page.locator("tr", has_text="20260701-000000-live").wait_for()
    assert page.locator("#running").inner_text().strip() == ""
    assert page.evaluate("window.sameDocument"), "nothing was loaded anew"
    assert page.evaluate("scrollY") == 900
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.locator("th[aria-sort=ascending]").inner_text().startswith("Drop")
    assert filter_.get_attribute("aria-pressed") == "true"
    assert page.evaluate("document.activeElement.textContent") == "Not pushed"


def test_a_server_that_does_not_answer_is_told_until_it_does(open_page, served):
    opened = open_page(served, allowed=served)
    opened.page.context.set_offline(True)
    lost = opened.page.get_by_text("The server does not answer")
    lost.wait_for()
    assert opened.page.locator("#runs-table tbody tr").count() == RUNS
    opened.page.context.set_offline(False)
    lost.wait_for(state="hidden")
    assert all("ERR_INTERNET_DISCONNECTED" in fault for fault in opened.faults)
    opened.faults.clear()


def test_on_a_phone_nothing_but_tables_moves_sideways(open_page, text):
    page = open_page(text, **PHONE).page
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_on_paper_no_run_is_left_out(open_page, text):
    page = open_page(text).page
    page.emulate_media(media="print")
    assert page.locator("#runs-table tbody tr:visible").count() == RUNS
    assert page.locator(".themes, .toc, [data-filter]").evaluate_all(
        "(parts) => parts.every((part) => getComputedStyle(part).display === 'none')"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["many", "empty"])
def test_axe_finds_nothing_serious(open_page, served, going_on, tmp_path, scheme, kind):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="`make test-browser` installs it")
    if kind == "many":
        page = open_page(served, allowed=served, color_scheme=scheme, bypass_csp=True).page
    else:
        empty = Overview(world_in(tmp_path / "empty").config).collect()
        page = open_page(index_page.render(empty), color_scheme=scheme, bypass_csp=True).page
    found = axe.Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []
