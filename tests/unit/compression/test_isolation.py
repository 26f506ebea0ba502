"""A call in a child process: what comes back, what a crash or a hang does, and that nothing is left behind."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from compression import conversion, isolation, keras_models
from compression.errors import CompressionError, OutputMismatch
from compression.flatbuffer import read_graphs
from compression.quantize import convert
from compression.settings import QuantizeSettings

INT8 = QuantizeSettings(mode="int8", calibration_examples=50)
SLEEPS = """
import os, subprocess, time
sleeper = subprocess.Popen(["sleep", "60"])
path = "pids.incoming"
open(path, "w").write(f"{os.getpid()} {sleeper.pid}")
os.replace(path, "pids")
time.sleep(60)
"""
PARENT = f"""
import os
from compression import isolation
open("server", "w").write(str(isolation.run(os.getppid, time_limit_s=60)))
isolation.run(exec, {SLEEPS!r}, time_limit_s=60)
"""


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and that nobody asked about does not."""
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout.strip()[:1] not in ("", "Z")


def wait_for(condition) -> bool:
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(condition())


def pids_in(folder: Path) -> list[int]:
    return [int(pid) for pid in (folder / "pids").read_text().split()]


def test_values_come_back_from_another_process():
    assert isolation.run(divmod, 17, 5, time_limit_s=60) == (3, 2)
    assert isolation.run(os.getpid, time_limit_s=60) != os.getpid()
    assert len(isolation.run(bytes, 20_000_000, time_limit_s=60)) == 20_000_000


def test_the_child_has_this_environment_and_has_executed_nothing(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIVEN_TO_CHILDREN", "yes")
    monkeypatch.delenv("TF_USE_LEGACY_KERAS")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "beside.py").write_text("VALUE = 7")
    code = f"""
import os, sys
assert "tensorflow" in sys.modules and "tensorflow_model_optimization" in sys.modules
from tensorflow.python.eager import context
assert context._context is None
import tensorflow, beside
assert beside.VALUE == 7
assert tensorflow.keras.Model.__module__.startswith("tf_keras")
assert (os.getcwd(), os.environ["GIVEN_TO_CHILDREN"]) == ({str(tmp_path)!r}, "yes")
"""
    isolation.run(exec, code, time_limit_s=60)


def test_errors_are_raised_here():
    with pytest.raises(CompressionError, match=r"^a TFLite file must bear the mark TFL3 at byte 4, got b'ainl'"):
        isolation.run(read_graphs, b"certainly not a model", time_limit_s=60)
    with pytest.raises(ValueError, match="invalid literal for int"):
        isolation.run(int, "seven", time_limit_s=60)
    with pytest.raises(RuntimeError, match="Unpicklable: told"):
        isolation.run(
            exec, "class Unpicklable(Exception): pass\nraise Unpicklable('told')", {"__name__": "no"}, time_limit_s=60
        )
    with pytest.raises(OutputMismatch) as caught:
        isolation.run(
            exec, "from compression.errors import *; raise OutputMismatch('differs', b'file')", time_limit_s=60
        )
    assert caught.value.content == b"file"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print('first'); print('last words', flush=True); os.abort()", "died of SIGABRT.*first | last words"),
        ("ctypes.string_at(0)", "died of SIGSEGV"),
        ("os.kill(os.getpid(), 9)", r"was killed \(SIGKILL\), most likely because the machine ran out of memory"),
        ("raise MemoryError", "must fit into memory"),
        ("sys.exit(3)", "ended with status 1; it said:.*SystemExit: 3"),
    ],
)
def test_a_crash_is_an_error_and_the_next_call_works(code, said, capfd):
    with pytest.raises(CompressionError, match=said) as caught:
        isolation.run(exec, f"import ctypes, os, sys; {code}", time_limit_s=60)
    assert "\n" not in str(caught.value)
    assert isolation.run(divmod, 7, 2, time_limit_s=60) == (3, 1)
    if "last words" in code:
        assert "first\nlast words\n" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("number", "said"), [(9, r"killed \(SIGKILL\), most likely"), (11, "its process died of SIGSEGV$")]
)
def test_a_crash_of_something_else_says_nothing_of_conversions(number, said):
    with pytest.raises(CompressionError, match=f"^the node trainer must come to its end, but .*{said}") as caught:
        isolation.run(
            exec, f"import os; os.kill(os.getpid(), {number})", time_limit_s=60, what="the node trainer", section=""
        )
    assert "converter" not in str(caught.value)


def test_a_hang_is_ended_with_all_that_it_started(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CompressionError, match=r"must be done in 1\.5 s, but was not and was ended"):
        isolation.run(exec, SLEEPS, time_limit_s=1.5)
    assert wait_for(lambda: not any(map(alive, pids_in(tmp_path))))


@pytest.mark.parametrize(
    ("end", "error"),
    [("pass", None), ("os.kill(os.getpid(), 9)", CompressionError), ("time.sleep(60)", isolation.Cancelled)],
)
def test_what_a_child_leaves_in_its_temporary_folder_is_removed(end, error, tmp_path, monkeypatch):
    """One that is killed in the middle of a training would leave all examples that it kept there."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    told, cancelled = [], threading.Event()

    def hear(folder: str) -> None:
        told.append(folder)
        if error is isolation.Cancelled:
            cancelled.set()

    code = f"""
import os, tempfile, time
from compression.isolation_child import tell
folder = tempfile.mkdtemp()
open(folder + "/examples", "w").write("many")
tell(folder)
{end}
"""
    with pytest.raises(error) if error else nullcontext():
        isolation.run(exec, code, time_limit_s=60, on_message=hear, cancelled=cancelled)
    assert Path(told[0]).is_relative_to(tmp_path)
    assert not any(tmp_path.iterdir())


def test_what_a_child_leaves_running_is_ended(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    isolation.run(exec, SLEEPS.replace("time.sleep(60)", ""), time_limit_s=60)
    assert wait_for(lambda: not any(map(alive, pids_in(tmp_path))))


def test_an_interruption_here_ends_the_child(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def interrupt() -> None:
        wait_for((tmp_path / "pids").exists)
        os.kill(os.getpid(), signal.SIGINT)

    # A shell starts what runs in the background with the signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            isolation.run(exec, SLEEPS, time_limit_s=60)
    finally:
        thread.join()
        signal.signal(signal.SIGINT, before)
    assert wait_for(lambda: not any(map(alive, pids_in(tmp_path))))


def test_a_killed_parent_leaves_no_orphans(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", PARENT], cwd=tmp_path, env=environment) as parent:
        assert wait_for((tmp_path / "pids").exists)
        pids = [int((tmp_path / "server").read_text()), *pids_in(tmp_path)]
        assert all(map(alive, pids))
        parent.kill()
    assert wait_for(lambda: not any(map(alive, pids)))


def test_a_child_tells_how_far_it_is():
    told = []
    code = "from compression.isolation_child import tell; tell((1, {'loss': 0.5})); tell('x' * 200_000)"
    isolation.run(exec, code, time_limit_s=60, on_message=told.append)
    assert told == [(1, {"loss": 0.5}), "x" * 200_000]


def test_a_child_asks_the_server_that_it_is_from():
    """What it asks for is forked from a process that has executed nothing, and costs no second import."""
    code = """
import os
from compression import isolation
assert isolation.run(os.getppid, time_limit_s=60) == os.getppid()
"""
    isolation.run(exec, code, time_limit_s=60)


@pytest.mark.methods
def test_what_is_given_up_ends_with_all_that_it_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cancelled = threading.Event()

    def give_up() -> None:
        wait_for((tmp_path / "pids").exists)
        cancelled.set()

    thread = threading.Thread(target=give_up)
    thread.start()
    code = f"from compression import isolation; isolation.run(exec, {SLEEPS!r}, time_limit_s=60)"
    with pytest.raises(isolation.Cancelled, match="the node trainer was given up"):
        isolation.run(exec, code, time_limit_s=60, what="the node trainer", cancelled=cancelled)
    thread.join()
    assert wait_for(lambda: not any(map(alive, pids_in(tmp_path))))


@pytest.mark.methods
def test_a_server_that_lacks_modules_gives_way_to_one_that_has_them():
    before = isolation.run(os.getppid, time_limit_s=60)
    isolation.warm("tabnanny")
    isolation.run(exec, "import sys; assert 'tabnanny' in sys.modules", time_limit_s=60)
    after = isolation.run(os.getppid, time_limit_s=60)
    isolation.warm()
    assert isolation.run(os.getppid, time_limit_s=60) == after != before
    assert wait_for(lambda: not alive(before))


def test_a_conversion_gives_the_bytes_that_it_gives_here(trained, data, tmp_path):
    keras_models.save(trained, tmp_path / "model")
    request = conversion.Request(str(tmp_path / "model"), INT8, data.for_features, "accuracy", seed=1)
    finished = isolation.run(conversion.finish, request, time_limit_s=300)
    assert finished.content == convert(keras_models.load(tmp_path / "model"), INT8, data.train)
    assert finished.report["mismatch"] is None
    with pytest.raises(CompressionError, match=r"must be done in 0\.05 s"):
        isolation.run(conversion.finish, request, time_limit_s=0.05)
