"""Fashion-MNIST as the splits that methods read."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.fashion_file import data_file
from compression.data import Split, TrainingData

VALIDATION_EXAMPLES = 5_000


@dataclass(frozen=True)
class Images:
    """Train and validation for a seed, and the test images.

    Attributes:
        training: The last 5,000 of the 60,000 training images validate.
        test: 10,000 images, looked at once.
    """

    training: TrainingData
    test: Split


def load_images(seed: int, *, keep_one_in: int = 1) -> Images:
    """The images as float32 `[examples, 28, 28, 1]` in [0, 1].

    Args:
        seed: Of every random choice in training.
        keep_one_in: Takes every so-manieth training image only.
    """
    arrays = _arrays(data_file())
    pixels, labels = arrays["x_train"], arrays["y_train"]
    cut = len(labels) - VALIDATION_EXAMPLES
    train = Split.from_arrays({"image": pixels[:cut:keep_one_in]}, labels[:cut:keep_one_in])
    validation = Split.from_arrays({"image": pixels[cut:]}, labels[cut:])
    test = Split.from_arrays({"image": arrays["x_test"]}, arrays["y_test"])
    return Images(TrainingData(train, validation, "multiclass", seed), test)


@cache
def _arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    pixels = {name: (values[..., None] / np.float32(255)) for name, values in arrays.items() if name[0] == "x"}
    return pixels | {name: values.astype(np.int64) for name, values in arrays.items() if name[0] == "y"}
