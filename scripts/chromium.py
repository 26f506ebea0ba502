"""Sees to it that there is a Chromium for the tests of pages, and tells where: `python scripts/chromium.py`.

As root on a system with apt it is installed when absent; elsewhere the command to type is told. The variable `CHROMIUM`
names another one.
"""

# ruff: noqa: T201 (a script talks on standard output)

import os
import shutil
import subprocess
import sys

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def find() -> str | None:
    """The path of the browser; None: there is none."""
    names = [os.environ["CHROMIUM"]] if os.environ.get("CHROMIUM") else _NAMES
    return next((path for name in names if (path := shutil.which(name))), None)


def may_install() -> bool:
    """Whether this process may call apt; a browser that was named is not replaced by another."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None and not os.environ.get("CHROMIUM")


def install() -> None:
    """Installs Debian's package; what fails is told by apt itself and by the check that follows."""
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "chromium"]):
        subprocess.run(["apt-get", *command], env=quiet, check=False, stdout=subprocess.DEVNULL)


def main() -> int:
    """Returns the exit status."""
    if find() is None and may_install():
        print("Installing Chromium", flush=True)
        install()
    path = find()
    if path is None:
        named = os.environ.get("CHROMIUM")
        given = f"CHROMIUM={named} is none" if named else f"none of {', '.join(_NAMES)} is on the PATH"
        print(
            f"The tests of pages need Chromium; {given}. Type: apt-get install -y chromium (as root), or name one: "
            "CHROMIUM=/path/to/chrome make test-browser",
            file=sys.stderr,
        )
        return 1
    print(f"The browser is {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
