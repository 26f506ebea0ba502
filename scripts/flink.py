"""Gets Beam's job server with a Flink inside, and runs it: `python scripts/flink.py` prints its class path.

Java and Maven are installed by apt when they are absent and root calls; elsewhere the command to type is told. The jars
come by their coordinates through Maven into `.flink`. The variable `JOB_SERVER` names a jar or a class path instead.
Exit status: 0: there; 1: Java or Maven is missing; 3: Maven cannot get the artifacts.
"""

# ruff: noqa: T201 (a script talks on standard output)

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / ".flink"
# The job server of any release runs jobs of newer Python SDKs: what both say to each other is Beam's stable protocol.
COORDINATES = ("org.apache.beam:beam-runners-flink-1.19:2.62.0", "org.slf4j:slf4j-simple:1.7.36")
MAIN = "org.apache.beam.runners.flink.FlinkJobServerDriver"
NOT_SERVED = 3
_PACKAGES = {"java": "default-jre-headless", "mvn": "maven"}
_FETCH_SECONDS = 300
_START_SECONDS = 60
# What Flink and Beam reach into of a Java that closes its insides.
_OPEN = ("java.lang", "java.lang.reflect", "java.io", "java.net", "java.nio", "java.time", "java.util", "sun.nio.ch")
_CONFIGURATION = """\
rest.port: 0
rest.address: localhost
rest.bind-address: localhost
jobmanager.rpc.address: localhost
taskmanager.host: localhost
taskmanager.numberOfTaskSlots: 2
parallelism.default: 2
taskmanager.memory.network.min: 64m
taskmanager.memory.network.max: 64m
taskmanager.memory.managed.size: 128m
"""


class NotServed(Exception):
    """Maven cannot get the artifacts."""


def missing() -> list[str]:
    """The programs that are not there; with `JOB_SERVER` or with jars from before, Maven is not needed."""
    needed = ["java"] if os.environ.get("JOB_SERVER") or _jars().exists() else ["java", "mvn"]
    return [name for name in needed if shutil.which(name) is None]


def install(programs: list[str]) -> None:
    """Installs Debian's packages; what fails is told by apt itself and by the check that follows."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    packages = [_PACKAGES[name] for name in programs]
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
        subprocess.run(["apt-get", *command], env=quiet, check=False, stdout=subprocess.DEVNULL)


def class_path() -> str | None:
    """What `JOB_SERVER` says, else the jars from before; None: there are none."""
    named = os.environ.get("JOB_SERVER")
    if named:
        return named
    return f"{_jars()}/*" if _jars().exists() else None


def fetch() -> None:
    """Gets the jars by Maven, all of them or none.

    Raises:
        NotServed: Maven could not get them; what it said.
    """
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        pom = Path(folder) / "pom.xml"
        pom.write_text(project(COORDINATES))
        command = ["mvn", "-B", "-q", "-f", str(pom), "dependency:copy-dependencies", "-DincludeScope=runtime"]
        command.append(f"-DoutputDirectory={folder}/jars")
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_FETCH_SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise NotServed(f"mvn took more than {_FETCH_SECONDS} s") from error
        if done.returncode:
            said = [line for line in done.stdout.splitlines() if "ERROR" in line] or [f"status {done.returncode}"]
            raise NotServed(said[0].replace("[ERROR]", "").strip()[:300])
        (Path(folder) / "jars").rename(_jars())


def project(coordinates: tuple[str, ...]) -> str:
    """A Maven project that needs these artifacts and nothing else."""
    parts = [dict(zip(("groupId", "artifactId", "version"), each.split(":"), strict=True)) for each in coordinates]
    needs = "".join(f"<dependency>{''.join(f'<{k}>{v}</{k}>' for k, v in part.items())}</dependency>" for part in parts)
    own = "<modelVersion>4.0.0</modelVersion><groupId>edge</groupId><artifactId>flink</artifactId><version>1</version>"
    return f"<project>{own}<dependencies>{needs}</dependencies></project>\n"


@contextlib.contextmanager
def job_server(folder: Path) -> Iterator[tuple[str, Path]]:
    """A job server whose Flink, with two slots, lives inside of it.

    Args:
        folder: Gets the log and what Flink writes.

    Yields:
        Its address, and the log, which names every job and every task.

    Raises:
        RuntimeError: It did not start; with the end of its log.
    """
    (folder / "flink-conf.yaml").write_text(f"{_CONFIGURATION}io.tmp.dirs: {folder}\n")
    log, port = folder / "job-server.log", _free_port()
    command = ["java", "-Xmx1g", *(f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in _OPEN)]
    command += ["-cp", str(class_path()), MAIN, "--flink-master=[local]", f"--flink-conf-dir={folder}"]
    command += [f"--job-port={port}", "--artifact-port=0", "--expansion-port=-1", f"--artifacts-dir={folder}/staged"]
    with (
        log.open("w") as out,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=folder) as process,
    ):
        try:
            _await(process, port, log)
            yield f"localhost:{port}", log
        finally:
            process.terminate()


def finished_jobs(log: Path) -> list[str]:
    """Names of the jobs that Flink finished, in order."""
    return re.findall(r"Job (\S+) \(\w+\) switched from state RUNNING to FINISHED", log.read_text())


def _await(process: subprocess.Popen, port: int, log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("localhost", port), timeout=1):
            return
        time.sleep(0.2)
    raise RuntimeError(f"the job server must start, but it did not; its log ends: {log.read_text()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        return int(taken.getsockname()[1])


def _jars() -> Path:
    # Named after what they are, so that a change of versions gets them anew.
    return FOLDER / "-".join(COORDINATES[0].split(":")[1:])


def main() -> int:
    """Returns the exit status."""
    if absent := missing():
        print(f"Installing {' and '.join(absent)}", flush=True)
        install(absent)
    if absent := missing():
        packages = " ".join(_PACKAGES[name] for name in absent)
        print(
            f"The tests on Flink need {' and '.join(absent)}. Type: apt-get install -y {packages} (as root)",
            file=sys.stderr,
        )
        return 1
    if class_path() is None:
        try:
            fetch()
        except NotServed as error:
            print(f"The artifacts of {COORDINATES[0]} are not there: {error}", file=sys.stderr)
            return NOT_SERVED
    print(f"The job server is {class_path()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
