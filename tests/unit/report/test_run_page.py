"""The page of a run: what it says, that facts that are missing never break it, and that no string of data is markup."""

import copy
import json
from collections import Counter
from html.parser import HTMLParser

import pytest

from report import charts, run_page

VOID = {"meta", "link", "img", "br", "wbr", "input", "hr", "rect", "path"}


class Page(HTMLParser):
    """Elements with their attributes, the text that people read, and data."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.data: dict[str, str] = {}
        self.headings: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            attributes = self.elements[-1][1]
            if attributes.get("type") == "application/json":
                self.data[attributes["id"]] = data
        elif self.open and self.open[-1] != "style":
            self.text.append(data)
            if self.open[-1] in ("h1", "h2"):
                self.headings.append(data)

    @property
    def said(self) -> str:
        return " ".join(" ".join(self.text).split())

    def ids(self) -> list[str]:
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]


def test_a_run_that_pushed_says_so_in_one_sentence(pushed_run):
    page = Page(run_page.render(*pushed_run))
    assert page.headings[0] == (
        "pqat_int8 was pushed as version 1: 7.2 times smaller than the float model, accuracy 0.9879 against 0.9931."
    )
    assert page.open == []
    assert Counter(page.ids()).most_common(1)[0][1] == 1, "ids are unique"


def test_every_link_leads_to_a_section_and_every_drawing_has_its_chart(pushed_run):
    page = Page(run_page.render(*pushed_run))
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert {link for link in links if not link.startswith("#")} == set()
    assert {link[1:] for link in links} <= set(page.ids())
    drawings = {attributes["data-chart"] for _, attributes in page.elements if "data-chart" in attributes}
    assert drawings == set(json.loads(page.data["charts"]))
    assert {"pareto", "layers", "curve-1-1"} <= drawings
    assert all(a["aria-label"] and a["role"] == "img" for _, a in page.elements if "data-chart" in a)


def test_a_page_is_the_same_for_the_same_facts_and_small_enough_to_send(pushed_run):
    text = run_page.render(*pushed_run)
    assert text == run_page.render(*copy.deepcopy(pushed_run))
    assert len(text.encode()) < 5_000_000


def test_a_run_that_failed_names_each_cause_once_and_shows_what_there_is(failed_run):
    page = Page(run_page.render(*failed_run))
    assert page.headings[0] == "The run failed: no variant got through."
    assert "int8, pruned_int8: a conversion must be done in 0.2 s" in page.said
    assert page.headings[1] == "What to try"
    assert "run again: what was finished comes from the cache" in page.said
    assert "Trainings" in page.headings
    assert page.headings[-1] == "Not in this report"
    assert "Confusion no gate reported" in page.said


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"status": "blocked", "pushed": None, "selected": None}, "Nothing was pushed: none of 5 variants passed."),
        (
            {"status": "blocked", "pushed": None, "selected": None, "variants": 1},
            "Nothing was pushed: the only variant did not pass.",
        ),
        ({"status": "blocked", "pushed": None}, "pqat_int8 was chosen, and not pushed."),
        ({"status": "failed", "pushed": None, "exit_code": 130}, "The run was interrupted in trainer."),
        ({"status": "failed", "pushed": None, "exit_code": 1}, "The run failed in edge-pusher."),
    ],
)
def test_a_run_that_pushed_nothing_says_why_in_one_sentence(pushed_run, changes, sentence):
    summary, details = pushed_run
    variants = summary["variants"][: changes.get("variants")]
    summary.update({**changes, "variants": variants})
    if summary["status"] == "blocked" and not summary["selected"]:
        for variant in variants:
            variant.update(status="blocked", reasons=["max_drop of accuracy"])
    ends = {130: ("trainer", "interrupted"), 1: ("edge-pusher", "failed")}
    for node in summary["nodes"]:
        name, status = ends.get(summary["exit_code"], ("", ""))
        node["status"] = status if node["id"] == name else node["status"]
    assert Page(run_page.render(summary, details)).headings[0] == sentence


def test_what_to_try_is_told_once_for_all_variants_that_it_is_for(pushed_run):
    summary, details = pushed_run
    for variant in summary["variants"][:2]:
        gate = {**variant["gates"][0], "state": "not_enough_data", "passed": False, "needed_examples": 1234}
        variant.update(status="not_enough_data", gates=[gate], reasons=["not enough data"])
    page = Page(run_page.render(summary, details))
    assert page.headings[1] != "What to try", "who has a model sees that first"
    said = page.said[page.said.index("Rules that read what this run measured") :]
    assert said.index("float16, int8 : give eval a larger share") < said.index("needs about 1,234 examples to decide")


def test_a_run_that_ended_before_any_variant_has_a_page(failed_run):
    summary, _ = failed_run
    for variant in summary["variants"]:
        variant.update(status="not_run", stage="ingest", reasons=["ingest failed: the data breaks the contract"])
    summary.update(data=None, n_examples=None, status="failed")
    summary["nodes"] = [{"id": "ingest", "seconds": 1.0, "cached": False, "status": "failed"}]
    page = Page(run_page.render(summary, None))
    assert page.headings[0] == "The run failed in ingest."
    assert "int8, pruned_int8: ingest failed: the data breaks the contract" in page.said
    assert "Data ingest did not finish" in page.said


def test_without_details_the_tree_grows_from_the_steps_of_variants(pushed_run):
    page = Page(run_page.render(pushed_run[0], None))
    words = page.said
    outline = words[words.index("The tree in words") :]
    # Steps that several variants share stand once.
    assert outline.startswith(
        "The tree in words float model float16 (quantize float16, passed) int8 (quantize int8, passed) prune 80% "
    )
    assert outline.index("prune 80%") < outline.index("pruned_int8") < outline.index("pqat_int8")
    assert "Trainings this run recorded nothing about it" in words


def test_variants_whose_files_hold_the_transform_hang_on_their_steps_too(pushed_run):
    summary, details = pushed_run
    for node in list(details["tree"]):
        if node["kind"] == "quantize" and node["variants"]:
            raw = {**node, "id": f"raw-{node['id']}", "kind": "export", "label": "transform in front"}
            details["tree"].append({**raw, "parent": node["id"]})
    words = Page(run_page.render(summary, details)).said
    outline = words[words.index("The tree in words") :][:600]
    assert [variant["name"] in outline for variant in summary["variants"]] == [True] * len(summary["variants"])
    assert "transform in front" not in outline


def test_many_inputs_of_one_kind_share_a_row(pushed_run):
    summary, details = pushed_run
    (chosen,) = (variant for variant in summary["variants"] if variant["name"] == summary["selected"])
    column = {"dtype": "float32", "shape": [None, 1], "scale": None, "zero_point": None}
    chosen["audit"]["inputs"] = [{**column, "name": f"c{number}"} for number in range(5)] + [
        {**column, "name": "picture", "shape": [None, 8, 8]}
    ]
    words = Page(run_page.render(summary, details)).said
    assert "5 inputs float32 any × 1 each: c0, c1, c2, c3, c4 Input picture: float32 any × 8 × 8" in words


def test_a_part_of_the_facts_that_is_missing_is_named_with_its_reason(pushed_run):
    summary, details = pushed_run
    details["not_measured"] = {"curves.qat-1": "the node did not finish", "layers.int8": "there is no file"}
    assert "qat-1 has no curve: the node did not finish" in Page(run_page.render(summary, details)).said
    said = Page(run_page.render(summary, {**details, "layers": {}, "curves": []})).said
    assert "Layers there is no file" in said
    assert "Trainings the node did not finish" in said


def test_what_a_layer_adds_to_the_error_is_what_it_is_off_beyond_its_inputs(pushed_run):
    summary, details = pushed_run
    rows = details["layers"]["pqat_int8"]
    for row, error in zip(
        rows, [(0.01, 0.05, 0.0), (0.01, 0.05, 0.03), (0.01, 0.02, 0.03), (None, None, None)], strict=True
    ):
        row["error"] = dict(zip(("weights", "output", "before"), error, strict=True))
    summary["variants"] = [variant for variant in summary["variants"] if variant["name"] == "pqat_int8"]
    details["layers"] = {name: details["layers"][name] for name in ("pqat_int8", "baseline")}
    page = Page(run_page.render(summary, details))
    spec = json.loads(page.data["charts"])["layers"]["choices"]["added"]
    (values,) = spec["datasets"].values()
    assert [row["value"] for row in values] == pytest.approx([0.05, 0.04, 0.0])


@pytest.fixture
def without_drawings(monkeypatch):
    """Leaves out what takes long: Altair's own check of each specification."""
    monkeypatch.setattr(charts, "finish", lambda layers, height: {"layers": len(layers), "height": height})
    monkeypatch.setattr(charts, "library", lambda: "")


HOLES = {
    "variant": [
        "stage", "value", "drop", "drop_ci", "drop_vs_champion", "drop_vs_champion_ci", "size_bytes", "gzip_bytes",
        "entropy_bytes", "lut_bytes", "latency_ms", "arena_bytes", "macs", "sparsity", "distinct_weights", "audit",
        "blessed",
    ],
    "baseline": ["value", "size_bytes", "gzip_bytes", "latency_ms"],
    "run": [
        "started_at", "finished_at", "data", "n_examples", "champion", "selected", "selection_reason", "pushed",
    ],
}  # fmt: skip


@pytest.mark.usefixtures("without_drawings")
@pytest.mark.parametrize("where", HOLES)
def test_whatever_is_null_in_a_summary_the_page_is_whole(pushed_run, where):
    summary, details = pushed_run
    for key in [*HOLES[where], None]:
        with_holes = copy.deepcopy(summary)
        places = {"variant": with_holes["variants"], "baseline": [with_holes["baseline"]], "run": [with_holes]}
        for place in places[where]:
            # The last time all at once.
            place.update(dict.fromkeys([key] if key else HOLES[where]))
        assert Page(run_page.render(with_holes, details)).open == [], key


@pytest.mark.usefixtures("without_drawings")
@pytest.mark.parametrize("key", ["config", "labels", "tree", "curves", "layers", "confusion", "statistics", "lineage"])
def test_whatever_is_absent_or_empty_in_details_the_page_is_whole(pushed_run, key):
    summary, details = pushed_run
    for nothing in (None, type(details[key])()):
        assert Page(run_page.render(summary, {**details, key: nothing})).open == []


@pytest.mark.usefixtures("without_drawings")
def test_whatever_is_null_in_the_lineage_the_page_is_whole(pushed_run):
    summary, details = pushed_run
    for key in details["lineage"]:
        with_hole = copy.deepcopy(details)
        with_hole["lineage"][key] = None
        assert Page(run_page.render(summary, with_hole)).open == []


def shape(page: Page) -> Counter:
    """Elements by name, and attributes by name: hostile strings must add to neither.

    But for places to break a line, which `_` and `/` in a name make.
    """
    return Counter(tag for tag, _ in page.elements if tag != "wbr") + Counter(
        f"@{name}" for _, attributes in page.elements for name in attributes
    )


def test_no_string_of_data_or_configuration_becomes_an_element_an_attribute_or_code(run_facts, hostile_text):
    summary, details = run_facts("hostile")()
    harmless = json.loads(
        json.dumps([summary, details]).replace(json.dumps(hostile_text)[1:-1], "x" * len(hostile_text))
    )
    text = run_page.render(summary, details)
    page, calm = Page(text), Page(run_page.render(*harmless))
    assert shape(page) == shape(calm)
    assert "img" not in shape(page)
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert "8641969" not in text, "no template is evaluated"
    # The strings are there, as text.
    assert page.said.count("<img src=x onerror=alert(1)>") > 60
    assert hostile_text in json.dumps(json.loads(page.data["charts"]), ensure_ascii=False).replace('\\"', '"')


def test_data_are_nowhere_but_in_text_and_in_data(run_facts):
    text = run_page.render(*run_facts("hostile")())
    scripts = text.split("<script>")[1:]
    assert all("onerror=alert" not in script.split("</script>")[0] for script in scripts)
    assert "onerror=alert" not in "".join(text.split("<style>")[1].split("</style>")[0])


def test_images_that_could_not_be_read_are_named(run_facts):
    summary, details = copy.deepcopy(run_facts("pushed")())
    summary["data"]["unreadable_files"] = ["flowers/daisy/3.png: cannot identify image file"]
    assert "flowers/daisy/3.png: cannot identify image file: left out, not readable." in run_page.render(
        summary, details
    )
