"""Fashion-MNIST made larger: every image again and again, each time moved a little and lit differently."""

import shutil
import sys
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

EXAMPLES = 70_000
"""Images of Fashion-MNIST, train and test."""

SEED = 1
_FARTHEST = 3
_BRIGHTEST = 16
_ROWS = 10_000


def make(folder: Path, examples: int) -> Path:
    """A folder of `image.npy`, uint8 `[examples, 28, 28]`, and `label.npy`, uint8 `[examples]`; kept for the next time.

    Args:
        folder: Where all sizes lie.
        examples: How many; the first 70,000 are the images as they are.
    """
    made = folder / f"{examples}"
    if made.is_dir():
        return made
    beside = folder / f"{examples}.incoming"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    images, labels = _all_images()
    rng = np.random.default_rng(SEED)
    with (beside / "image.npy").open("wb") as pixels, (beside / "label.npy").open("wb") as classes:
        _head(pixels, (examples, *images.shape[1:]))
        _head(classes, (examples,))
        for first in range(0, examples, _ROWS):
            rows = np.arange(first, min(first + _ROWS, examples))
            part = images[rows % EXAMPLES]
            pixels.write(_jittered(part, rng).tobytes() if first >= EXAMPLES else part.tobytes())
            classes.write(labels[rows % EXAMPLES].tobytes())
    beside.rename(made)
    return made


def _all_images() -> tuple[np.ndarray, np.ndarray]:
    # Here, since whoever measures processes must not grow by TensorFlow itself: a new process begins with the peak of
    # the one that started it.
    from benchmarks.fashion import data_file

    with np.load(data_file()) as arrays:
        images = np.concatenate([arrays["x_train"], arrays["x_test"]])
        labels = np.concatenate([arrays["y_train"], arrays["y_test"]])
    order = np.random.default_rng(SEED).permutation(len(labels))
    return images[order].reshape(-1, 28, 28), labels[order].astype(np.uint8)


def _jittered(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Moved by up to 3 pixels in both directions, each image, and lit by up to 16 levels more where it is lit."""
    count, height, width = images.shape
    down, right = rng.integers(-_FARTHEST, _FARTHEST + 1, (2, count, 1))
    rows = (np.arange(height) + down) % height
    columns = (np.arange(width) + right) % width
    moved = images[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]].astype(np.int16)
    lit = moved + (moved > 0) * rng.integers(0, _BRIGHTEST + 1, (count, 1, 1))
    return np.minimum(lit, 255).astype(np.uint8)


def _head(stream, shape: tuple[int, ...]) -> None:  # noqa: ANN001 - a binary file
    npy.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})


if __name__ == "__main__":
    make(Path(sys.argv[1]), int(sys.argv[2]))
