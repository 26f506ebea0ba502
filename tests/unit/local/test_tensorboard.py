"""Event logs of training: what TensorBoard itself reads back, and what a step from the cache gets."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pipeline.config import load
from pipeline.console import Console
from pipeline.plan import make_plan
from pipeline.runner import NodeResult, State
from pipeline.tensorboard import TrainingLogs
from pipeline.training_logs import training_logs
from pipeline.workspace import Workspace

TRAINING = ("trainer", "prune-1")


@pytest.fixture
def warned() -> list[str]:
    return []


@pytest.fixture
def make_logs(tmp_path, warned):
    return lambda run_id: TrainingLogs(tmp_path / "tensorboard", run_id, TRAINING, warned.append)


def ended(node_id: str, state: State, uri: str = "/a/1") -> NodeResult:
    return NodeResult(node_id, state, 1.0, outputs={"model": [SimpleNamespace(uri=uri)]})


def train(logs: TrainingLogs, node_id: str, uri: str = "/a/1") -> None:
    """Three epochs of a node, told the way nodes tell them."""
    logs.start(node_id)
    for epoch in range(1, 4):
        logs.epoch(node_id, epoch, 5, {"loss": 1 / epoch, "accuracy": 0.5, "val_loss": 2 / epoch, "lr": 0.01})
    logs.end(ended(node_id, State.COMPLETE, uri))


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard reads from a folder with one file."""
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0, "scalars": 0}).Reload()
    tags = events.Tags()
    assert tags["scalars"] == []  # the form of today's TensorBoard
    return {
        tag: [(event.step, event.tensor_proto.float_val[0]) for event in events.Tensors(tag)]
        for tag in tags["tensors"]
        if tag.startswith("epoch_")
    }


def note(folder: Path) -> str:
    events = EventAccumulator(str(folder / "cache"), size_guidance={"tensors": 0}).Reload()
    (event,) = events.Tensors("cache")
    return event.tensor_proto.string_val[0].decode()


def test_every_epoch_is_written_for_training_and_validation(make_logs, warned):
    logs = make_logs("r1")
    train(logs, "trainer")
    found = curves(logs.folder / "trainer" / "train")
    assert set(found) == {"epoch_loss", "epoch_accuracy", "epoch_learning_rate"}
    assert found["epoch_loss"] == [(1, 1.0), (2, 0.5), (3, pytest.approx(1 / 3))]
    assert curves(logs.folder / "trainer" / "validation") == {
        "epoch_loss": [(1, 2.0), (2, 1.0), (3, pytest.approx(2 / 3))]
    }
    assert warned == []


def test_an_epoch_can_be_looked_at_while_training_goes_on(make_logs):
    logs = make_logs("r1")
    logs.start("trainer")
    logs.epoch("trainer", 1, 5, {"loss": 0.5})
    assert curves(logs.folder / "trainer" / "train") == {"epoch_loss": [(1, 0.5)]}


def test_steps_that_train_side_by_side_have_curves_of_their_own(make_logs):
    logs = make_logs("r1")
    logs.start("prune-1")
    logs.start("trainer")
    logs.epoch("prune-1", 1, 5, {"loss": 0.5})
    logs.epoch("trainer", 1, 5, {"loss": 0.25})
    logs.end(ended("trainer", State.COMPLETE))
    logs.epoch("prune-1", 2, 5, {"loss": 0.125})
    assert curves(logs.folder / "trainer" / "train") == {"epoch_loss": [(1, 0.25)]}
    assert curves(logs.folder / "prune-1" / "train") == {"epoch_loss": [(1, 0.5), (2, 0.125)]}


def test_a_step_from_the_cache_has_the_curves_of_the_run_that_trained_it(make_logs):
    first, other = make_logs("r1"), make_logs("r2")
    train(first, "trainer", "/a/1")
    train(other, "trainer", "/a/2")
    logs = make_logs("r3")
    logs.start("trainer")
    logs.end(ended("trainer", State.CACHED, "/a/1"))
    assert curves(logs.folder / "trainer" / "train") == curves(first.folder / "trainer" / "train")
    assert note(logs.folder / "trainer") == "Taken from the cache: trained in run r1."
    # A copy of a copy still names the run that trained.
    again = make_logs("r4")
    again.end(ended("trainer", State.CACHED, "/a/1"))
    assert json.loads((again.folder / "trainer" / "node.json").read_text())["run_id"] == "r1"


def test_a_step_from_the_cache_that_left_no_curves_says_so(make_logs):
    logs = make_logs("r1")
    logs.start("prune-1")
    logs.end(ended("prune-1", State.CACHED))
    assert note(logs.folder / "prune-1").startswith("Taken from the cache, and trained in a run without")
    assert "`run --no-cache prune-1`" in note(logs.folder / "prune-1")


def test_nodes_that_do_not_train_and_steps_that_failed_get_none(make_logs):
    logs = make_logs("r1")
    logs.start("ingest")
    logs.end(ended("ingest", State.CACHED))
    logs.start("prune-1")
    logs.epoch("prune-1", 1, 5, {"loss": 1.0})
    logs.end(NodeResult("prune-1", State.FAILED, 1.0, ValueError("no")))
    assert [path.name for path in logs.folder.iterdir()] == ["prune-1"]
    assert not (logs.folder / "prune-1" / "node.json").exists()


def test_a_damaged_note_is_passed_over(make_logs, warned):
    logs = make_logs("r1")
    train(logs, "trainer")
    (logs.folder / "trainer" / "node.json").write_text("{")
    later = make_logs("r2")
    later.end(ended("trainer", State.CACHED))
    assert note(later.folder / "trainer").startswith("Taken from the cache, and trained in a run without")
    assert warned == []


def test_what_cannot_be_written_is_told_once_and_stops_nothing(tmp_path, warned):
    (tmp_path / "file").write_text("")
    logs = TrainingLogs(tmp_path / "file", "r1", TRAINING, warned.append)
    train(logs, "trainer")
    train(logs, "prune-1")
    (line,) = warned
    assert line.startswith(f"event logs for TensorBoard must be written to {tmp_path / 'file' / 'r1'}, but that gave: ")


def test_the_configuration_decides(tmp_path, capsys):
    root = Path(__file__).parents[3]
    config = load(root / "configs" / "digits.yaml", {"runtime.workspace": str(tmp_path)})
    plan, workspace = make_plan(config), Workspace(tmp_path)
    assert training_logs(config, plan, workspace, "r1", Console()) == []
    overrides = {"runtime.workspace": str(tmp_path), "runtime.tensorboard": True}
    asked = load(root / "configs" / "digits.yaml", overrides)
    (logs,) = training_logs(asked, plan, workspace, "r1", Console())
    assert logs.folder == tmp_path / "tensorboard" / "r1"
    assert capsys.readouterr().out == f"curves: tensorboard --logdir {tmp_path}/tensorboard/r1\n"
    # It is nothing that a node is told: the cache knows no difference.
    assert (config.sha256, make_plan(asked)) == (asked.sha256, plan)
