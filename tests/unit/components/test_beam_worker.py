"""The worker pool's own address; that jobs run in it is what tests/integration/test_flink.py shows."""

import os
import signal
import socket
import threading

import pytest

from components import beam_worker


@pytest.fixture
def imported(monkeypatch):
    names = []
    monkeypatch.setattr(beam_worker, "_import", names.extend)
    return names


def test_an_address_that_is_taken_is_told(imported, capsys, restore_signals):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert beam_worker.main(["--port", str(taken.getsockname()[1])]) == 1
    assert "must get the address 127.0.0.1:" in capsys.readouterr().err


def test_it_imports_tfx_first_then_says_where_it_is_and_ends_on_sigterm(imported, capsys, restore_signals):
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    assert beam_worker.main(["--port", "0", "--import", "models.digits"]) == 0
    assert capsys.readouterr().out.startswith("workers at 127.0.0.1:")
    assert imported[0] == "tfx"
    assert imported[-1] == "models.digits"
    assert imported.index("tfx") < imported.index("tensorflow_data_validation")


@pytest.fixture
def restore_signals():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
