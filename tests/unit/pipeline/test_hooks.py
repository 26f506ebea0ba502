"""Hooks: real commands and a real server on loopback, whose payloads are held against the summary's schema."""

import http.server
import json
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import jsonschema
import pytest

from pipeline.config import load
from pipeline.errors import UserError
from pipeline.hooks import call_hooks, hook_faults

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = json.loads((ROOT / "pipeline" / "summary_schema.json").read_text())
BASE = """\
name: digits
data: {format: tfrecord, path: data/digits, label: label}
model: {module: models.digits, task: multiclass}
variants: {int8: [quantize: {mode: int8}]}
gate: {metric: accuracy, max_drop: 0.05}
"""


class Receiver(http.server.BaseHTTPRequestHandler):
    """Answers what the server was told to, one answer after the other."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        jsonschema.validate(json.loads(body), SCHEMA)
        self.server.received.append((self.headers["X-Tfx-Edge-Event"], self.headers.get("Authorization"), body))
        self.server.answering.wait(60)
        self.send_response(self.server.answers.pop(0) if self.server.answers else 200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    running.received, running.answers, running.answering = [], [], threading.Event()
    running.answering.set()
    running.url = f"http://127.0.0.1:{running.server_port}/edge"
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture
def summary(summaries, tmp_path):
    """A summary on disk."""
    path = tmp_path / "summary.json"
    path.write_text(json.dumps(summaries))
    jsonschema.validate(summaries, SCHEMA)
    return summaries, path


@pytest.fixture
def summaries():
    from compression.edge.host import describe

    nothing = dict.fromkeys(("size_bytes", "gzip_bytes", "entropy_bytes", "lut_bytes", "latency_ms"))
    return {
        "schema_version": 1,
        "run_id": "20261125-000000-abcd",
        "name": "digits",
        "started_at": "2026-11-25T00:00:00+00:00",
        "finished_at": "2026-11-25T00:00:09+00:00",
        "status": "failed",
        "exit_code": 1,
        "spans": [],
        "data": None,
        "seed": 1,
        "config_sha256": "0" * 64,
        "host": {**describe(), "tensorflow": None},
        "n_examples": None,
        "gate_method": "none",
        "baseline": {"metric": "accuracy", "value": None, **nothing},
        "champion": None,
        "warm_start": None,
        "search": None,
        "variants": [],
        "selected": None,
        "selection_reason": None,
        "pushed": None,
        "nodes": [],
        "not_measured": {},
    }


def config(tmp_path, hooks: str):
    path = tmp_path / "edge.yaml"
    path.write_text(f"{BASE}hooks: {hooks}\n")
    return load(path)


def test_a_webhook_gets_the_summary_as_it_is_on_disk(tmp_path, server, summary):
    found, path = summary
    assert list(call_hooks(config(tmp_path, f"{{failed: [{{webhook: {server.url!r}}}]}}"), found, path)) == []
    assert server.received == [("failed", None, path.read_bytes())]


def test_only_the_hooks_of_what_happened_are_called(tmp_path, server, summary):
    found, path = summary
    hooks = f"{{pushed: [{{webhook: {server.url!r}}}], blocked: [{{webhook: {server.url!r}}}]}}"
    assert list(call_hooks(config(tmp_path, hooks), found, path)) == []
    assert server.received == []


def test_an_answer_that_may_pass_is_tried_again(tmp_path, server, summary):
    server.answers = [500, 429]
    found, path = summary
    assert list(call_hooks(config(tmp_path, f"{{failed: [{{webhook: {server.url!r}}}]}}"), found, path)) == []
    assert len(server.received) == 3


@pytest.mark.parametrize(("answers", "said"), [([404], "but got 404"), ([500, 500], "ResponseError")])
def test_an_answer_that_stays_bad_is_told(tmp_path, server, summary, answers, said):
    server.answers = answers
    found, path = summary
    (line,) = call_hooks(config(tmp_path, f"{{failed: [{{webhook: {server.url!r}, retries: 1}}]}}"), found, path)
    assert line.startswith("hooks.failed[0] must ")
    assert said in line


def test_a_receiver_that_hangs_is_left(tmp_path, server, summary):
    server.answering.clear()
    found, path = summary
    hooks = f"{{failed: [{{webhook: {server.url!r}, retries: 0, timeout_seconds: 0.3}}]}}"
    (line,) = call_hooks(config(tmp_path, hooks), found, path)
    server.answering.set()
    assert len(server.received) == 1, "it did hang"
    assert "ReadTimeoutError" in line


def test_nobody_there(tmp_path, server, summary):
    server.shutdown()
    server.server_close()
    found, path = summary
    (line,) = call_hooks(config(tmp_path, f"{{failed: [{{webhook: {server.url!r}, retries: 0}}]}}"), found, path)
    assert "NewConnectionError" in line


def test_secrets_come_from_the_environment_and_are_told_nowhere(tmp_path, server, summary, monkeypatch):
    monkeypatch.setenv("EDGE_URL", f"{server.url}?key=s3cr3t")
    monkeypatch.setenv("EDGE_TOKEN", "Bearer s3cr3t")
    found, path = summary
    server.answers = [404]
    checked = config(tmp_path, "{failed: [{webhook_env: EDGE_URL, header_env: EDGE_TOKEN}]}")
    (line,) = call_hooks(checked, found, path)
    assert server.received[0][1] == "Bearer s3cr3t"
    assert "the URL in EDGE_URL" in line
    assert "s3cr3t" not in line
    assert "s3cr3t" not in checked.model_dump_json()


def test_a_variable_that_is_not_set_is_a_fault_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.delenv("EDGE_URL", raising=False)
    (fault,) = hook_faults(config(tmp_path, "{failed: [{webhook_env: EDGE_URL}]}"))
    assert str(fault).startswith(
        "hooks.failed[0].webhook_env: must name an environment variable that is set; got EDGE_URL"
    )


def test_a_command_gets_the_summary_on_standard_input(tmp_path, summary):
    found, path = summary
    out = tmp_path / "out"
    code = f"import os, sys; open({str(out)!r}, 'w').write(os.environ['TFX_EDGE_EVENT'] + sys.stdin.read())"
    hooks = json.dumps({"failed": [{"command": [sys.executable, "-c", code]}]})
    assert list(call_hooks(config(tmp_path, hooks), found, path)) == []
    assert out.read_text() == "failed" + path.read_text()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ([sys.executable, "-c", "raise SystemExit(3)"], "must end with exit code 0, but "),
        ([sys.executable, "-c", "import time; time.sleep(60)"], "must end within 1 s"),
        (["/no/such/program"], "must start /no/such/program, but that gave: No such file"),
    ],
)
def test_a_command_that_does_not_do_is_told(tmp_path, summary, command, said):
    found, path = summary
    hooks = json.dumps({"failed": [{"command": command, "timeout_seconds": 1}]})
    (line,) = call_hooks(config(tmp_path, hooks), found, path)
    assert said in line


def test_what_a_command_started_ends_with_it(tmp_path, summary):
    found, path = summary
    mark = tmp_path / "mark"
    child = f"import time; time.sleep(2); open({str(mark)!r}, 'w')"
    code = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)"
    hooks = json.dumps({"failed": [{"command": [sys.executable, "-c", code], "timeout_seconds": 1}]})
    assert len(list(call_hooks(config(tmp_path, hooks), found, path))) == 1
    time.sleep(2.5)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("hooks", "fault"),
    [
        ("{failed: [{}]}", "hooks.failed[0]: must hold one of command, webhook and webhook_env; got none of them"),
        ("{failed: [{webhook: 'ftp://x'}]}", "must be an http or https URL"),
        ("{failed: [{webhook: 'https://a:b@x'}]}", "must hold no credentials; got a URL with a user"),
        ("{failed: [{command: []}]}", "must hold at least 1 entries"),
        ("{drifted: []}", "hooks.drifted: must be one of pushed, blocked, failed, drift"),
    ],
)
def test_wrong_settings_are_named(tmp_path, hooks, fault):
    with pytest.raises(UserError) as caught:
        config(tmp_path, hooks)
    assert f"edge.yaml:6: {fault}" in str(caught.value) or fault in str(caught.value)


def test_the_receiver_of_the_documentation(tmp_path, summary):
    text = (ROOT / "docs" / "hooks.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    receiver = tmp_path / "receiver.py"
    receiver.write_text(
        code.replace("8080", "0").replace(
            "server.serve_forever()", "print(server.server_port, flush=True)\nserver.handle_request()"
        )
    )
    running = subprocess.Popen([sys.executable, str(receiver)], stdout=subprocess.PIPE, text=True)
    port = int(running.stdout.readline())
    found, path = summary
    hooks = f"{{failed: [{{webhook: 'http://127.0.0.1:{port}/'}}]}}"
    assert list(call_hooks(config(tmp_path, hooks), found, path)) == []
    out, _ = running.communicate(timeout=20)
    assert out.strip() == "digits failed None"
