"""A process with a root of its own: the machine's files, empty mounts of the launcher, and volumes.

A mount namespace makes it, which needs root or user namespaces, and leaves nothing behind.
"""

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Image:
    """The file system of an image, unpacked; it is read-only but for `/tmp` and the home of its user.

    Attributes:
        root: Its folder.
        user: `UID:GID`.
        workdir: Where commands begin.
        environment: Of its processes, with `HOME` and `PATH`.
    """

    root: Path
    user: str
    workdir: str
    environment: Mapping[str, str]


class Pod:
    """One try of one task.

    Args:
        root: Folder for the pod's root; made here.
        volumes: Folder of this machine by mount path.
        image: What it runs; `None`: this machine's own files, by this user.
    """

    def __init__(self, root: Path, volumes: Mapping[str, Path], image: Image | None = None) -> None:
        self._root, self._volumes, self._image = root, dict(volumes), image
        # A folder of the machine in which a volume is mounted is hidden, as nothing can be made in it.
        self._hidden = {Path(path).parts[1] for path in volumes}
        self._scratch, self._owned = SCRATCH, list[Path]()
        if image is not None:
            self._scratch = (*SCRATCH, "tmp")
            home = root.with_name(f"{root.name}-home")
            home.mkdir(parents=True)
            self._volumes[image.environment["HOME"]] = home
            self._owned = [home, *(root / name for name in self._scratch)]
        for name in self._scratch:
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
        user = f"--userspec={self._image.user}" if self._image else ""
        script = f"set -e\n{self._mounts()}\nexec {chroot} {user} {shlex.quote(str(self._root))} /bin/sh -c "
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
        lines = []
        base = self._image.root if self._image else Path("/")
        for entry in sorted(base.iterdir()):
            target = self._root / entry.name
            if entry.name in {*self._scratch, *self._hidden} or target.is_symlink():
                continue
            if entry.is_symlink():
                target.symlink_to(entry.readlink())
            elif entry.is_dir():
                target.mkdir(exist_ok=True)
                lines += self._bind(entry, target)
        for path, folder in self._volumes.items():
            if Path(path).parts[1] in self._hidden:
                self.path(path).mkdir(parents=True, exist_ok=True)
            lines.append(_line("--bind", folder, self.path(path)))
        if self._image is not None:
            # What the launcher made belongs to whoever runs it, as in a pod.
            lines.append(f"chown -R {self._image.user} {shlex.join(map(str, self._owned))}")
        return "\n".join(lines)

    def _bind(self, entry: Path, target: Path) -> list[str]:
        if self._image is None:
            return [_line("--rbind", entry, target)]
        if entry.name in ("proc", "dev", "sys"):
            return [_line("--rbind", Path("/") / entry.name, target)]
        return [_line("--bind", entry, target), f"mount -o remount,bind,ro {shlex.quote(str(target))}"]


def _line(option: str, source: Path, target: Path) -> str:
    return f"mount {option} {shlex.quote(str(source))} {shlex.quote(str(target))}"
