"""The page of a run in Chromium: driven as people drive it, and held to what accessibility and offline use ask for.

Every test ends with the check that the page wrote nothing on the console and asked for nothing but its own file.
"""

import itertools
import math

import pytest

from report import run_page

pytestmark = pytest.mark.browser

KINDS = ["pushed", "failed", "hostile"]
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


def column(page, table: str, number: int) -> list[str]:
    return page.locator(f"{table} tbody tr > :nth-child({number}) >> nth=0 >> xpath=ancestor::tbody/tr").evaluate_all(
        f"(rows) => rows.map((row) => row.cells[{number - 1}].dataset.value)"
    )


def background(page) -> tuple[int, ...]:
    color = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return tuple(int(part) for part in color.removeprefix("rgb(").removesuffix(")").split(","))


@pytest.mark.parametrize("kind", KINDS)
def test_every_chart_is_drawn_offline_and_nothing_else_happens(open_page, page_of, kind):
    opened = open_page(page_of(kind), offline=True)
    opened.show_everything()
    hosts = opened.page.locator("[data-chart]")
    assert hosts.count() >= 2
    for k in range(hosts.count()):
        assert hosts.nth(k).locator("svg").count() == 1
        assert hosts.nth(k).get_attribute("aria-label")
    assert opened.page.locator("[data-chart] .note").count() == 0


def test_strings_of_data_do_not_run(open_page, page_of):
    opened = open_page(page_of("hostile"))
    opened.show_everything()
    opened.page.mouse.move(400, 400)
    assert opened.page.locator("img, iframe, object, embed").count() == 0
    assert opened.page.evaluate("[...document.scripts].every((s) => !s.src)")
    assert "onerror=alert(1)" in opened.page.locator("h1").inner_text()
    assert opened.page.evaluate("getComputedStyle(document.body).display") == "block"


def test_the_policy_stops_scripts_and_requests_that_do_not_belong_to_the_page(open_page, page_of):
    opened = open_page(page_of("pushed"))
    opened.page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
        }"""
    )
    assert opened.page.evaluate("window.ran") is None
    assert any("Content Security Policy" in fault for fault in opened.faults)
    opened.faults.clear()
    with pytest.raises(Exception, match="Failed to fetch"):
        opened.page.evaluate("fetch('data.json')")
    opened.faults.clear()


@pytest.mark.parametrize("by", ["mouse", "Enter", "Space"])
def test_a_header_sorts_its_table_up_and_down_and_leaves_what_was_not_measured_at_the_end(open_page, pushed_run, by):
    from report import run_page

    summary, details = pushed_run
    summary["variants"][1]["gzip_bytes"] = None
    opened = open_page(run_page.render(summary, details))
    page = opened.page
    button = page.get_by_role("button", name="Gzip").first
    head = page.locator("#table-variants th", has=button)

    def press() -> None:
        if by == "mouse":
            button.click()
        else:
            button.focus()
            page.keyboard.press(by)

    assert head.get_attribute("aria-sort") == "none"
    number = head.evaluate("(cell) => cell.cellIndex") + 1
    press()
    assert head.get_attribute("aria-sort") == "ascending"
    values = column(page, "#table-variants", number)
    known = [int(value) for value in values if value]
    assert values[-1] == ""
    assert known == sorted(known)
    assert len(known) == len(values) - 1
    assert "Sorted by Gzip, ascending" in page.get_by_role("status").inner_text()
    press()
    assert head.get_attribute("aria-sort") == "descending"
    values = column(page, "#table-variants", number)
    assert values[-1] == ""
    assert [int(value) for value in values[:-1]] == sorted(known, reverse=True)


def test_the_pointer_on_a_variant_tells_its_numbers(open_page, page_of):
    opened = open_page(page_of("pushed"))
    page = opened.page
    page.locator("#pareto").scroll_into_view_if_needed()
    marks = page.locator("[data-chart='pareto'] .mark-symbol path")
    marks.first.wait_for()
    tip = page.locator("#tip")
    assert tip.is_hidden()
    told = set()
    for k in range(marks.count()):
        box = marks.nth(k).bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        assert tip.is_visible()
        told.add(tip.locator("div").first.inner_text().split("\n")[0])
        assert "accuracy" in tip.inner_text()
        assert "size after gzip" in tip.inner_text().lower()
    assert {"pqat_int8", "float16", "float model"} <= told
    page.mouse.move(5, 5)
    opened.wait_until("document.getElementById('tip').hidden")


def test_the_axis_of_the_plot_can_be_chosen(open_page, page_of):
    page = open_page(page_of("pushed")).page
    page.locator("#pareto").scroll_into_view_if_needed()
    chart = page.locator("[data-chart='pareto']")
    chart.get_by_text("size after gzip, bytes").wait_for()
    button = page.get_by_role("button", name="Latency", exact=True)
    button.focus()
    page.keyboard.press("Enter")
    chart.get_by_text("median latency on this host, ms").wait_for()
    assert button.get_attribute("aria-pressed") == "true"
    assert page.locator("[data-draws='pareto'][aria-pressed='true']").count() == 1


def test_the_theme_follows_the_system_until_one_is_chosen_and_that_is_remembered(open_page, page_of):
    dark = open_page(page_of("pushed"), color_scheme="dark").page
    assert sum(background(dark)) < 150
    page = open_page(page_of("pushed"), color_scheme="light").page
    assert sum(background(page)) > 700
    page.get_by_role("button", name="Dark").click()
    assert sum(background(page)) < 150
    page.reload()
    assert sum(background(page)) < 150
    assert page.get_by_role("button", name="Dark").get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="System").click()
    assert sum(background(page)) > 700


def test_charts_follow_the_theme_without_being_drawn_again(open_page, page_of):
    opened = open_page(page_of("pushed"), color_scheme="light")
    opened.show_everything()
    page = opened.page
    color = "getComputedStyle(document.querySelector('[data-chart=pareto] .role-axis-label text')).fill"
    by_day = page.evaluate(color)
    page.get_by_role("button", name="Dark").click()
    assert page.evaluate(color) != by_day


def test_print_is_by_day_without_what_only_a_screen_needs(open_page, page_of):
    opened = open_page(page_of("pushed"), color_scheme="dark")
    opened.show_everything()
    page = opened.page
    page.emulate_media(media="print")
    assert sum(background(page)) > 700
    for hidden in (".themes", ".toc", ".choice"):
        assert page.locator(hidden).first.is_hidden()
    assert page.locator("[data-chart='pareto'] svg").is_visible()
    # The width of A4 between the margins, at 96 pixels to the inch.
    page.set_viewport_size({"width": 688, "height": 1000})
    wide = "[...document.querySelectorAll('table, svg')].filter((e) => e.getBoundingClientRect().right > 689)"
    assert page.evaluate(f"{wide}.map((e) => e.textContent.slice(0, 60))") == []
    document = page.pdf(format="A4")
    assert document.startswith(b"%PDF")
    assert document.count(b"/Type /Page\n") + document.count(b"/Type /Page ") > 1


def test_charts_that_were_never_scrolled_to_are_printed_too(open_page, page_of):
    page = open_page(page_of("pushed")).page
    last = page.locator("[data-chart^='curve-']").last
    assert last.locator("svg").count() == 0
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    last.locator("svg").wait_for()


@pytest.mark.parametrize("kind", ["pushed", "failed"])
def test_the_keyboard_reaches_everything_with_a_visible_focus(open_page, page_of, kind):
    page = open_page(page_of(kind)).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.evaluate("document.activeElement.blur(); getSelection().removeAllRanges(); scrollTo(0, 0)")
    page.reload()
    wanted = page.evaluate(
        """[...document.querySelectorAll("a, button, summary, [tabindex='0']")]
            .filter((e) => e.checkVisibility()).length"""
    )
    reached = 0
    for _ in range(wanted + 10):
        page.keyboard.press("Tab")
        seen = page.evaluate(
            """() => {
                const e = document.activeElement;
                if (e === document.body) return null;
                const style = getComputedStyle(e);
                const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
                return { name: e.outerHTML.slice(0, 80), ring };
            }"""
        )
        if seen is None:
            break
        assert seen["ring"], seen["name"]
        reached += 1
    assert reached == wanted


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_nothing(open_page, page_of, kind, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="`make test-browser` installs it")
    opened = open_page(page_of(kind), color_scheme=scheme, bypass_csp=True)
    opened.show_everything()
    results = axe.Axe().run(opened.page)
    found = [
        (rule["id"], rule["impact"], node["target"], node["failureSummary"])
        for rule in results.response["violations"]
        for node in rule["nodes"]
    ]
    assert found == []
    assert len(results.response["passes"]) > 15


@pytest.mark.parametrize("kind", KINDS)
def test_a_phone_scrolls_the_page_down_and_never_sideways(open_page, page_of, kind):
    opened = open_page(page_of(kind), **PHONE)
    opened.show_everything()
    page = opened.page
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("document.body.scrollWidth") <= 360
    # Tables that are too wide scroll inside of their frames.
    assert page.evaluate(
        "[...document.querySelectorAll('.scroll')].some((frame) => frame.scrollWidth > frame.clientWidth)"
    )


@pytest.mark.parametrize("options", [{}, PHONE], ids=["wide", "phone"])
def test_names_over_the_map_of_layers_do_not_overlap(open_page, run_facts, options):
    summary, details = run_facts("pushed")()
    for name, layers in list(details["layers"].items()):
        details["layers"][f"{name}_again"] = layers
    opened = open_page(run_page.render(summary, details), **options)
    opened.show_everything()
    # Texts that are turned alike overlap where their lines are closer than a line is high.
    places = opened.page.evaluate(
        """() => [...document.querySelectorAll('[data-chart="layers"] .role-axis-label')]
            .flatMap((group) => [...group.querySelectorAll('text')])
            .map((text) => text.getAttribute('transform').match(/translate\\(([-\\d.]+),.*?rotate\\(([-\\d.]+)/))
            .filter((found) => found).map((found) => [Number(found[1]), Number(found[2])])"""
    )
    assert len(places) == 2 * len(summary["variants"])
    angle = math.radians(-places[0][1])
    columns = sorted(x for x, _ in places)
    assert min(b - a for a, b in itertools.pairwise(columns)) * math.sin(angle) >= 11


def test_without_javascript_all_numbers_are_there(open_page, page_of):
    page = open_page(page_of("pushed"), java_script_enabled=False).page
    assert page.locator("#table-variants tbody tr").count() == 5
    assert "needs JavaScript" in page.locator("[data-chart='pareto']").inner_text()
    assert page.locator("svg.tree .box").count() > 5
