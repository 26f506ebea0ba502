"""The package as it is really compiled goes through the client, and compiles alike each time."""

import json
import threading
from pathlib import Path

import pytest

from kubeflow.__main__ import KUBEFLOW
from pipeline import cli

pytestmark = pytest.mark.golden

ROOT = Path(__file__).resolve().parents[2]
CONFIG = str(ROOT / "configs" / "digits_kubeflow.yaml")


@pytest.fixture
def stub(monkeypatch):
    """The server of the client's own tests."""
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "unit" / "kfp_client"))
    from kfp_stub_server import Server, Stub, handler

    made = Stub()
    server = Server(("127.0.0.1", 0), handler(made))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield made
    server.shutdown()
    server.server_close()
    assert made.violations == []


def test_a_real_package_is_submitted_and_scheduled_once(stub, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)

    def call(*argv):
        code = cli.main([*argv, "--host", stub.url, "--json"], program=KUBEFLOW)
        out, err = capsys.readouterr()
        assert code == 0, err
        return json.loads(out)

    assert call("submit", CONFIG, "--no-wait", "--force")["state"] == "PENDING"
    (run,) = stub.runs.values()
    sent = run["runtime_config"]["parameters"]["force"]
    (version,) = stub.versions.values()
    declared = version["pipeline_spec"]["root"]["inputDefinitions"]["parameters"]["force"]
    # The cluster refuses a value of another type, and ingest any but these two.
    assert (declared["parameterType"], type(declared["defaultValue"]), sent) == ("STRING", str, "yes")
    assert call("schedule", CONFIG, "--cron", "0 0 2 * * *")["action"] == "created"
    assert call("schedule", CONFIG, "--cron", "0 0 2 * * *")["action"] == "unchanged"
    (version,) = stub.versions.values()
    assert {"ingest", "trainer", "edge-pusher", "summary"} <= set(version["pipeline_spec"]["root"]["dag"]["tasks"])
