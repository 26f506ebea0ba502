"""Makes `.venv` hold exactly what the lock for this C library says, and the extras that were asked for.

`make setup`; `--dev` for the tools of developers, `--devices` for those that measure for device profiles, `--browser`
for those that drive a browser. An extra that was installed once stays, and follows its lock, until `.venv` is made
anew. Needs a plain Python 3.11 to 3.13 and nothing else. A stamp is written last: a setup that was killed left none and
starts afresh; one with nothing changed ends at once. An environment made before keeps its Python unless `--this-python`
is given.
"""

# ruff: noqa: T201 (a script talks on standard output)
import argparse
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

OLDEST, NEWEST = (3, 11), (3, 13)
if not OLDEST <= tuple(sys.version_info[:2]) <= NEWEST:
    sys.exit(
        f"setup needs Python 3.11, 3.12 or 3.13; {sys.executable} is {platform.python_version()}. "
        "Name another one: make setup PYTHON=python3.11"
    )

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / ".setup.json"
BIN = VENV / "bin"
NEEDS_GLIBC_239, FOR_OLDER_GLIBC = "requirements.txt", "requirements-glibc228.txt"
EXTRAS = {"dev": "requirements-dev.txt", "devices": "requirements-devices.txt", "browser": "requirements-browser.txt"}


class SetupError(Exception):
    """What must hold, what was found, what to type."""


def glibc_version() -> tuple[int, int] | None:
    """The version of the GNU C library, None where there is another one."""
    try:
        name, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()
    except (ValueError, OSError):
        return None
    major, minor = version.split(".")[:2]
    return (int(major), int(minor)) if name == "glibc" else None


def choose_lock(system: str, machine: str, glibc: tuple[int, int] | None, python: tuple[int, int]) -> str:
    """The lock that installs here.

    Raises:
        SetupError: No lock does.
    """
    here = f"{system} {machine}, C library {'.'.join(map(str, glibc)) if glibc else 'not glibc'}"
    if (system, machine) == ("Darwin", "arm64"):
        return NEEDS_GLIBC_239
    if system != "Linux" or machine != "x86_64" or glibc is None or glibc < (2, 28):
        raise SetupError(
            f"TFX's libraries ship for Linux x86_64 with glibc 2.28 or newer and for macOS arm64; this is {here}. "
            "Use a machine or container of that kind, Debian 12 for one."
        )
    if glibc >= (2, 39):
        return NEEDS_GLIBC_239
    if python != (3, 11):
        raise SetupError(
            f"With a C library older than 2.39 TFX's libraries ship for Python 3.11 only; this is {here}, Python "
            f"{python[0]}.{python[1]}. Name another Python: make setup PYTHON=python3.11"
        )
    return FOR_OLDER_GLIBC


def check_can_make_venv() -> None:
    """Debian splits these two modules off.

    Raises:
        SetupError: One is missing.
    """
    if not all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        raise SetupError(
            f"setup needs the modules venv and ensurepip; {sys.executable} lacks one of them. "
            f"Type: apt-get install -y python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        )


def check_can_build() -> None:
    """`pyfarmhash`, which TFDV needs, ships as C++ source.

    Raises:
        SetupError: There is neither a compiler with Python's headers nor a build of an earlier setup.
    """
    cache = Path(os.environ.get("UV_CACHE_DIR") or Path.home() / ".cache" / "uv")
    wheel = f"pyfarmhash-*-cp{sys.version_info[0]}{sys.version_info[1]}-*.whl"
    if next(cache.glob(f"sdists-v*/*/pyfarmhash/*/*/{wheel}"), None):
        return
    compilers = [os.environ.get(name) or sysconfig.get_config_var(name) for name in ("CC", "CXX")]
    missing = [str(command) for command in compilers if not shutil.which(str(command).split()[0])]
    header = Path(sysconfig.get_path("include")) / "Python.h"
    missing += [] if header.exists() else [str(header)]
    if missing:
        raise SetupError(
            f"setup builds pyfarmhash from source and needs a C++ compiler and Python's headers; missing: "
            f"{', '.join(missing)}. Type: apt-get install -y g++ python3-dev"
        )


def wanted(lock: str, extras: set[str]) -> dict[str, object]:
    """What the stamp says once the environment holds it: one digest for the lock, one for each extra."""
    names = [lock, "requirements-uv.txt", "pyproject.toml", "scripts/setup.py"]
    digest = hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in names)).hexdigest()
    digests = {
        extra: hashlib.sha256((ROOT / name).read_bytes()).hexdigest() if extra in extras else None
        for extra, name in EXTRAS.items()
    }
    return {"root": str(ROOT), "lock": lock, "digest": digest, **digests}


def read_stamp() -> dict[str, object]:
    """The stamp of a complete environment whose Python still runs, else an empty one."""
    try:
        stamp = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) and (BIN / "python").exists() else {}


def this_python() -> list[object]:
    """Identifies the Python that runs this script."""
    return [list(sys.version_info[:3]), str(Path(sys.executable).resolve())]


def call(*command: object) -> None:
    """Runs one command of the installation.

    Raises:
        SetupError: It failed; its own output stands above.
    """
    if subprocess.run([str(part) for part in command], cwd=ROOT, check=False).returncode:
        raise SetupError(f"Installing failed at: {' '.join(str(part) for part in command)}. Mend it and call again.")


def install(locks: list[str], fresh: bool) -> None:
    """Brings the environment to what the locks say, the main one first, every file checked against its hash."""
    if fresh:
        print(f"Making {VENV} with Python {platform.python_version()}", flush=True)
        call(sys.executable, "-m", "venv", "--clear", VENV)
    pip = [BIN / "python", "-m", "pip", "--quiet", "--disable-pip-version-check"]
    call(*pip, "install", "--require-hashes", "--no-deps", "-r", "requirements-uv.txt")
    uv = [BIN / "uv", "pip"]
    here = ["--python", BIN / "python"]
    print(f"Installing {' and '.join(locks)} (some minutes where nothing is cached)", flush=True)
    quiet = [] if sys.stderr.isatty() else ["--quiet"]
    # Importing TFX from source takes twice as long as from bytecode, in every process where Python may not write it.
    sync = ["sync", "--require-hashes", "--build-constraints", locks[0], "--compile-bytecode"]
    call(*uv, *sync, *quiet, *here, *locks)
    offline = ["--no-deps", "--no-index", "--no-build-isolation"]
    call(*uv, "install", *offline, "--quiet", *here, "--editable", ".")


def set_up(extras: set[str], switch_python: bool) -> None:
    """Installs what is missing, nothing when the stamp says that all is there.

    Extras that are there stay: `make run` and `make test` set up too, and must not undo what was asked for.

    Raises:
        SetupError: The machine lacks something, or installing failed.
    """
    stamp = read_stamp()
    python = stamp.get("python") if stamp and not switch_python else this_python()
    fresh = not stamp or stamp.get("python") != python or stamp.get("root") != str(ROOT)
    if fresh:
        python = this_python()
    version = tuple(python[0][:2])
    lock = choose_lock(platform.system(), platform.machine(), glibc_version(), version)
    if not fresh:
        extras = extras | {extra for extra in EXTRAS if stamp.get(extra)}
    goal = {**wanted(lock, extras), "python": python}
    if not fresh and stamp == goal:
        return
    if fresh:
        check_can_make_venv()
        check_can_build()
    STAMP.unlink(missing_ok=True)
    install([lock, *(name for extra, name in EXTRAS.items() if extra in extras)], fresh)
    beside = STAMP.with_suffix(".new")
    beside.write_text(json.dumps(goal, indent=2) + "\n")
    beside.replace(STAMP)


def main() -> int:
    """Returns the exit status."""
    # Without abbreviations, so that `make setup EXTRAS=device` is told apart from `devices`.
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--dev", action="store_true", help="install the tools of developers too")
    parser.add_argument("--devices", action="store_true", help="install the tools of device profiles too")
    parser.add_argument("--browser", action="store_true", help="install the tools that drive a browser too")
    parser.add_argument("--this-python", action="store_true", help="make .venv anew when it has another Python")
    arguments = parser.parse_args()
    start = time.monotonic()
    try:
        set_up({extra for extra in EXTRAS if getattr(arguments, extra)}, arguments.this_python)
    except SetupError as fault:
        print(f"setup: {fault}", file=sys.stderr)
        return 1
    print(f"The environment {VENV} is ready ({time.monotonic() - start:.1f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
