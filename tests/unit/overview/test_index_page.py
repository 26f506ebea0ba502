"""The page of a workspace: what it says, whatever stands in the files that it is made of."""

import html.parser
import re
import time

import pytest

from components.cycles.record import Status
from pipeline.cycles.records import Records
from pipeline.overview.collect import Overview
from pipeline.progress_file import ProgressFile
from report import index_page, timeline
from report.history_charts import charts

HOSTILE = """</script><img src=x onerror="alert(1)">&lt;'"`{{7*7}}\u2028"""


class Parsed(html.parser.HTMLParser):
    """Elements, attributes and text of a page, as a browser would see them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._skipping = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._skipping = tag in ("script", "style")

    def handle_endtag(self, tag):
        self._skipping = False

    def handle_data(self, data):
        if not self._skipping:
            self.text += data

    def all(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        return [found for name, found in self.elements if name == tag and wanted.items() <= found.items()]


def render(world) -> Parsed:
    return Parsed(index_page.render(Overview(world.config).collect()))


def test_before_the_first_run(world):
    page = render(world)
    assert "digits: no runs yet" in page.text
    assert f"tfx-edge run {world.config.file}" in page.text
    assert (page.all("table"), page.all("svg")) == ([], [])


def test_one_run(world):
    folder = world.push(1)
    (folder / "report.html").write_text("")
    page = render(world)
    assert "digits: version 1 is current" in page.text
    assert "1 run on 2026-03-04: 1 pushed." in page.text
    assert page.all("a", href=f"runs/{folder.name}/report.html")
    assert len(page.all("svg")) == 4
    assert page.all("tr", **{"class": "chosen"}), "the current version is marked"


def test_two_hundred_runs_are_one_small_page_in_no_time(world):
    for number in range(200):
        world.run(number)
    world.push(200)
    overview = Overview(world.config).collect()
    begin = time.process_time()
    text = index_page.render(overview)
    assert time.process_time() - begin < 5
    assert len(text) < 1_500_000
    assert len(Parsed(text).all("path", **{"data-run": "200"})) == 4, "a mark in every chart"
    assert text == index_page.render(overview)


def test_rollbacks_and_promotions_are_told_and_drawn(world):
    for number in range(3):
        world.push(number)
    world.registry.rollback(None, "too slow in the field")
    world.registry.promote(3, "it was the network")
    page = render(world)
    for words in (
        "rolled back from version 3 to 2",
        "too slow in the field",
        "promoted version 3",
        "rollback or promotion",
    ):
        assert words in page.text
    assert page.text.count("withdrawn") == 1, "version 2, which somebody turned away from last"


def test_a_run_that_pushed_the_same_model_again_made_no_version(world):
    world.push(1)
    again = world.summary(2, status="pushed", selected="float16")
    again["pushed"] = {"version": 1, "path": "somewhere", "sha256": "0" * 64}
    world.write(again)
    text = index_page.render(Overview(world.config).collect())
    page = Parsed(text)
    assert page.text.count("pushed version 1") == 2, "by its run, and in the history"
    assert page.text.count("version 1 again") == 1
    assert text.count(">v1</text>") == 4, "one label in every chart"


def test_why_a_cycle_ran_and_whose_a_run_is(world, record):
    folder = world.run(1)
    world.write(world.summary(2) | {"name": "another"})
    Records(world.root / "cycles").write(record(folder.name, Status.BLOCKED, number=7))
    page = render(world)
    assert "cycle 7: span 1 is new" in page.text
    assert re.search(r"another, span 2, \d+ s", page.text)
    assert "digits, span 1" not in page.text


def test_a_report_that_was_removed_is_no_link(world):
    folder = world.run(1)
    page = render(world)
    assert not page.all("a", href=f"runs/{folder.name}/report.html")
    assert page.all("a", href=f"runs/{folder.name}/summary.json")
    assert "no report kept" in page.text


def test_another_metric_is_another_scale(world):
    for number in range(3):
        world.run(number)
    summary = world.summary(3)
    summary["baseline"] |= {"metric": "rmse", "value": 41.0}
    summary["variants"][0] |= {"value": 41.5, "drop": -1.0}
    world.write(summary)
    drawn = charts(Overview(world.config).collect()["runs"], [], None)
    assert drawn[0].title == "Root mean squared error"
    assert drawn[0].summary.startswith("Root mean squared error of 1 run, from 41.5000 to 41.5000")


@pytest.mark.parametrize(("metric", "shown"), [("rmse", "RMSE"), ("accuracy", "Accuracy"), ("digit/auc", "digit/AUC")])
def test_abbreviations_of_metrics_stay_ones(world, metric, shown):
    world.push(1)
    overview = Overview(world.config).collect()
    overview["registry"]["versions"][0]["metric"] = metric
    assert shown in Parsed(index_page.render(overview)).text


def test_what_no_run_measured_has_no_chart(world):
    summary = world.summary(1)
    summary["data"]["drift"] = None
    for variant in summary["variants"]:
        variant["latency_ms"] = None
    world.write(summary)
    drawn = charts(Overview(world.config).collect()["runs"], [], None)
    assert [chart.id for chart in drawn] == ["quality", "size"]


def test_values_are_drawn_where_they_belong():
    """A mark in the middle of the area stands in its middle, counted in pixels."""
    point = {"x": 1, "y": 5.0, "kind": "held", "label": "", "tip": "7|five"}
    svg = timeline.draw([point], {}, [], timeline.Frame({}, 3, (0.0, 10.0)))
    (x, y) = re.search(r'data-run="7" data-tip="five"[^>]*transform="translate\(([\d.]+),([\d.]+)\)', svg).groups()
    assert (float(x), float(y)) == (pytest.approx(timeline.WIDTH / 2), pytest.approx(timeline.HEIGHT / 2))


def test_the_run_that_goes_on(world):
    folder = world.root / "runs" / "20260401-000000-0001"
    folder.mkdir(parents=True)
    file = ProgressFile(folder, folder.name, "digits")
    file.plan(["ingest", "prune-1"], {"prune-1": "prune 80 % for a, b"}, {"ingest": 1.0, "prune-1": 60.0})
    file.start("prune-1")
    file.start("ingest")
    file.epoch("prune-1", 3, 8, {"loss": 0.5, "val_loss": 0.6, "val_accuracy": 0.91234})
    file._write()
    page = render(world)
    assert "prune 80 % for a, b" in page.text
    assert re.search(r"epoch 3 of 8, accuracy 0\.9123", page.text)
    assert "at most about 1 min" in page.text
    assert "beside it ingest" in page.text
    assert page.all("progress", max="2", value="0")
    assert "A file does not refresh itself" in page.text


def test_nothing_of_the_users_is_ever_an_element(world):
    summary = world.summary(1)
    for variant in summary["variants"]:
        variant |= {"name": HOSTILE, "reasons": [HOSTILE]}
    summary["baseline"]["metric"] = HOSTILE
    summary["spans"][0]["name"] = HOSTILE
    summary["data"]["drift"]["feature"] = HOSTILE
    world.write(summary)
    (world.root / "runs" / 'a"><img src=x>').mkdir()
    world.push(2)
    world.push(3)
    world.registry.rollback(None, HOSTILE)
    manifest = world.root / "registry" / "versions" / "1" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("float16", "<img src=x>"))
    folder = world.root / "runs" / "20260401-000000-0001"
    folder.mkdir()
    file = ProgressFile(folder, folder.name, HOSTILE)
    file.plan(["ingest"], {"ingest": HOSTILE}, {})
    file.start("ingest")
    file.epoch("ingest", 1, 2, {f"val_{HOSTILE}": 1.0})
    file._write()
    overview = Overview(world.config).collect() | {
        "name": HOSTILE,
        "notes": [HOSTILE],
        "workspace": HOSTILE,
        "config": HOSTILE,
    }
    for text in (index_page.render(overview), index_page.state(overview)["running"]):
        page = Parsed(text)
        assert page.all("img") == []
        assert not [name for _, found in page.elements for name in found if name.startswith("on")]
        assert HOSTILE in page.text
        assert "49" not in re.findall(r"`(\d+)", page.text)


def test_no_style_or_script_is_inline_that_the_policy_would_stop(world):
    world.push(1)
    page = render(world)
    assert not [found for _, found in page.elements if "style" in found]
    (policy,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert "unsafe" not in policy["content"]
    assert "connect-src 'self'" in policy["content"]
    sources = [found.get(key) for _, found in page.elements for key in ("src", "href") if found.get(key)]
    assert not [source for source in sources if re.match(r"(?i)https?:|//|javascript:", source)]
