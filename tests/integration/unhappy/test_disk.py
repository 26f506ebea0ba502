"""A disk that is full and a workspace that nobody may write to."""

import errno
import os
import re
import shutil
import subprocess
from contextlib import contextmanager

import pytest

pytestmark = pytest.mark.integration

DATABASE_ROOM_BYTES = 100 * 1024
"""Enough to take the workspace, too little for a run's entries in the metadata store, wherever these stop."""


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


def fill(disk, room_bytes=0):
    """Takes all space of `disk` but `room_bytes`, and shows that what is left does not take more."""
    taken = disk / "taken"
    taken.write_bytes(bytes(shutil.disk_usage(disk).free - room_bytes))
    with pytest.raises(OSError) as full:
        (disk / "more").write_bytes(bytes(room_bytes + 2**16))
    assert full.value.errno == errno.ENOSPC
    (disk / "more").unlink()
    return taken


def test_full_disk_under_a_nodes_outputs_ends_the_run_and_room_lets_it_go_on(
    tmp_path, trained, make_config, call, pushed
):
    workspace = tmp_path / "workspace"
    shutil.copytree(trained, workspace, ignore=shutil.ignore_patterns("registry", "runs", "statistics"))
    config = make_config(tmp_path)
    with mounted(workspace / "artifacts" / "statistics", "size=1m") as disk:
        fill(disk)
        ended = call("run", config, "--no-cache", "statistics", "--json")
        assert ended.code == 1
        first, *_, log, resume = ended.err.splitlines()
        assert first.startswith("statistics failed: the disk must have room, but is full (")
        assert first.endswith("free some space, or choose another --workspace")
        assert (log.split()[0], resume.split()[0]) == ("log", "resume")
        assert ended.nodes["ingest"] == "cached"
        assert ended.result["status"] == "failed"
        assert pushed(workspace) == {}

    ended = call("run", config, "--json")
    assert ended.code == 0
    assert ended.nodes["trainer"] == "cached"
    assert list(pushed(workspace)) == [ended.result["pushed"]["version"]] == [1]


def test_full_disk_under_everything_ends_the_run_and_room_lets_it_go_on(tmp_path, trained, make_config, call, pushed):
    with mounted(tmp_path / "disk", "size=64m") as disk:
        shutil.copytree(trained, disk / "workspace", ignore=shutil.ignore_patterns("registry", "runs"))
        config = make_config(disk)
        taken = fill(disk, DATABASE_ROOM_BYTES)
        ended = call("run", config, "--no-cache", "statistics", "--json")
        assert ended.code == 1
        assert re.search(r"^\S+ failed: the disk must have room, but is full \(", ended.err, flags=re.MULTILINE)
        assert ended.result["status"] == "failed"
        assert pushed(disk / "workspace") == {}

        taken.unlink()
        ended = call("run", config, "--json")
        assert ended.code == 0
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
