"""The loop over nodes: who is told what, and what is remembered."""

import os
import signal
from functools import partial

import pytest

from components.errors import InputError
from components.progress import heard_by, report_epoch
from pipeline.interruption import watched
from pipeline.node_loop import run_nodes
from pipeline.runner import NodeResult, State


class Graph:
    """Runs functions instead of nodes; one that raises makes its node fail."""

    def __init__(self, **nodes):
        self.node_ids = list(nodes)
        self._nodes = nodes

    def execute(self, on_start, on_end, on_epoch):
        for node_id, act in self._nodes.items():
            on_start(node_id)
            try:
                with heard_by(partial(on_epoch, node_id)):
                    act()
            except Exception as error:
                on_end(NodeResult(node_id, State.FAILED, 1.0, error))
            else:
                on_end(NodeResult(node_id, State.COMPLETE, 1.0))


class Heard(list):
    def start(self, node_id):
        self.append(("start", node_id))

    def epoch(self, node_id, done, planned, logs):
        self.append(("epoch", node_id, done, planned))

    def end(self, result):
        self.append(("end", result.id, str(result.state)))

    def close(self):
        self.append(("close",))


def nothing():
    pass


def refuse():
    raise InputError("label must be there")


def kill():
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture
def run():
    """`run(graph, *listeners)` gives what is remembered of its nodes."""

    def execute(graph, *listeners):
        with watched() as signals:
            return run_nodes(graph, listeners, signals)

    return execute


def test_every_listener_is_told_everything_in_order(run):
    one, other = Heard(), Heard()
    nodes = run(Graph(ingest=nothing, trainer=lambda: report_epoch(1, 2, {})), one, other)
    assert (
        one
        == other
        == [
            ("start", "ingest"),
            ("end", "ingest", "complete"),
            ("start", "trainer"),
            ("epoch", "trainer", 1, 2),
            ("end", "trainer", "complete"),
            ("close",),
        ]
    )
    assert [result.state for result in nodes.results] == [State.COMPLETE, State.COMPLETE]
    assert (nodes.failures, nodes.excerpts, nodes.refused, nodes.interruption) == ([], {}, False, None)


def test_failures_are_told_and_their_tracebacks_go_to_the_log(run, capsys):
    nodes = run(Graph(ingest=refuse, trainer=nothing))
    assert nodes.failures == ["ingest failed: label must be there"]
    assert "InputError: label must be there" in capsys.readouterr().err
    assert nodes.refused
    assert not run(Graph(ingest=refuse, trainer=lambda: 1 / 0)).refused, "more was wrong than the data"


def test_a_signal_ends_the_run_and_what_follows_is_not_disturbed(run):
    heard = Heard()
    nodes = run(Graph(ingest=nothing, trainer=kill, gate=nothing), heard)
    assert heard[-2:] == [("end", "trainer", "interrupted"), ("close",)]
    assert [str(result.state) for result in nodes.results] == ["complete", "interrupted", "not_run"]
    assert nodes.failures == ["interrupted by SIGTERM in trainer"]
    assert nodes.interruption.exit_code == 143


def test_a_signal_after_the_last_node_undoes_nothing():
    with watched() as signals:
        nodes = run_nodes(Graph(ingest=nothing), [], signals)
        kill()
        signals.check()
    assert nodes.interruption is None


def test_listeners_are_closed_when_the_loop_itself_breaks(run):
    heard = Heard()

    class Broken(Graph):
        def execute(self, on_start, on_end, on_epoch):
            raise OSError("the metadata store is gone")

    with pytest.raises(OSError, match="gone"):
        run(Broken(ingest=nothing), heard)
    assert heard == [("close",)]
