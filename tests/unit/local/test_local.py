"""What surrounds a run: cache keys of code, causes in words, the lock, the redirected log."""

import importlib
import os
import pickle
import signal
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from components.errors import InputError
from pipeline import run_log
from pipeline.code_hash import _source, code_sha256
from pipeline.errors import UserError, WorkspaceInUse
from pipeline.failure import cause, excerpt, from_child, refuses_data
from pipeline.interruption import Interrupted, watched
from pipeline.workspace import Workspace


@pytest.fixture
def tree(tmp_path, monkeypatch):
    package = tmp_path / "acme"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "model.py").write_text("import numpy\nfrom acme.layers import block\nfrom . import shapes\n")
    (package / "layers.py").write_text("def block(): ...\n")
    (package / "shapes.py").write_text("SIDE = 8\n")
    (package / "other.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield package
    _source.cache_clear()


@pytest.mark.parametrize(("file", "changes"), [("model", True), ("layers", True), ("shapes", True), ("other", False)])
def test_code_hash_follows_imports(tree, file, changes):
    before = code_sha256("acme.model")
    (tree / f"{file}.py").write_text("# edited\n" + (tree / f"{file}.py").read_text())
    assert (code_sha256("acme.model") != before) is changes


def test_code_hash_leaves_installed_packages_out():
    assert _source("numpy") is None
    assert _source("json") is None
    assert _source("compression.settings").name == "__init__.py"


def chained():
    try:
        try:
            raise InputError("label must be there")
        except InputError as error:
            raise RuntimeError("[while running 'X']") from error
    except RuntimeError as error:
        return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InputError("label must be there"), "label must be there"),
        (chained(), "label must be there"),
        (OSError(13, "Permission denied"), "PermissionError: [Errno 13] Permission denied"),
        (RuntimeError("Traceback (most recent call last):\n  File x\nKeyError: 'a'\n"), "KeyError: 'a'"),
        (ValueError(""), "ValueError: no message"),
    ],
)
def test_cause_is_one_sentence(error, expected):
    assert cause(error) == expected


def test_second_run_is_refused_and_told_by_whom(tmp_path):
    workspace = Workspace(tmp_path)
    by = rf"run first \(process {os.getpid()}, since"
    with workspace.locked("first"), pytest.raises(WorkspaceInUse, match=by), Workspace(tmp_path).locked("second"):
        pass
    assert not workspace.run_folder("second").exists()
    with workspace.locked("third"):
        pass


def test_lock_of_a_killed_process_is_free(tmp_path):
    code = f"""
import os, signal
from pathlib import Path
from pipeline.workspace import Workspace
with Workspace(Path({str(tmp_path)!r})).locked("killed"):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=Path.cwd()).returncode == -9
    assert (tmp_path / "owner.json").exists()
    with Workspace(tmp_path).locked("next"):
        pass


def test_workspace_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    must = "must be a folder that can be written"
    with pytest.raises(UserError, match=must), Workspace(tmp_path / "file").locked("run"):
        pass


def test_log_takes_what_children_and_c_code_print(tmp_path, capfd):
    with run_log.into(tmp_path / "run.log") as terminal:
        os.write(1, b"from C\n")
        subprocess.run([sys.executable, "-c", "import sys; print('child', file=sys.stderr)"], check=True)
        terminal.write("for people\n")
    assert (tmp_path / "run.log").read_text().split("\n")[:-1] == ["from C", "child"]
    assert capfd.readouterr().out == "for people\n"


def test_disk_full_is_told_although_another_error_hides_it():
    try:
        try:
            raise OSError(28, "No space left on device")
        except OSError:
            raise ValueError("cleaning up failed too")  # noqa: B904 - as libraries do
    except ValueError as error:
        expected = "the disk must have room, but is full (No space left on device); free some space, or choose another"
        assert cause(error).startswith(expected)


def test_a_sparse_feature_in_a_place_of_a_dense_one_is_explained():
    import tensorflow as tf

    with pytest.raises((TypeError, ValueError)) as caught:
        tf.reshape(tf.sparse.from_dense([[1.0]]), [1])
    assert "that some examples lack, is a tf.SparseTensor in preprocessing_fn: make it dense first" in cause(
        caught.value
    )
    assert "SparseTensor" not in cause(KeyError("width"))


def test_place_in_the_users_code_is_told(tmp_path, monkeypatch):
    (tmp_path / "user_module.py").write_text("def build(hparams):\n    return hparams['width']\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(KeyError) as caught:
        importlib.import_module("user_module").build({})
    frames_of_the_test = caught.value.__traceback__.tb_next
    assert cause(caught.value.with_traceback(frames_of_the_test)) == f"KeyError: 'width' at {tmp_path}/user_module.py:2"


def test_an_error_of_a_node_in_another_process_is_told_like_one_of_this(tmp_path, monkeypatch):
    (tmp_path / "their_module.py").write_text("def build(hparams):\n    return hparams['width']\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(KeyError) as caught:
        importlib.import_module("their_module").build({})
    travelled = pickle.loads(pickle.dumps(from_child(caught.value)))
    assert cause(travelled) == f"KeyError: 'width' at {tmp_path}/their_module.py:2"
    assert excerpt(travelled)[-3:] == [
        f'File "{tmp_path}/their_module.py", line 2, in build',
        "  return hparams['width']",
        "KeyError: 'width'",
    ]
    wrapped = RuntimeError("as Beam hands it on")
    wrapped.__cause__ = InputError("label must be there")
    travelled = pickle.loads(pickle.dumps(from_child(wrapped)))
    assert (cause(travelled), refuses_data("ingest", travelled)) == ("label must be there", True)


def test_signal_is_raised_until_it_arrives():
    before = signal.getsignal(signal.SIGINT)
    with watched() as signals:
        with pytest.raises(RuntimeError):
            try:
                os.kill(os.getpid(), signal.SIGINT)
            except Interrupted as error:
                raise RuntimeError("as Beam hands it on") from error
        with pytest.raises(Interrupted, match="SIGINT") as caught:
            signals.check()
        assert caught.value.exit_code == 130
        with pytest.raises(Interrupted):
            os.kill(os.getpid(), signal.SIGALRM)  # the timer, which need not be waited for
        signals.settle()
        signals.check()
    assert signal.getsignal(signal.SIGINT) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_excerpt_names_the_users_line(tmp_path):
    module = tmp_path / "mine.py"
    module.write_text("import json\n\n\ndef build():\n    inner()\n\n\ndef inner():\n    json.loads('{')\n")
    code = compile(module.read_text(), str(module), "exec")
    space: dict[str, object] = {}
    exec(code, space)
    with pytest.raises(ValueError, match="Expecting") as raised:
        space["build"]()
    expected = [
        f'File "{module}", line 5, in build',
        "  inner()",
        f'File "{module}", line 9, in inner',
        "  json.loads('{')",
    ]
    assert excerpt(raised.value)[:4] == expected
    assert excerpt(raised.value)[4].startswith("json.decoder.JSONDecodeError: Expecting")
    assert len(excerpt(raised.value)) == 5
    # Beam gives the traceback of a worker as text.
    text = "".join(traceback.format_exception(raised.value))
    assert excerpt(RuntimeError(text)) == excerpt(raised.value)
    assert excerpt(InputError("label must be there")) == []
