"""The arithmetic of the benchmark of scale, and the data that it is measured on."""

import contextlib
import json

import numpy as np
import pytest

from benchmarks import scale, scale_data, scale_process, scale_runs


def row(leg, node, examples, seconds, peak):
    return {"leg": leg, "node": node, "examples": examples} | dict.fromkeys(scale.FITTED, seconds) | {"peak MB": peak}


def rows_of(power, peaks=(500, 800, 900)):
    sizes = zip(("x1", "x10", "x100"), (70_000, 700_000, 7_000_000), peaks, strict=True)
    return [row(leg, node, n, 3 * n**power, peak) for leg, n, peak in sizes for node in scale.FLAT]


@pytest.mark.parametrize("power", [0.5, 1.0, 1.3])
def test_the_exponent_of_a_power_is_found(power):
    fitted = {one["node"]: one for one in scale.exponents(rows_of(power))}
    assert fitted["ingest"]["cpu s"] == pytest.approx(power)
    assert fitted["gate"]["wall s"] == pytest.approx(power)


def test_costs_follow_from_the_two_largest_sizes():
    rows = [row("x10", "ingest", 700_000, 100.0, 800), row("x100", "ingest", 7_000_000, 730.0, 900)]
    each, many = scale.costs([row("x1", "ingest", 70_000, 50.0, 500), *rows])
    assert (each["leg"], each["cpu s"], each["peak MB"]) == ("each 10^6", pytest.approx(100), 900)
    assert (many["examples"], many["cpu s"], many["peak MB"]) == (10**8, pytest.approx(730 + 93 * 100), 900)
    assert scale.costs(rows[:1]) == []


def verdicts(rows):
    return {one["name"]: one["met"] for one in scale.goals(rows, scale.exponents(rows))}


def test_goals_follow_from_the_figures():
    met = verdicts(rows_of(1.0))
    assert met["peak memory of ingest, x100 to x10"]
    assert met["exponent of statistics, own s"]
    assert not verdicts(rows_of(1.0, peaks=(500, 800, 1000)))["peak memory of ingest, x100 to x10"]
    assert not verdicts(rows_of(1.06))["exponent of statistics, own s"]


def test_a_leg_that_is_not_there_meets_no_goal():
    short = [one for one in rows_of(1.0) if one["leg"] != "x100"]
    assert not any(verdicts(short).values())


def test_images_are_made_larger_by_moved_ones(tmp_path, monkeypatch):
    images = np.zeros((700, 28, 28), np.uint8)
    images[:, 10:18, 10:18] = 100
    images[:, 0, 0], images[:, 0, 1] = np.arange(700) % 100, np.arange(700) // 100
    monkeypatch.setattr(scale_data, "EXAMPLES", 700)
    monkeypatch.setattr(scale_data, "_ROWS", 100)
    monkeypatch.setattr(scale_data, "_all_images", lambda: (images, np.arange(700).astype(np.uint8) % 10))
    made = scale_data.make(tmp_path, 1_750)
    pixels, labels = np.load(made / "image.npy"), np.load(made / "label.npy")
    assert (pixels[:700] == images).all()
    assert (labels[700:] == labels[:1_050]).all()
    assert len({one.tobytes() for one in pixels}) > 1_700
    assert ((pixels >= 100).sum(axis=(1, 2)) >= 64).all()
    again = scale_data.make(tmp_path / "again", 1_750)
    assert (again / "image.npy").read_bytes() == (made / "image.npy").read_bytes()


def test_a_process_is_accounted_for(tmp_path):
    text = f"open({str(tmp_path / 'file')!r}, 'wb').write(bytearray(50 * 2**20)); sum(range(10**6))"
    cost = scale_process.cost_of(["-c", text], tmp_path / "log")
    assert 45 < cost.written_mb < 60
    assert cost.cpu_s > 0


def test_a_process_that_fails_is_named(tmp_path):
    with pytest.raises(SystemExit, match=r"must end with 0, but ended with 3; see"):
        scale_process.cost_of(["-c", "import sys; sys.exit(3)"], tmp_path / "log")


def test_a_leg_goes_on_with_the_node_that_it_had_come_to(tmp_path, monkeypatch):
    done = []

    def work(node, fails):
        def measured():
            done.append(node)
            (tmp_path / "x10").mkdir(exist_ok=True)
            if fails:
                raise SystemExit("interrupted")
            return [row("x10", node, 1, 1.0, 1)]

        return measured

    monkeypatch.setattr(scale, "HERE", tmp_path)
    for fails in (True, False):
        monkeypatch.setattr(scale, "_works", lambda _, f=fails: {"a": work("a", False), "b": work("b", f)})
        with contextlib.suppress(SystemExit):
            scale.measure("x10")
        assert [one["node"] for one in scale.latest("x10")] == (["a"] if fails else ["a", "b"])
    assert done == ["a", "b", "b"]
    scale.measure("x10", "a")
    assert done == ["a", "b", "b", "a"]
    assert [one["node"] for one in scale.latest("x10")] == ["a"]


def test_a_whole_run_that_was_spared_work_does_not_count(tmp_path, monkeypatch):
    def run(command, log):
        summary = tmp_path / "x1" / "workspace" / "runs" / "1" / "summary.json"
        summary.parent.mkdir(parents=True, exist_ok=True)
        cached = {"ingest": True, "trainer": bool(runs)}
        nodes = [{"id": node, "seconds": 1.0, "cached": value} for node, value in cached.items()]
        summary.write_text(json.dumps({"nodes": nodes}))
        return scale_process.Cost(1.0, 1.0, 1.0, 1.0)

    runs = []
    monkeypatch.setattr(scale_runs, "HERE", tmp_path)
    monkeypatch.setattr(scale_runs, "cost_of", run)
    one = scale_runs.Run("x1", 10, {"int8": "mode: int8"})
    assert one.whole(["ingest"]).wall_s == 1.0
    runs.append("interrupted before")
    with pytest.raises(SystemExit, match="all nodes must be measured, but trainer came from the cache"):
        one.whole(["ingest"])
