"""Whether the engine is there: asked before a run, and told by the doctor."""

import http.server
import json
import socket
import threading

import pytest

from pipeline import engine_check
from pipeline.errors import UserError

WORKERS = 'environment_type: EXTERNAL, environment_config: "127.0.0.1:1"'
OVERVIEW = {"flink-version": "1.19.0", "slots-total": 2, "slots-available": 1}


@pytest.fixture
def flink():
    """The address of what answers as Flink's REST interface does."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/overview" else 404)
            self.end_headers()
            self.wfile.write(json.dumps(OVERVIEW).encode())

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def closed():
    """An address at which nothing answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def engine(configs):
    """`engine(text)`: the configuration with `runtime: {beam: {text}}`."""

    def load(text: str):
        whole, _ = configs.changed("runtime: {workspace: .edge/digits}", f"runtime: {{beam: {{{text}}}}}")
        return configs.load(whole)

    return load


def told(config):
    with pytest.raises(UserError) as caught:
        engine_check.refuse_absent(config)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_a_run_here_asks_nobody(configs):
    config = configs.load(configs.base)
    engine_check.refuse_absent(config)
    assert [check.found for check in engine_check.examine(config)] == ["local, in the process of the run"]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('runner: flink, options: {{job_endpoint: "{at}", ' + WORKERS + "}}", "options.job_endpoint: must"),
        ('runner: flink, options: {{flink_master: "http://{at}", ' + WORKERS + "}}", "options.flink_master: must"),
        ('runner: spark, options: {{spark_master_url: "spark://{at}", ' + WORKERS + "}}", "options.spark_master_url"),
        (
            'components: {{gate: {{runner: flink, options: {{job_endpoint: "{at}", ' + WORKERS + "}}}}}}",
            "components.gate.options.job_endpoint",
        ),
    ],
)
def test_an_address_that_does_not_answer_is_named_with_its_key(engine, closed, text, key):
    message = told(engine(text.format(at=closed)))
    assert f"runtime.beam.{key}" in message
    assert closed in message
    assert "refused" in message
    assert len(message.splitlines()) == 1 or "no java" in message


def test_without_java_and_without_the_jar_beam_can_start_nothing(engine, monkeypatch):
    monkeypatch.setenv("PATH", "")
    message = told(engine('runner: flink, options: {flink_master: "[local]", flink_job_server_jar: no/such.jar}'))
    assert "no java; apt-get install" in message
    assert "flink_job_server_jar: must be an existing file or a URL; got no/such.jar: not found" in message


def test_an_engine_that_answers_is_taken(engine, flink):
    config = engine(f'runner: flink, options: {{job_endpoint: "{flink}", flink_master: "{flink}", {WORKERS}}}')
    engine_check.refuse_absent(config)
    checks = {check.name: check for check in engine_check.examine(config)}
    assert checks["Beam engine"].status == checks["Flink"].status == "ok"
    assert checks["Flink"].found == "1.19.0, 2 slots (1 free)"
    assert checks["Worker pool"].status == "warning"
    assert "components.beam_worker" in checks["Worker pool"].remedy


@pytest.mark.parametrize(
    ("options", "status", "remedy"),
    [
        ({"flink_version": "2.0"}, "fault", "Set flink_version to that of the cluster, 1.19.0; got 2.0."),
        ({"flink_version": "1.19", "parallelism": 3}, "warning", "until there are 3 slots"),
        ({"flink_version": "1.19", "parallelism": 2}, "ok", None),
    ],
)
def test_what_flink_says_must_fit_what_is_asked(options, status, remedy):
    check = engine_check.check_flink({"flink_master": "f:8081", **options}, lambda master: OVERVIEW)
    assert check.status == status
    assert (remedy or "") in (check.remedy or "")


def test_what_is_no_flink_is_told():
    check = engine_check.check_flink({"flink_master": "f:8081"}, lambda master: {"hello": 1})
    assert check.status == "fault"
    assert "REST" in check.remedy


def test_dataflow_needs_its_client_and_credentials(tmp_path):
    def broken(module):
        raise ImportError(module)

    assert engine_check.check_dataflow(broken, {}, tmp_path).status == "fault"
    assert engine_check.check_dataflow(str, {}, tmp_path).status == "warning"
    assert engine_check.check_dataflow(str, {"GOOGLE_APPLICATION_CREDENTIALS": "key"}, tmp_path).status == "ok"
