"""Is the engine of `runtime.beam` there: what a run asks before its first node, and what `doctor CONFIG` tells.

Beam itself would wait minutes for a job server that is not there, and name no key.
"""

import http.client
import importlib
import json
import os
import shutil
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline.config import Config, Fault
from pipeline.config.beam import BeamSection
from pipeline.config.faults import KeyPath, show_path
from pipeline.doctor import INSTALL, Check

HERE: KeyPath = ("runtime", "beam")
PATIENCE_S = 3.0
_PAGE = "docs/beam-engines.md"
_CREDENTIALS = Path(".config", "gcloud", "application_default_credentials.json")

# The key that names an address, and what must answer there; the first that is given counts.
_KEYS = {
    "flink": (("job_endpoint", "a job server"), ("flink_master", "Flink")),
    "spark": (("job_endpoint", "a job server"), ("spark_rest_url", "Spark"), ("spark_master_url", "Spark")),
}
_JARS = {"flink": "flink_job_server_jar", "spark": "spark_job_server_jar"}
_UBER = {"flink": "flink_submit_uber_jar", "spark": "spark_submit_uber_jar"}


@dataclass(frozen=True)
class Engine:
    """An engine that some nodes run on.

    Attributes:
        path: Where its options stand in the configuration.
        runner: Its name.
        options: Those that are given, under Beam's names.
    """

    path: KeyPath
    runner: str
    options: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, str] | None:
        """The option that names where the engine answers, and what does; `None`: nothing runs there yet."""
        for key, what in _KEYS.get(self.runner, ()):
            if _host_port(str(self.options.get(key) or "")) is not None:
                return key, what
        return None

    @property
    def starts_java(self) -> bool:
        """Whether Beam starts a job server."""
        uber = self.options.get(_UBER.get(self.runner, ""), False)
        return self.runner in _JARS and not self.options.get("job_endpoint") and not uber


def engines(section: BeamSection) -> list[Engine]:
    """Every engine that is named, that of all nodes first."""
    found = [Engine((*HERE, "options"), section.runner, section.options.given())]
    for name in section.components:
        runner, options = section.engine(name)
        if any((runner, options.given()) == (each.runner, each.options) for each in found):
            continue
        found.append(Engine((*HERE, "components", name, "options"), runner, options.given()))
    return found


def refuse_absent(config: Config) -> None:
    """Ends a run whose engine is not there before it begins.

    Raises:
        UserError: With every address that does not answer, and every program that is missing, at its key.
    """
    faults = [fault for engine in engines(config.runtime.beam) for fault in _faults(engine)]
    if faults:
        raise config.refuse(list({str(fault.got): fault for fault in reversed(faults)}.values()))


def _faults(engine: Engine) -> Iterator[Fault]:
    if engine.key is not None:
        key, what = engine.key
        address = str(engine.options[key])
        trouble = refusal(address)
        if trouble:
            must = f"must be an address where {what} answers"
            yield Fault((*engine.path, key), must, f"{address}: {trouble}", f"start it, see {_PAGE}, or name another")
    if engine.starts_java:
        java = str(engine.options.get("job_server_java_launcher", "java"))
        if shutil.which(java) is None:
            must = "must come with Java, which runs the job server, or with job_endpoint, where one runs already"
            yield Fault(engine.path, must, f"no {java}", "apt-get install -y default-jre-headless")
        jar = str(engine.options.get(_JARS[engine.runner]) or "")
        if jar and "://" not in jar and not Path(jar).is_file():
            yield Fault((*engine.path, _JARS[engine.runner]), "must be an existing file or a URL", f"{jar}: not found")


def examine(config: Config) -> Iterator[Check]:
    """The doctor's checks of every engine of a configuration."""
    for engine in engines(config.runtime.beam):
        faults = list(_faults(engine))
        place = f"{engine.key[1]} at {engine.options[engine.key[0]]}" if engine.key else "in Beam's hands"
        where = "in the process of the run" if engine.runner == "local" else place
        if not faults:
            yield Check("Beam engine", "ok", f"{engine.runner}, {where}")
        for fault in faults:
            yield Check("Beam engine", "fault", f"{show_path(fault.path)}: {fault.got}", fault.advice or fault.must)
        if engine.runner == "flink" and not faults and _host_port(str(engine.options.get("flink_master") or "")):
            yield check_flink(engine.options, ask_flink)
        if engine.options.get("environment_type") == "EXTERNAL":
            yield check_workers(str(engine.options["environment_config"]))
        if engine.runner == "dataflow":
            yield check_dataflow(importlib.import_module, os.environ, Path.home())


def check_flink(options: Mapping[str, Any], ask: Callable[[str], Mapping[str, Any]]) -> Check:
    """What Flink's REST interface says of itself fits what is asked of it."""
    master = str(options["flink_master"])
    try:
        told = ask(master)
        version, slots = str(told["flink-version"]), int(told["slots-total"])
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException) as error:
        remedy = "flink_master must be the address of Flink's REST interface, port 8081 by default"
        return Check("Flink", "fault", f"{master}: {type(error).__name__}: {error}", remedy)
    found = f"{version}, {slots} slots ({told.get('slots-available', '?')} free)"
    wanted, parallelism = options.get("flink_version"), options.get("parallelism") or 1
    if wanted and not version.startswith(f"{wanted}."):
        return Check("Flink", "fault", found, f"Set flink_version to that of the cluster, {version}; got {wanted}.")
    if slots < parallelism:
        remedy = f"Start task managers until there are {parallelism} slots (parallelism): until then jobs wait."
        return Check("Flink", "warning", found, remedy)
    return Check("Flink", "ok", found)


def check_workers(address: str) -> Check:
    """The worker pool, as far as this machine can see it: it must be seen by the engine's workers."""
    trouble = refusal(address)
    if trouble is None:
        return Check("Worker pool", "ok", address)
    remedy = f"Beside each of the engine's workers must run: python -m components.beam_worker ({_PAGE})"
    return Check("Worker pool", "warning", f"{address} does not answer here: {trouble}", remedy)


def check_dataflow(importer: Callable[[str], ModuleType], environ: Mapping[str, str], home: Path) -> Check:
    """The client can be imported, and finds credentials."""
    try:
        importer("apache_beam.runners.dataflow.internal.apiclient")
    except Exception as error:
        return Check("Dataflow client", "fault", f"{type(error).__name__}: {error}", INSTALL)
    if environ.get("GOOGLE_APPLICATION_CREDENTIALS") or (home / _CREDENTIALS).is_file():
        return Check("Dataflow client", "ok", "with credentials")
    remedy = "Type: gcloud auth application-default login (on Google's machines the service account will do)"
    return Check("Dataflow client", "warning", "no credentials found", remedy)


def refusal(address: str) -> str | None:
    """Why nothing answers at an address; `None`: something does."""
    host_port = _host_port(address)
    if host_port is None:
        return "no host:port"
    try:
        socket.create_connection(host_port, timeout=PATIENCE_S).close()
    except OSError as error:
        return error.strerror or str(error) or type(error).__name__
    return None


def ask_flink(master: str) -> Mapping[str, Any]:
    """What a Flink says of itself.

    Raises:
        OSError: Nothing answers.
        ValueError: Something else answers.
    """
    url = master if "://" in master else f"http://{master}"
    with urllib.request.urlopen(f"{url.rstrip('/')}/overview", timeout=PATIENCE_S) as answer:
        told: Mapping[str, Any] = json.load(answer)
    return told


def _host_port(address: str) -> tuple[str, int] | None:
    """Host and port out of `host:port` or `scheme://host:port/..`; `None` for names such as `[local]`."""
    host, colon, port = address.rpartition("://")[2].split("/")[0].rpartition(":")
    return (host.strip("[]"), int(port)) if colon and host and port.isascii() and port.isdigit() else None
