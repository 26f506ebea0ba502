"""A run's steps side by side in TensorBoard: trained now, or taken from the cache."""

import pytest
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

pytestmark = pytest.mark.integration

VARIANTS = {
    "pqat": [
        {"prune": {"sparsity": 0.5, "epochs": 2, "batch_size": 64}},
        {"qat": {"epochs": 1, "batch_size": 64}},
        {"quantize": {"mode": "int8"}},
    ]
}


def losses(folder) -> dict[str, int]:
    """Curve -> its number of epochs, as `tensorboard --logdir` reads the folder."""
    read = EventMultiplexer().AddRunsFromDirectory(str(folder)).Reload()
    tags = {run: found["tensors"] for run, found in read.Runs().items()}
    return {run: len(read.Tensors(run, "epoch_loss")) for run, names in tags.items() if "epoch_loss" in names}


def test_all_steps_of_a_run_stand_side_by_side(tmp_path, make_config, run_here):
    run_here(make_config(tmp_path, variants=VARIANTS), end="trainer")
    config = make_config(tmp_path, variants=VARIANTS, runtime={"tensorboard": True})
    first = run_here(config, end="quantize-pqat")
    prune, qat = (
        next(node["id"] for node in first.summary["nodes"] if node["id"].startswith(kind))
        for kind in ("prune-", "qat-")
    )
    logs = tmp_path / "workspace" / "tensorboard"
    # The trainer came from the cache: writing logs is no reason to train again.
    curves = {f"{prune}/train": 2, f"{prune}/validation": 2, f"{qat}/train": 1, f"{qat}/validation": 1}
    assert losses(logs / first.summary["run_id"]) == curves
    assert {path.name for path in (logs / first.summary["run_id"]).iterdir()} == {"trainer", prune, qat}
    second = run_here(config, end=qat)
    assert {node["status"] for node in second.summary["nodes"] if node["id"] in ("trainer", prune, qat)} == {"cached"}
    assert losses(logs / second.summary["run_id"]) == curves
