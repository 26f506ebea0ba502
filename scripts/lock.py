"""Compiles every lock from its input file: `make lock`, or `make lock UPGRADE=1` to take newer releases.

Versions that stand in a lock stay unless an input asks for others. No lock names a package index.
"""

# ruff: noqa: T201 (a script talks on standard output)

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UNIVERSAL = ("--universal", "--python-version", "3.11")
GLIBC228 = ("--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_28")
# Only these two differ between the locks; all other versions of the first lock bind the second.
OLDER = {"ml-metadata", "tensorflow-data-validation"}


def pins(lock: Path) -> list[str]:
    """The `name==version ; marker` lines of a lock, without hashes."""
    return [line.rstrip(" \\") for line in lock.read_text().splitlines() if re.match(r"[A-Za-z0-9]", line)]


def compile_lock(source: str, lock: str, *arguments: str) -> None:
    """Runs `uv pip compile` in the root of the repository."""
    uv = Path(sys.executable).parent / "uv"
    quiet = ("--quiet", "--custom-compile-command", "make lock", "--generate-hashes", "--no-emit-index-url")
    upgrade = ("--upgrade",) if "--upgrade" in sys.argv else ()
    command = [uv, "pip", "compile", source, "--output-file", lock, *quiet, *upgrade, *arguments]
    subprocess.run(command, cwd=ROOT, check=True)
    print(f"{lock}: {len(pins(ROOT / lock))} pins")


def main() -> None:
    """Compiles the locks, those that others depend on first."""
    compile_lock("requirements-uv.in", "requirements-uv.txt", *UNIVERSAL)
    compile_lock("requirements.in", "requirements.txt", *UNIVERSAL)
    bound = [pin for pin in pins(ROOT / "requirements.txt") if pin.split("==")[0] not in OLDER]
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text("\n".join(bound) + "\n")
        others = ("--override", "requirements-glibc228.in", "--constraint", str(constraints), "--no-annotate")
        compile_lock("requirements.in", "requirements-glibc228.txt", *GLIBC228, *others)
    for extra in ("dev", "devices", "browser"):
        compile_lock(f"requirements-{extra}.in", f"requirements-{extra}.txt", *UNIVERSAL)


if __name__ == "__main__":
    main()
