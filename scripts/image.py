"""Builds the image of kubeflow/Dockerfile: `python scripts/image.py build`, or as a folder: `... root`.

`build` takes Docker, Podman or Buildah, whichever answers first. `root` needs no container engine and no registry of
images: debootstrap makes the base that the Dockerfile names, Buildah follows the Dockerfile in a chroot, and the file
system that comes out lies in `.image/root`, so that the containers' commands can be tried there.
"""

# ruff: noqa: T201 (a script talks on standard output)
import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCKERFILE = Path("kubeflow/Dockerfile")
FOLDER = ROOT / ".image"
FILE_SYSTEM = FOLDER / "root"
CONFIG = FOLDER / "config.json"
"""Environment, user and folder of its processes, as the Open Container Initiative writes them."""
BASE, SUITE = "debian:13-slim", "trixie"
CERTIFICATES_IN_BUILD = "/run/host-ca.crt"
ENGINES = ("docker", "podman", "buildah")
_ANSWERS = {"docker": ["docker", "info"], "podman": ["podman", "info"], "buildah": ["buildah", "version"]}
_STORE = ["--root", str(FOLDER / "store"), "--runroot", str(FOLDER / "run")]


class ImageError(Exception):
    """What must hold, what was found, what to type."""


def certificates() -> list[str]:
    """Options that lend the build this machine's certificates, where the environment says that it has its own."""
    file = next(filter(None, map(os.environ.get, ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"))), None)
    if file is None:
        return []
    if not Path(file).is_file():
        raise ImageError(f"the file of certificates that the environment names must be there, but {file} is not")
    named = [f"--build-arg={name}={CERTIFICATES_IN_BUILD}" for name in ("PIP_CERT", "SSL_CERT_FILE")]
    return ["--secret", f"id=ca,src={file}", *named]


def find_engine() -> str:
    """The first container engine that answers.

    Raises:
        ImageError: None does.
    """
    for engine in ENGINES:
        if shutil.which(engine) and not subprocess.run(_ANSWERS[engine], capture_output=True, check=False).returncode:
            return engine
    raise ImageError(
        f"an image is built by a container engine ({', '.join(ENGINES)}), and none answers here; start one, or make "
        "its file system without: make image-root"
    )


def build(tag: str) -> None:
    """Builds the image with a container engine."""
    _call(find_engine(), "build", *certificates(), "-f", DOCKERFILE, "-t", tag, ".")
    print(f"The image {tag} is ready; push it where the cluster pulls from, and name it as kubeflow.image")


def build_root() -> None:
    """Builds the image's file system into `.image/root`.

    Raises:
        ImageError: A tool is missing, this is not root, or a command failed.
    """
    missing = [tool for tool in ("debootstrap", "buildah") if not shutil.which(tool)]
    if missing:
        raise ImageError(f"{' and '.join(missing)} must be installed. Type: apt-get install -y {' '.join(missing)}")
    if os.geteuid():
        raise ImageError("debootstrap makes device files and changes its root, so this must run as root")
    FOLDER.mkdir(exist_ok=True)
    if subprocess.run(_buildah("inspect", "--type", "image", BASE), capture_output=True, check=False).returncode:
        _make_base()
    made = "tfx-edge:root"
    _call(
        *_buildah("build", "--isolation", "chroot", "--pull-never", *certificates()), "-f", DOCKERFILE, "-t", made, "."
    )
    container = _output(*_buildah("from", "--pull-never", made))
    try:
        mounted = _output(*_buildah("mount", container))
        # A folder of its own, which stays when the store is cleaned and may be changed by what is tried in it.
        shutil.rmtree(FILE_SYSTEM, ignore_errors=True)
        _call("cp", "-a", mounted, FILE_SYSTEM)
    finally:
        _call(*_buildah("rm", container), stdout=subprocess.DEVNULL)
    described = json.loads(_output(*_buildah("inspect", "--type", "image", made)))
    CONFIG.write_text(json.dumps(described["OCIv1"]["config"], indent=2) + "\n")
    print(f"The image's file system is ready: {FILE_SYSTEM}; its environment and user: {CONFIG}")


def _make_base() -> None:
    """What the Dockerfile's first line names, made by debootstrap."""
    print(f"Making {BASE} with debootstrap", flush=True)
    base = FOLDER / "base"
    shutil.rmtree(base, ignore_errors=True)
    _call("debootstrap", "--variant=minbase", SUITE, base, stdout=subprocess.DEVNULL)
    container = _output(*_buildah("from", "scratch"))
    _call(*_buildah("add", "--quiet", container, base, "/"), stdout=subprocess.DEVNULL)
    _call(*_buildah("commit", "--quiet", container, BASE), stdout=subprocess.DEVNULL)
    _call(*_buildah("rm", container), stdout=subprocess.DEVNULL)
    shutil.rmtree(base)


def _buildah(*arguments: str) -> list[str]:
    return ["buildah", *_STORE, *arguments]


def _call(*command: object, stdout: int | None = None) -> None:
    words = [str(part) for part in command]
    if subprocess.run(words, cwd=ROOT, stdout=stdout, check=False).returncode:
        raise ImageError(f"Building failed at: {' '.join(words)}. Mend it and call again.")


def _output(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise ImageError(f"Building failed at: {' '.join(command)}. Mend it and call again.")
    return done.stdout.strip()


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("build", "root"))
    parser.add_argument("--tag", default="tfx-edge:latest", help="name of the image (default: %(default)s)")
    arguments = parser.parse_args()
    try:
        build(arguments.tag) if arguments.what == "build" else build_root()
    except ImageError as fault:
        print(f"image: {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
