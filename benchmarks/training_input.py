"""How fast examples reach a training, and in how much memory, by where they are kept between epochs.

Fashion-MNIST as Transform writes it (float32 pixels, gzip), read by the very code that trains: one pass that counts
and keeps, then epochs of shuffled batches of 64 that nothing is done with. Every row is a process of its own.
"""

import os

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.fashion import data_file
from benchmarks.results import finish, goal, quick
from compression.reading import Cache, kept
from compression.records import Records

BATCH = 64
EPOCHS = 3
FILES = 8
EXAMPLES = 6_000 if quick() else 60_000
LARGER = 4
# Less than the examples need, so that memory could grow with them.
SHUFFLE_BYTES = 2 * 2**20 if quick() else 32 * 2**20
CACHES: tuple[Cache, ...] = ("none", "memory", "disk")
FEATURES = {
    "image": tf.io.FixedLenFeature([28, 28, 1], tf.float32),
    "label": tf.io.FixedLenFeature([], tf.int64),
}


def write(folder: Path, times: int) -> None:
    """Writes the images so many times, in `FILES` files each time."""
    with np.load(data_file()) as archive:
        pixels, labels = archive["x_train"][:EXAMPLES] / np.float32(255), archive["y_train"][:EXAMPLES]
    for number in range(FILES):
        examples = [_example(*pair) for pair in zip(pixels[number::FILES], labels[number::FILES], strict=True)]
        for repeat in range(times):
            with tf.io.TFRecordWriter(str(folder / f"{repeat}-{number}.gz"), "GZIP") as writer:
                for example in examples:
                    writer.write(example)


def measure(folder: str, cache: Cache) -> dict[str, Any]:
    """One row's figures: seconds of the first pass, examples a second afterwards, peak memory."""
    files = tuple(sorted(str(path) for path in Path(folder).iterdir()))
    split = Records(files, FEATURES, "label", "multiclass").split(["image"])
    start_rss, start = _rss_mb(), time.perf_counter()
    with kept(split, cache) as read:
        size = read.size
        first = time.perf_counter() - start
        batches = read.batches(BATCH, shuffle_seed=1, shuffle_bytes=SHUFFLE_BYTES)
        seconds = []
        for _ in range(EPOCHS):
            start, seen = time.perf_counter(), 0
            for _, label in batches:
                seen += len(label)
            seconds.append(time.perf_counter() - start)
            assert seen == size, (seen, size)
    return {
        "first_pass_s": first,
        "examples_per_s": int(size / min(seconds)),
        "peak_rss_mb": _rss_mb(),
        "grown_by_mb": _rss_mb() - start_rss,
    }


def main() -> None:
    """Measures every way of keeping examples, at two sizes."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="training-input-") as temporary:
        for times in (1, LARGER):
            folder = Path(temporary) / str(times)
            folder.mkdir()
            write(folder, times)
            rows += [{"examples": times * EXAMPLES, "cache": cache, **_in_process(folder, cache)} for cache in CACHES]
    table = {(row["examples"], row["cache"]): row for row in rows}
    small, large = EXAMPLES, LARGER * EXAMPLES
    speed = table[small, "memory"]["examples_per_s"] / table[small, "none"]["examples_per_s"]
    goals = [goal("memory against none, examples per second", speed, 2.0, at_least=True)]
    for cache in ("none", "disk"):
        growth = table[large, cache]["peak_rss_mb"] / table[small, cache]["peak_rss_mb"]
        goals.append(goal(f"{cache}: peak memory at {LARGER} times the examples", growth, 1.2, at_least=False))
    finish("training_input", rows, goals)


def _in_process(folder: Path, cache: Cache) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.training_input", str(folder), cache]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _example(pixels: np.ndarray, label: np.integer[Any]) -> bytes:
    feature = {
        "image": tf.train.Feature(float_list=tf.train.FloatList(value=pixels.ravel())),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[int(label)])),
    }
    return bytes(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())


def _rss_mb() -> float:
    """Peak resident memory of this program."""
    status = Path("/proc/self/status")
    if status.is_file():
        # What `getrusage` tells on Linux starts with the peak of the program that this one was started from.
        row = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return round(int(row.split()[1]) / 2**10, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 1)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1], sys.argv[2])))  # type: ignore[arg-type] # noqa: T201
    else:
        main()
