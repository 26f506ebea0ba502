"""What people see while a run goes on."""

import io
import json
import sys
from pathlib import Path

import pytest
from rich.console import Console

from pipeline.config import load
from pipeline.display import Progress, report
from pipeline.history import seconds_by_node, seconds_left
from pipeline.local import Finished
from pipeline.plan import Plan, make_plan
from pipeline.run_tree import make_tree
from pipeline.runner import NodeResult, State


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(tree, width):
    console = Console(file=io.StringIO(), width=width)
    console.print(tree)
    return console.file.getvalue()


@pytest.fixture
def digits_plan():
    config = load(Path("configs/digits.yaml"))
    names = {"int8": "int8_with_a_name_of_forty_characters_12345"[:40]}
    variants = {names.get(name, name): steps for name, steps in config.variants.items()}
    return make_plan(config.model_copy(update={"variants": variants}))


@pytest.fixture
def lines():
    """`lines(results, terminal)`: what stands on the stream after these nodes."""

    def show(results, terminal=False):
        stream = Terminal() if terminal else io.StringIO()
        order = ["ingest", "trainer", "summary"]
        tree = make_tree(Plan((), ()), order, "trainer", {})
        progress = Progress(stream, silent=False, notes=dict.fromkeys(order, ""), tree=tree)
        for result in results:
            if result.state is not State.NOT_RUN:
                progress.start(result.id)
            progress.end(result)
        progress.close()
        return stream.getvalue().splitlines()

    return show


def test_nodes_that_did_not_run_share_a_line(lines):
    results = [
        NodeResult("ingest", State.FAILED, 1.5),
        NodeResult("trainer", State.NOT_RUN),
        NodeResult("summary", State.NOT_RUN),
    ]
    assert lines(results) == ["  ingest      1.5 s  failed", "  not run: trainer, summary"]
    after = [NodeResult("trainer", State.NOT_RUN), NodeResult("summary", State.COMPLETE, 0.04)]
    assert lines(after) == ["  not run: trainer", "  summary     0.0 s  done"]


def test_terminal_shows_nothing_but_progress(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    monkeypatch.delenv("NO_COLOR", raising=False)
    streams = sys.stdout, sys.stderr
    tree = make_tree(Plan((), ()), ["ingest", "trainer"], "trainer", {"ingest": 60.0, "trainer": 30.0})
    progress = Progress(stream, silent=False, notes={"ingest": ""}, tree=tree)
    progress.start("ingest")
    # rich would catch what libraries print and show it above its spinner.
    assert (sys.stdout, sys.stderr) == streams
    progress.end(NodeResult("ingest", State.COMPLETE, 1.0))
    progress.start("trainer")
    progress.epoch("trainer", 3, 30, {"loss": 0.5, "val_loss": 0.4, "val_accuracy": 0.9321})
    drawn = shown(tree, 80)
    assert "trainer" in drawn
    assert "epoch 3/30, accuracy 0.9321" in drawn
    assert "at most about 30 s left" in drawn
    progress.end(NodeResult("trainer", State.COMPLETE, 1.0))
    progress.close()
    assert "done" in stream.getvalue()


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_plain_terminals_get_lines_without_escape_codes(lines, monkeypatch, name, value):
    result = [NodeResult("ingest", State.COMPLETE, 1.0)]
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b" in "".join(lines(result, terminal=True))
    monkeypatch.setenv(name, value)
    assert lines(result, terminal=True) == ["  ingest      1.0 s  done"]


def test_no_line_of_the_tree_is_wider_than_the_terminal(digits_plan):
    order = ["ingest", "trainer", *(step.id for step in digits_plan.steps)]
    order += [node for variant in digits_plan.variants for node in variant.finishing] + ["selector"]
    tree = make_tree(digits_plan, order, "trainer", {})
    assert "left" not in shown(tree, 80), "without history there is no guess"
    variant = digits_plan.variants[0]
    tree.start(variant.quantize_id)
    drawn = shown(tree, 40)
    assert max(map(len, drawn.splitlines())) <= 40
    assert "\u2026" in drawn
    tree.end(NodeResult(variant.quantize_id, State.FAILED, 2.0))
    for node in variant.finishing[1:]:
        tree.end(NodeResult(node, State.NOT_RUN))
    assert f"failed  {variant.quantize_id}" in shown(tree, 80 + len(variant.quantize_id))


def test_the_tree_shows_all_nodes_that_run(digits_plan):
    steps = [step.id for step in digits_plan.steps][:2]
    tree = make_tree(digits_plan, ["ingest", "trainer", *steps], "trainer", dict.fromkeys(["ingest", *steps], 9.0))
    for node_id in steps:
        tree.start(node_id)
    tree.epoch(steps[0], 1, 4, {"loss": 0.5})
    tree.epoch(steps[1], 2, 5, {"loss": 0.25})
    drawn = shown(tree, 200)
    assert "epoch 1/4, loss 0.5" in drawn
    assert "epoch 2/5, loss 0.25" in drawn
    tree.end(NodeResult(steps[0], State.COMPLETE, 2.0))
    drawn = shown(tree, 200)
    assert "epoch 1/4" not in drawn
    assert "epoch 2/5" in drawn


def test_what_comes_from_the_cache_says_nothing_about_seconds(tmp_path):
    def ran(run, *nodes):
        (tmp_path / run).mkdir()
        rows = [{"id": name, "seconds": seconds, "status": status} for name, seconds, status in nodes]
        (tmp_path / run / "summary.json").write_text(json.dumps({"nodes": rows}))

    ran("1", ("ingest", 4.0, "complete"), ("trainer", 60.0, "complete"))
    ran("2", ("ingest", 5.0, "complete"), ("trainer", 0.1, "cached"))
    (tmp_path / "3").mkdir()
    (tmp_path / "3" / "summary.json").write_text("{")
    history = seconds_by_node(tmp_path)
    assert history == {"ingest": 5.0, "trainer": 60.0}
    assert seconds_left(history, ["trainer"], {"ingest": 2.0}) == 63.0
    assert seconds_left(history, ["trainer", "new"], {}) is None


def test_the_table_fits_80_columns_with_the_longest_names(tmp_path):
    real = Path(__file__).parents[1] / "pipeline" / "summaries" / "small.json"
    summary = json.loads(real.read_text())
    long = "pruned_and_clustered_int8_with_long_name"
    assert len(long) == 40
    summary["variants"][1]["name"] = long
    console = Console(file=io.StringIO(), width=80)
    console.print(report(Finished(summary, [], tmp_path / "summary.json", tmp_path / "run.log")))
    table = console.file.getvalue().splitlines()[1:5]
    assert [line.split()[0] for line in table[:3]] == ["variant", "float", "float16"]
    assert max(map(len, table)) <= 80
    assert table[3].startswith("pruned_")
    assert "\u2026" in table[3]


@pytest.mark.parametrize("spans", [True, False])
def test_files_that_could_not_be_read_are_counted_and_the_first_named(tmp_path, spans):
    summary = json.loads((Path(__file__).parents[1] / "pipeline" / "summaries" / "small.json").read_text())
    summary["data"]["unreadable_files"] = ["flowers/a.png: damaged", "flowers/b.png: damaged"]
    summary["spans"] = [{"name": "1"}] if spans else []
    console = Console(width=120, file=io.StringIO())
    console.print(report(Finished(summary, [], tmp_path / "summary.json", tmp_path / "run.log")))
    shown = console.file.getvalue()
    assert "data     left out: 2 unreadable file(s), first flowers/a.png: damaged" in shown
    assert ("span 1" in shown) == spans


def test_it_ends_with_where_model_report_summary_and_log_are():
    summary = json.loads((Path(__file__).parents[1] / "pipeline" / "summaries" / "small.json").read_text())
    places = [Path("/w") / name for name in ("summary.json", "run.log", "report.html")]
    console = Console(file=io.StringIO(), width=80)
    console.print(report(Finished(summary, [], *places)))
    assert [line.split() for line in console.file.getvalue().splitlines()[-4:]] == [
        ["model", f"{summary['pushed']['path']}/model.tflite"],
        ["report", "/w/report.html"],
        ["summary", "/w/summary.json"],
        ["log", "/w/run.log"],
    ]
    console = Console(file=io.StringIO(), width=80)
    console.print(report(Finished(summary, [], *places[:2])))
    assert "report" not in console.file.getvalue(), "it could not be written"
