"""What a run sees to before its first node."""

from pipeline.housekeeping import remove_spilled
from pipeline.workspace import Workspace


def test_what_an_ingest_that_was_killed_left_is_removed_and_nothing_else(tmp_path):
    workspace = Workspace(tmp_path)
    remove_spilled(workspace)
    for number in "12":
        for name in ("spilled/0a", "Split-train/data.gz"):
            path = workspace.artifacts / "ingest" / "examples" / number / name
            path.parent.mkdir(parents=True)
            path.touch()
    remove_spilled(workspace)
    left = {str(path.relative_to(workspace.artifacts)) for path in workspace.artifacts.rglob("*") if path.is_file()}
    assert left == {f"ingest/examples/{number}/Split-train/data.gz" for number in "12"}
