"""A disk that is full and a workspace that nobody may write to."""

import errno
import os
import shutil
import subprocess
from contextlib import contextmanager

import pytest

pytestmark = pytest.mark.integration

ROOM_BYTES = 100 * 1024
"""Enough to begin a run that takes its first node from the cache, too little for a new one."""


@contextmanager
def mounted(folder, options):
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"a tmpfs must be mounted, which is not allowed here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_full_disk_ends_the_run_and_room_lets_it_go_on(tmp_path, trained, make_config, call, pushed):
    with mounted(tmp_path / "disk", "size=64m") as disk:
        shutil.copytree(trained, disk / "workspace", ignore=shutil.ignore_patterns("registry", "runs"))
        config = make_config(disk)
        fill = disk / "fill"
        fill.write_bytes(bytes(shutil.disk_usage(disk).free - ROOM_BYTES))
        with pytest.raises(OSError) as full:
            (disk / "more").write_bytes(bytes(2 * ROOM_BYTES))
        assert full.value.errno == errno.ENOSPC
        (disk / "more").unlink()

        ended = call("run", config, "--no-cache", "statistics", "--json")
        assert ended.code == 1
        first, *_, log, resume = ended.err.splitlines()
        assert first.startswith("statistics failed: the disk must have room, but is full (")
        assert first.endswith("free some space, or choose another --workspace")
        assert (log.split()[0], resume.split()[0]) == ("log", "resume")
        assert ended.nodes["ingest"] == "cached"
        assert ended.result["status"] == "failed"
        assert pushed(disk / "workspace") == {}

        fill.unlink()
        ended = call("run", config, "--json")
        assert ended.code == 0
        assert ended.nodes["trainer"] == "cached"
        assert list(pushed(disk / "workspace")) == [ended.result["pushed"]["version"]] == [1]


def test_disk_without_any_room_is_told_before_the_run(tmp_path, make_config, call):
    with mounted(tmp_path / "disk", "size=1m") as disk:
        config = make_config(tmp_path, runtime={"workspace": str(disk / "workspace")})
        (disk / "fill").write_bytes(bytes(shutil.disk_usage(disk).free))
        ended = call("run", config)
        assert ended.code == 2
        assert "must be a folder that can be written" in ended.err
        assert os.strerror(errno.ENOSPC) in ended.err
        assert ended.err.count("\n") == 1


def test_unwritable_workspace_is_refused(tmp_path, make_config, call):
    with mounted(tmp_path / "disk", "size=1m,ro") as disk:
        with pytest.raises(OSError) as refused:
            (disk / "file").touch()
        assert refused.value.errno == errno.EROFS
        ended = call("run", make_config(tmp_path), "--workspace", disk, "--json")
        assert ended.code == ended.result["error"]["exit_code"] == 2
        assert f"must be a folder that can be written, but {disk} is not: {os.strerror(errno.EROFS)}" in ended.err
        assert ended.err.count("\n") == 1
