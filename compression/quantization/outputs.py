"""Whether a file computes what its model computes: outputs side by side on real examples."""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import tf_keras as keras

from compression.data import Split
from compression.model_outputs import ask
from compression.outputs import SOLE
from compression.predict import TFLitePredictor

FLOAT_TOLERANCES: dict[str, float] = {"float32": 1e-4, "float16": 2.0**-5}
"""Largest allowed output error of the float modes, as a share of the largest output (at least 1).

float32: a few thousand summands in another order lose about three of seven digits. float16: a stored weight is off by
at most 2**-11 of its value; 64 such errors in a row may add up in a deep network.
"""

UNEXPLAINED: dict[str, float] = {"dynamic": 0.05, "int16x8": 0.05, "int8": 0.1, "int8_io": 0.1, "int4": 0.5}
"""Largest allowed mean squared error of the integer modes, as a share of the variance of the outputs.

A file whose outputs are constant, saturated or unrelated to the model's has a share of 1 or more, whatever the scale of
the outputs. A sound one is far below the limit: small trained and untrained networks had at most 0.02 in int8, 0.0002
with int16 activations or int8 weights alone, and 0.12 in 4 bits, where every weight is off by up to a seventh of the
largest. For class probabilities a share of 0.1 means that one confident answer in ten, beside the outliers below, has
turned into another one; what costs less is a matter for the gate, not for this check.
"""

_OUTLIERS = 0.05
"""Share of the examples, those with the largest errors, that are left out: a flipped answer here and there is sound."""

_STEPS = 256
"""Steps of an 8-bit output: an error below one of them is never a mismatch, however little the outputs vary."""

EXAMPLES = 128
"""Real examples on which every file is compared with its model."""


@dataclass(frozen=True)
class Comparison:
    """How far a file is from its model.

    Attributes:
        measure: `largest error` for float modes, `root mean square error` for integer modes.
        error: The measure, in units of the outputs.
        allowed: What it may be.
        examples: Number of examples compared.
        output: Which of several outputs; empty for the only one.
    """

    measure: str
    error: float
    allowed: float
    examples: int
    output: str = SOLE

    @property
    def fits(self) -> bool:
        """Whether the file computes what its model computes; false also for an error that is no number."""
        return self.error <= self.allowed

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def compare(model: keras.Model, tflite: bytes, mode: str, split: Split) -> Comparison:
    """Compares a file with the Keras model it was made from, on the first examples of a split.

    Of several outputs, each by its own scale, the one that fits least is returned.

    Args:
        model: The model, quantization-aware or not.
        tflite: The file.
        mode: The mode whose tolerance holds: the coarsest that any layer has.
        split: Real examples.
    """
    features, _ = split.take_arrays(EXAMPLES)
    expected, got = ask(model, features), TFLitePredictor(tflite).answers(features)
    found = [
        replace(judge(np.asarray(values), got[output], mode), output=output) for output, values in expected.items()
    ]
    return max(found, key=lambda one: (not one.fits, one.error / one.allowed if one.allowed else 0.0))


def judge(expected: np.ndarray, got: np.ndarray, mode: str) -> Comparison:
    """Compares answers with the model's own.

    Args:
        expected: What the Keras model answers, `[examples, ...]`.
        got: What the file answers to the same examples.
        mode: As in `compare`.
    """
    expected, got = (values.reshape(len(values), -1).astype(np.float64) for values in (expected, got))
    largest = float(np.max(np.abs(expected)))
    if mode in FLOAT_TOLERANCES:
        error = float(np.max(np.abs(got - expected)))
        return Comparison("largest error", error, FLOAT_TOLERANCES[mode] * max(1.0, largest), len(expected))
    squares = np.mean((got - expected) ** 2, axis=1)
    deviations = np.mean((expected - expected.mean(axis=0)) ** 2, axis=1)
    outliers = math.ceil(_OUTLIERS * len(squares)) if len(squares) > 1 else 0
    kept = np.argsort(squares, kind="stable")[: len(squares) - outliers]
    # An answer that is no number is not an outlier.
    error = math.sqrt(np.mean(squares[kept])) if np.isfinite(got).all() else math.nan
    allowed = math.sqrt(UNEXPLAINED[mode] * float(np.mean(deviations[kept])))
    return Comparison("root mean square error", error, max(allowed, _step(expected, largest)), len(expected))


def _step(expected: np.ndarray, largest: float) -> float:
    # TFLite fixes the range of a softmax or sigmoid to [0, 1], however little of it is used.
    probabilities = expected.min() >= 0.0 and largest <= 1.0
    return (1.0 if probabilities else 2 * largest) / _STEPS
