"""A process with a root of its own: the machine's files, empty mounts of the launcher, and volumes.

A mount namespace makes it, which needs root or user namespaces, and leaves nothing behind.
"""

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_TOOLS = "/usr/sbin:/usr/bin:/sbin:/bin"
"""Where the tools are that make a pod; its own `PATH` is that of the image."""

SCRATCH = ("s3", "minio", "gcs")
"""Folders that are empty in every new pod."""


def available() -> bool:
    """Whether this machine allows it."""
    try:
        return subprocess.run([*_namespace(), "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def _namespace() -> list[str]:
    unshare = shutil.which("unshare", path=_TOOLS) or "unshare"
    return [unshare, "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]


class Pod:
    """One try of one task.

    Args:
        root: Folder for the pod's root; made here.
        volumes: Folder of this machine by mount path.
        image: The root of an unpacked image; `None`: this machine's own.
    """

    def __init__(self, root: Path, volumes: Mapping[str, Path], image: Path | None = None) -> None:
        self._root, self._volumes = root, volumes
        self._base = image or Path("/")
        for name in SCRATCH:
            (root / name).mkdir(parents=True)

    def path(self, inside: str | os.PathLike[str]) -> Path:
        """Where a path of the pod is on this machine; of use under `SCRATCH`."""
        return self._root / str(inside).lstrip("/")

    def run(
        self,
        command: Sequence[str],
        *,
        cwd: str,
        env: Mapping[str, str],
        log: Path,
        started: Callable[[subprocess.Popen[bytes]], None] = lambda process: None,
    ) -> int:
        """Runs a command; both of its streams go to `log`.

        Args:
            command: The command.
            cwd: Inside of the pod.
            env: The whole environment.
            log: A file.
            started: Is called with the process.
        """
        chroot = shutil.which("chroot", path=_TOOLS) or "chroot"
        script = f"set -e\n{self._mounts()}\nexec {chroot} {shlex.quote(str(self._root))} /bin/sh -c "
        script += shlex.quote(f'cd {shlex.quote(cwd)} && exec "$@"') + ' pod "$@"'
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [*_namespace(), "/bin/sh", "-c", script, "pod", *command],
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            started(process)
            return process.wait()

    def remove(self) -> None:
        """Removes what the pod wrote; its mounts went with its process."""
        shutil.rmtree(self._root, ignore_errors=True)

    def _mounts(self) -> str:
        taken = {*SCRATCH, *(Path(path).parts[1] for path in self._volumes)}
        lines = []
        for entry in sorted(self._base.iterdir()):
            target = self._root / entry.name
            if entry.name in taken or target.is_symlink():
                continue
            if entry.is_symlink():
                target.symlink_to(entry.readlink())
            elif entry.is_dir():
                target.mkdir(exist_ok=True)
                lines.append(f"mount --rbind {shlex.quote(str(entry))} {shlex.quote(str(target))}")
        for path, folder in self._volumes.items():
            self.path(path).mkdir(parents=True, exist_ok=True)
            lines.append(f"mount --bind {shlex.quote(str(folder))} {shlex.quote(str(self.path(path)))}")
        return "\n".join(lines)
