"""Recordings through the whole pipeline: from WAV files to a TFLite file that takes samples."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from ai_edge_litert.interpreter import Interpreter
from scipy.io import wavfile

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
RATE, SAMPLES = 16_000, 4_000
NAMES = ("chirp", "noise", "tone")


def _sound(name: str, rng: np.random.Generator, samples: int) -> np.ndarray:
    seconds = np.arange(samples) / RATE
    if name == "noise":
        return rng.normal(0, rng.uniform(0.05, 0.2), samples)
    first = rng.uniform(400, 2000)
    last = first if name == "tone" else first * rng.choice([3, 0.25])
    phase = 2 * np.pi * (first * seconds + (last - first) * seconds**2 / (2 * seconds[-1]))
    return rng.uniform(0.1, 0.6) * np.sin(phase + rng.uniform(0, 6)) + rng.normal(0, 0.01, samples)


@pytest.fixture
def project(tmp_path) -> Path:
    """The configuration of this repository with fewer and shorter sounds, and one file that is none."""
    rng = np.random.default_rng(1)
    for name in NAMES:
        folder = tmp_path / "sounds" / name
        folder.mkdir(parents=True)
        for number in range(120):
            sound = _sound(name, rng, int(rng.integers(SAMPLES - 400, SAMPLES + 400)))
            wavfile.write(folder / f"speaker{number % 40}_{number}.wav", RATE, np.int16(np.clip(sound, -1, 1) * 32767))
    (tmp_path / "sounds" / "tone" / "speaker1_cut.wav").write_bytes(b"RIFF\xff\xff\x00\x00WAVEfmt ")
    content = yaml.safe_load((ROOT / "configs" / "keywords.yaml").read_text())
    content["data"] |= {"path": str(tmp_path / "sounds"), "splits": {"train": 5, "validation": 1, "eval": 4}}
    content["data"]["audio"]["samples"] = SAMPLES
    del content["data"]["label_names"]
    content["model"]["hparams"] = {"samples": SAMPLES, "words": 3, "filters": 8, "blocks": 1}
    content["train"] |= {"epochs": 12, "batch_size": 16, "learning_rate": 0.01}
    content["variants"] = {"int8": content["variants"]["int8"]}
    content["gate"] |= {"max_drop": 0.06}
    content["runtime"] = {"workspace": str(tmp_path / "workspace")}
    path = tmp_path / "edge.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def test_sounds_become_a_model_that_takes_samples(project, run_here, tmp_path):
    summary = run_here(project).summary
    assert summary["status"] == "pushed"
    (told,) = summary["data"]["unreadable_files"]
    assert "tone/speaker1_cut.wav must have the 65,543 bytes that its header claims" in told
    (variant,) = summary["variants"]
    assert variant["value"] > 0.85
    (entry,) = variant["audit"]["inputs"]
    assert (entry["name"], entry["dtype"]) == ("audio", "float32")
    # Sizes that are known at run time only would leave both unmeasured.
    assert variant["macs"] > 0
    assert variant["arena_bytes"] > 0
    # The pushed file alone, asked with sounds that were made anew.
    interpreter = Interpreter(model_path=str(Path(summary["pushed"]["path"]) / "model.tflite"))
    interpreter.allocate_tensors()
    rng = np.random.default_rng(2)
    right = 0
    for number, name in enumerate(NAMES * 10):
        ask = interpreter.get_signature_runner()
        (answer,) = ask(audio=np.float32(_sound(name, rng, SAMPLES))[np.newaxis]).values()
        right += int(answer.argmax() == number % 3)
    assert right >= 24
