"""A server on loopback that holds every request to the API of Kubeflow Pipelines, and the commands that talk to it.

Methods, paths and query parameters are those of the OpenAPI document of v2beta1, bodies are held to the models of
`kfp_server_api`, attribute by attribute. What does not fit is refused, and fails the test at its end, whatever the
client made of the refusal.
"""

import json
import os
import sys
import threading
from pathlib import Path

import pytest
import yaml

from kubeflow.__main__ import KUBEFLOW
from pipeline import cli

sys.path.append(str(Path(__file__).parent))

from kfp_stub_definition import Violation, hold_to_model
from kfp_stub_server import Server, Stub, handler


@pytest.fixture
def serve():
    """Starts stubs; checks at the end that no request broke the API's definition."""
    started = []

    def start(tls=None):
        stub = Stub()
        server = Server(("127.0.0.1", 0), handler(stub))
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        stub.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
        started.append((stub, server))
        return stub

    yield start
    for _, server in started:
        server.shutdown()
        server.server_close()
    assert [line for stub, _ in started for line in stub.violations] == []


@pytest.fixture
def stub(serve):
    return serve()


CONFIG = """\
name: digits
data: {format: tfrecord, path: "s3://data/digits", label: label, splits: {train: 6, validation: 1, eval: 3}}
model: {module: models.digits, task: multiclass}
variants: {int8: [quantize: {mode: int8}]}
gate: {metric: accuracy, max_drop: 0.03}
push: {to: "s3://models/digits"}
kubeflow:
  root: s3://pipelines/digits
  image: registry.example/tfx-edge:1.0
  service_account: trainer
"""

PACKAGE = {
    "schemaVersion": "2.1.0",
    "sdkVersion": "tfx-1.21.0",
    "pipelineInfo": {"name": "digits"},
    "deploymentSpec": {},
    "root": {
        "inputDefinitions": {"parameters": {"force": {"parameterType": "STRING", "defaultValue": "no"}}},
        "dag": {
            "tasks": {
                "push": {"taskInfo": {"name": "push"}, "dependentTasks": ["train"]},
                "train": {"taskInfo": {"name": "train"}, "dependentTasks": ["ingest"]},
                "ingest": {"taskInfo": {"name": "ingest"}},
            }
        },
    },
}


class Tool:
    """The commands in this process, with a package that is compiled already."""

    def __init__(self, folder, capsys):
        self.file = folder / "digits.yaml"
        self.file.write_text(CONFIG)
        self.package = json.loads(json.dumps(PACKAGE))
        self._capsys = capsys

    def __call__(self, command, *options):
        code = cli.main([command, str(self.file), *map(str, options)], program=KUBEFLOW)
        out, err = self._capsys.readouterr()
        return code, out, err

    def json(self, command, *options):
        code, out, err = self(command, *options, "--json")
        return code, json.loads(out), err

    def text(self):
        return yaml.safe_dump_all([self.package, {"platforms": {"kubernetes": {}}}], sort_keys=True)

    def set(self, key, value):
        self.file.write_text(f"{CONFIG}  {key}: {json.dumps(value)}\n")


@pytest.fixture
def tool(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("TFX_EDGE_KFP", "KF_PIPELINES", "SSL_CERT")):
            monkeypatch.delenv(name)
    monkeypatch.setattr("kubeflow.live._FIRST_PAUSE_S", 0.001)
    made = Tool(tmp_path, capsys)
    for module in ("submit", "schedule"):
        monkeypatch.setattr(f"kubeflow.commands.{module}.compiled", lambda config: made.text())
    return made


@pytest.fixture
def violated():
    """The stub's own check, for the tests that show that it can fail."""
    return hold_to_model, Violation
