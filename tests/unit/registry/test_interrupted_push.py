"""A push that is killed, runs out of disk or may not write, shows nothing half-written and is made good by the next."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from filelock import FileLock

from registry import Registry, RegistryError

# Kills itself before or after the n-th call that changes the disk; ends with 0 when there are fewer.
KILLED_PUSH = """
import os, pathlib, signal, sys
from pathlib import Path
from registry import Registry

root, model, point, moment = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
calls = 0

def deadly(function):
    def call(*args, **kwargs):
        global calls
        calls += 1
        mine = calls == point
        if mine and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*args, **kwargs)
        if mine and moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return call

for name in ("fsync", "mkdir", "rename", "replace", "unlink", "open", "rmdir"):
    setattr(os, name, deadly(getattr(os, name)))
for name in ("open", "rename", "replace", "mkdir"):
    setattr(pathlib.Path, name, deadly(getattr(pathlib.Path, name)))
Registry(root).push(model, {"identity": "new"}, {"labels.txt": model})
sys.exit(5 if calls >= point else 0)  # 5: the call raised an error that the push expects
"""
PUSH = """
import sys
from pathlib import Path
from registry import Registry

for number in range(int(sys.argv[4])):
    Registry(Path(sys.argv[1])).push(Path(sys.argv[2]), {"identity": f"{sys.argv[3]}-{number}"})
"""
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"TFL3" + os.urandom(5000))
    return path


def start(code: str, *arguments: object) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, stderr=subprocess.PIPE)


def check_sound(registry: Registry) -> list[int]:
    """Every visible version is complete, and the pointer names one of them."""
    versions = registry.versions()
    for version in versions:
        assert len(version.model_file.read_bytes()) == version.manifest["size_bytes"]
        names = {path.name for path in version.path.iterdir()}
        assert {"model.tflite", "manifest.json"} <= names
        if version.manifest["identity"] == "new":
            assert "labels.txt" in names
    current = registry.current()
    assert current is None or current.version in [version.version for version in versions]
    return [version.version for version in versions]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_push_killed_at_any_point_is_whole_or_absent_and_the_next_one_heals(tmp_path, model, moment):
    outcomes, point = set(), 0
    while True:
        point += 1
        registry = Registry(tmp_path / f"registry-{point}")
        registry.push(model, {"identity": "old"})
        process = start(KILLED_PUSH, registry.root, model, point, moment)
        process.communicate()
        if process.returncode == 0:
            break
        if process.returncode == 5:
            continue
        assert process.returncode == -signal.SIGKILL
        visible = check_sound(registry)
        assert visible in ([1], [1, 2])
        assert registry.current().version in visible
        outcomes.add((len(visible), registry.current().version))
        again = registry.push(model, {"identity": "new"}, {"labels.txt": model})
        assert (again.version, again.created) == (2, visible == [1])
        assert registry.current().version == 2
        assert check_sound(registry) == [1, 2]
        assert not list((registry.root / "versions").glob(".*"))
    # Killed while writing, between the two renames, and after both.
    assert outcomes == {(1, 1), (2, 1), (2, 2)}


def test_two_pushers_at_once_give_complete_versions_each_with_a_number_of_its_own(tmp_path, model):
    registry = Registry(tmp_path / "registry")
    processes = [start(PUSH, registry.root, model, name, 10) for name in "ab"]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors.decode()
    assert check_sound(registry) == list(range(1, 21))
    assert len({version.manifest["identity"] for version in registry.versions()}) == 20


def test_a_push_that_waits_too_long_for_another_says_so(tmp_path, model):
    registry = Registry(tmp_path / "registry", lock_timeout_seconds=0.1)
    registry.push(model, {"identity": "a"})
    with FileLock(registry.root / ".lock"), pytest.raises(RegistryError, match="One push at a time"):
        registry.push(model, {"identity": "b"})


@pytest.fixture
def mount(tmp_path: Path):
    """Mounts a small tmpfs, and takes it away."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    place = tmp_path / "mounted"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this container may not mount a tmpfs")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_shows_nothing_new_and_leaves_room_for_the_next_push(mount, tmp_path, model):
    registry = Registry(mount / "registry")
    registry.push(model, {"identity": "a"})
    big = tmp_path / "big.tflite"
    big.write_bytes(os.urandom(100_000))
    with pytest.raises(OSError, match="No space left"):  # the fault is real
        (mount / "probe").write_bytes(big.read_bytes())
    (mount / "probe").unlink()
    with pytest.raises(RegistryError, match=r"No space left.*free space"):
        registry.push(big, {"identity": "b"})
    assert check_sound(registry) == [1]
    assert registry.current().version == 1
    assert registry.push(model, {"identity": "c"}).version == 2


def test_a_disk_filled_up_at_any_size_never_shows_a_torn_version(mount, model):
    registry = Registry(mount / "registry")
    registry.push(model, {"identity": "a"})
    filler, blocked, pushed = mount / "filler", 0, 0
    for kilobytes in range(48, 0, -4):
        filler.write_bytes(bytes(0))
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            file.write(bytes(kilobytes * 1024))
        try:
            registry.push(model, {"identity": f"{kilobytes}"})
            pushed += 1
        except RegistryError:
            blocked += 1
        check_sound(registry)
        assert not list((registry.root / "versions").glob(".*"))
    assert blocked
    assert pushed


def test_a_read_only_registry_is_named(mount, model):
    registry = Registry(mount / "registry")
    registry.push(model, {"identity": "a"})
    subprocess.run(["mount", "-o", "remount,ro", str(mount)], check=True)
    with pytest.raises(OSError, match="Read-only"):  # the fault is real
        (mount / "probe").touch()
    with pytest.raises(RegistryError, match=r"Read-only file system.*mend the permissions"):
        registry.push(model, {"identity": "b"})
    assert registry.current().version == 1
    assert check_sound(registry) == [1]
