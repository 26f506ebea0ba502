"""A stub of the API server of Kubeflow Pipelines: state, answers as the server gives them, and faults on demand."""

import email.parser
import email.policy
import http.server
import json
import re
import socket
import threading
import time
import urllib.parse
import uuid

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from kfp_stub_definition import OPERATIONS, Violation, hold_to_model

from pipeline.config.six_fields import fault_of


class Reject(Exception):
    """A request that is well formed, and that the server refuses."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Stub:
    """The server's state, and what it was told to do wrong."""

    def __init__(self):
        self.experiments, self.pipelines, self.versions, self.runs, self.recurring = {}, {}, {}, {}, {}
        self.token = None
        self.namespaces = None  # with several users: those that exist
        self.page = 100
        self.requests, self.violations, self.headers = [], [], []
        self.history = []  # names of the recurring runs that were enabled after each request
        self.script = []  # of a run: what each look shows
        self.wrong = None  # called with method and path; a response (status, body, content type), "hang" or "close"
        self.lose = None  # number of the request that is done and not answered
        self._lock = threading.Lock()
        self._clock = 0

    def answer(self, method, target, headers, body):
        """Status and value of the answer to a request."""
        with self._lock:
            path, _, query_text = target.partition("?")
            query = dict(urllib.parse.parse_qsl(query_text, keep_blank_values=True))
            self.requests.append((method, path))
            self.headers.append(headers)
            try:
                if self.token is not None and headers.get("authorization") != f"Bearer {self.token}":
                    raise Reject(401, f"who is {headers.get('authorization')}?")
                return 200, self._operate(method, path, query, headers, body)
            except Violation as error:
                self.violations.append(f"{method} {path}: {error}")
                return 400, {"code": 3, "message": str(error)}
            except Reject as error:
                return error.status, {"code": 3, "message": str(error), "details": []}
            finally:
                self.history.append(
                    [each["display_name"] for each in self.recurring.values() if each["mode"] == "ENABLE"]
                )

    def _operate(self, method, path, query, headers, body):
        kind, allowed, name, identity = _operation(method, path)
        if not set(query) <= allowed:
            raise Violation(f"must hold no query parameters beside {sorted(allowed)}, got {sorted(query)}")
        if "filter" in query:
            hold_to_model(json.loads(query["filter"]), "V2beta1Filter", "filter")
        if kind == "multipart":
            value = _uploaded(headers, body)
        elif kind is None:
            if body:
                raise Violation(f"must have no body, got {body!r}")
            value = None
        else:
            if headers.get("content-type") != "application/json":
                raise Violation(f"must be JSON, got {headers.get('content-type')}")
            value = json.loads(body)
            hold_to_model(value, kind)
        return getattr(self, name)(value, query, identity)

    def _list(self, held, field, query, experiment=None):
        if self.namespaces is not None and field != "pipeline_versions":
            self._namespace(query.get("namespace"))
        rows = list(held.values())
        for predicate in json.loads(query.get("filter", "{}")).get("predicates", []):
            assert predicate["operation"] == "EQUALS"
            # As MySQL compares: without regard to case.
            rows = [row for row in rows if str(row.get(predicate["key"])).lower() == predicate["string_value"].lower()]
        if query.get("sort_by", "").endswith(" desc"):
            rows.reverse()
        start = int(query.get("page_token") or 0)
        stop = start + min(int(query.get("page_size") or 20), self.page)
        token = {"next_page_token": str(stop)} if stop < len(rows) else {}
        return {field: rows[start:stop], "total_size": len(rows), **token} if rows else {}

    def _namespace(self, name):
        if not name:
            raise Reject(400, "Invalid input error: Namespace is required in multi-user mode")
        if name not in self.namespaces:
            raise Reject(403, f"User 'me' is not authorized with reason: no rights in {name}")

    def _made(self, held, key, value):
        identity = str(uuid.uuid4())
        self._clock += 1
        created = f"2026-01-01T00:00:{self._clock % 60:02d}Z"
        held[identity] = {**value, key: identity, "created_at": created}
        return held[identity]

    def list_experiments(self, value, query, _):
        return self._list(self.experiments, "experiments", query)

    def create_experiment(self, value, query, _):
        if self.namespaces is not None:
            self._namespace(value.get("namespace"))
        return self._made(self.experiments, "experiment_id", {"storage_state": "AVAILABLE", **value})

    def list_pipelines(self, value, query, _):
        return self._list(self.pipelines, "pipelines", query)

    def create_pipeline(self, value, query, _):
        if any(each["display_name"] == value["display_name"] for each in self.pipelines.values()):
            raise Reject(409, f"Already exist error: Failed to create a new pipeline. The name {value['display_name']}")
        return self._made(self.pipelines, "pipeline_id", value)

    def list_versions(self, value, query, pipeline):
        held = {key: each for key, each in self.versions.items() if each["pipeline_id"] == pipeline}
        return self._list(held, "pipeline_versions", query)

    def upload_version(self, value, query, _):
        documents = list(yaml.safe_load_all(value))
        json_format.ParseDict(documents[0], pipeline_spec_pb2.PipelineSpec())
        for each in documents[1:]:
            json_format.ParseDict(each, pipeline_spec_pb2.PlatformSpec())
        if query["pipelineid"] not in self.pipelines:
            raise Reject(404, "no such pipeline")
        named = {"pipeline_id": query["pipelineid"], "display_name": query["name"]}
        if any(named.items() <= each.items() for each in self.versions.values()):
            raise Reject(409, "Already exist error")
        return self._made(self.versions, "pipeline_version_id", {**named, "pipeline_spec": documents[0]})

    def _pipeline_of(self, value):
        if not value.get("display_name"):
            raise Reject(400, "Invalid input error: the name must not be empty")
        if value.get("experiment_id") not in self.experiments:
            raise Reject(404, "experiment not found")
        named = value["pipeline_version_reference"]
        version = self.versions.get(named["pipeline_version_id"])
        if version is None or version["pipeline_id"] != named["pipeline_id"]:
            raise Reject(404, "pipeline version not found")
        known = version["pipeline_spec"]["root"].get("inputDefinitions", {}).get("parameters", {})
        for name, given in value.get("runtime_config", {}).get("parameters", {}).items():
            if name not in known:
                raise Reject(400, f"parameter(s) provided are not required by pipeline: {name}")
            if known[name]["parameterType"].startswith("NUMBER") and not isinstance(given, int | float):
                raise Reject(400, f"input parameter {name} requires type double or integer")

    def create_run(self, value, query, _):
        self._pipeline_of(value)
        return self._made(self.runs, "run_id", {"state": "PENDING", **value})

    def list_runs(self, value, query, _):
        return self._list(self.runs, "runs", query)

    def get_run(self, value, query, identity):
        if identity not in self.runs:
            raise Reject(404, "run not found")
        if self.script:
            self.runs[identity].update(self.script.pop(0))
        hold_to_model(self.runs[identity], "V2beta1Run", "answer")
        return self.runs[identity]

    def list_recurring(self, value, query, _):
        return self._list(self.recurring, "recurringRuns", query)

    def create_recurring(self, value, query, _):
        self._pipeline_of(value)
        if not 1 <= int(value["max_concurrency"]) <= 10:
            raise Reject(400, "Max concurrency of a recurring run must be at least 1 and at most 10")
        fault = fault_of(value["trigger"]["cron_schedule"]["cron"])
        if fault:
            raise Reject(400, f"Schedule cron is not a supported format: {fault}")
        if value["mode"] not in ("ENABLE", "DISABLE"):
            raise Reject(400, "mode")
        return self._switched(self._made(self.recurring, "recurring_run_id", value), value["mode"])

    def _switched(self, recurring, mode):
        recurring.update(mode=mode, status=f"{mode}D")
        return recurring

    def _known(self, identity):
        if identity not in self.recurring:
            raise Reject(404, f"ResourceNotFoundError: Job {identity} not found.")
        return self.recurring[identity]

    def enable_recurring(self, value, query, identity):
        self._switched(self._known(identity), "ENABLE")
        return {}

    def disable_recurring(self, value, query, identity):
        self._switched(self._known(identity), "DISABLE")
        return {}

    def delete_recurring(self, value, query, identity):
        if query.get("propagation_policy") not in (None, "FOREGROUND", "BACKGROUND", "ORPHAN"):
            raise Violation(f"propagation policy {query['propagation_policy']}")
        del self.recurring[self._known(identity)["recurring_run_id"]]
        return {}


def _operation(method, path):
    for (verb, pattern), row in OPERATIONS.items():
        found = re.fullmatch(re.escape(pattern).replace(r"\{id\}", r"(?P<id>[^/:]+)"), path)
        if found and verb == method:
            return *row, found.groupdict().get("id")
    raise Violation("no such operation")


def _uploaded(headers, body):
    """The one file of a form."""
    head = f"Content-Type: {headers.get('content-type')}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.default).parsebytes(head + body)
    parts = list(message.iter_parts())
    names = [part.get_param("name", header="content-disposition") for part in parts]
    if names != ["uploadfile"] or not str(parts[0].get_filename()).endswith(".yaml"):
        raise Violation(f"must be a form with the YAML file uploadfile, got {names}")
    return parts[0].get_payload(decode=True)


def handler(stub):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet: two would wait for each other for 40 ms

        def log_message(self, *args):
            pass

        def _any(self):
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            wrong = stub.wrong(self.command, self.path.partition("?")[0]) if stub.wrong else None
            if wrong == "close":
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            if wrong == "hang":
                time.sleep(0.5)
                return
            status, value = wrong[:2] if wrong else stub.answer(self.command, self.path, headers, body)
            if stub.lose == len(stub.requests):
                status, value = 503, ""
            kind = wrong[2] if wrong else "application/json"
            text = value.encode() if isinstance(value, str) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text)))
            if 300 <= status < 400:
                self.send_header("Location", "https://login.example/dex")
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_DELETE = _any  # noqa: N815 (the names that http.server looks for)

    return Handler


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that goes away while it is answered is part of some tests."""
