"""What people see while a run goes on."""

import io
import sys

import pytest

from pipeline.display import Progress
from pipeline.runner import NodeResult, State


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def lines():
    """`lines(results, terminal)`: what stands on the stream after these nodes."""

    def show(results, terminal=False):
        stream = Terminal() if terminal else io.StringIO()
        progress = Progress(stream, silent=False, notes=dict.fromkeys(["ingest", "trainer", "summary"], ""))
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
    progress = Progress(stream, silent=False, notes={"ingest": ""})
    streams = sys.stdout, sys.stderr
    progress.start("ingest")
    # rich would catch what libraries print and show it above its spinner.
    assert (sys.stdout, sys.stderr) == streams
    progress.end(NodeResult("ingest", State.COMPLETE, 1.0))
    progress.close()
    assert "ingest  running" in stream.getvalue()
    assert "done" in stream.getvalue()
