"""Proof on real examples that a file which takes raw features answers as the transform and the model behind it do."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from compression.errors import CompressionError
from compression.predict import SIGNATURE, dequantize_array, quantize_array

Arrays = Mapping[str, np.ndarray]

EXAMPLES = 256
"""Real examples that a proof takes."""

TOLERANCE = 1e-5
"""Largest allowed difference between TensorFlow's and TFLite's transform, as a share of the largest value that the same
element of the feature takes: elements of one feature may have very different ranges.

One operator, LiteRT's approximations of exp, log and tanh included, is off by less than 5e-7 of that (a test holds it);
the rest is room for twenty of them in a row.
"""


@dataclass(frozen=True)
class FrontProof:
    """How close a transform's TFLite file came to the transform itself.

    Attributes:
        examples: Examples compared.
        max_abs_error: Feature -> largest difference.
    """

    examples: int
    max_abs_error: dict[str, float]


@dataclass
class MergedProof:
    """How a file that takes raw features compares with its model on features that TensorFlow transformed.

    Attributes:
        examples: Examples compared.
        rounded_otherwise: Examples for which the model reads other bits than from TensorFlow's transform: float
            rounding, or a quantizer that rounds a value halfway between two steps the other way.
        max_abs_error: Largest difference of an output, over all examples; 0.0 where no example was rounded otherwise.
    """

    examples: int = 0
    rounded_otherwise: int = 0
    max_abs_error: float = 0.0


class Runner:
    """A TFLite file in LiteRT with XNNPACK, in its own types.

    Args:
        tflite: The flatbuffer; needs the signature `serving_default`.
    """

    def __init__(self, tflite: bytes) -> None:
        self._interpreter = Interpreter(model_content=tflite)
        self._runner = self._interpreter.get_signature_runner(SIGNATURE)
        self.inputs: dict[str, Any] = self._runner.get_input_details()
        self.outputs: dict[str, Any] = self._runner.get_output_details()

    def __call__(self, features: Arrays) -> dict[str, np.ndarray]:
        """Outputs by name for features `[batch, ...]` by name; further features are ignored."""
        feed = {name: np.ascontiguousarray(features[name], detail["dtype"]) for name, detail in self.inputs.items()}
        return {name: np.array(values) for name, values in self._runner(**feed).items()}


def check_front(front: bytes, batches: Iterable[tuple[Arrays, Arrays]]) -> FrontProof:
    """Compares a transform's TFLite file with the transform.

    Floats may differ by `TOLERANCE`, integers by nothing.

    Args:
        front: The flatbuffer.
        batches: Raw features and what TensorFlow made of them, `[batch, ...]` by name, as many as there are.

    Raises:
        CompressionError: They differ, or there was no example.
    """
    runner = Runner(front)
    errors: dict[str, np.ndarray] = {}
    largest: dict[str, np.ndarray] = {}
    examples = 0
    for raw, transformed in batches:
        got = runner(raw)
        examples += _size(got)
        for name, values in got.items():
            expected = np.asarray(transformed[name])
            _keep_largest(errors, name, _differences(values, expected))
            _keep_largest(largest, name, np.abs(np.where(np.isfinite(expected), expected, 0).astype(np.float64)))
    _demand_examples(examples)
    for name, error in errors.items():
        tolerance = TOLERANCE if runner.outputs[name]["dtype"] == np.float32 else 0.0
        excess = error - tolerance * largest[name]
        if not np.max(excess) <= 0.0:
            worst = np.unravel_index(np.argmax(excess), excess.shape)
            raise CompressionError(
                f"the transform in TFLite must give {name!r} as TensorFlow does, got a difference of {error[worst]:g} "
                f"(allowed {tolerance * largest[name][worst]:g}) in {examples} real examples; find the operator of "
                "preprocessing_fn that TFLite computes otherwise, or set export: {inputs: transformed}"
            )
    return FrontProof(examples, {name: float(np.max(error)) for name, error in errors.items()})


def check_merged(merged: bytes, front: bytes, model: bytes, batches: Iterable[tuple[Arrays, Arrays]]) -> MergedProof:
    """Compares a merged file with its parts, bit for bit, and with the model on TensorFlow's features.

    What a quantizer makes of a feature must lie within half a step of TensorFlow's value: a value halfway between two
    steps has two right answers, and a difference in the last bit decides between them. So the model may be asked with
    an integer that differs by one, which is no less right; how often that is, and what it does to the answers, is
    reported and is no fault.

    Args:
        merged: What `prepend` made of the other two.
        front: The transform, with the model's input types.
        model: The model.
        batches: As in `check_front`.

    Raises:
        CompressionError: One bit of an answer differs from that of the parts, a quantized feature is off by more than
            rounding, or there was no example.
    """
    whole, first, last, proof = Runner(merged), Runner(front), Runner(model), MergedProof()
    for raw, transformed in batches:
        answers, fed = whole(raw), first(raw)
        if _bits(answers) != _bits(last(fed)):
            raise CompressionError(
                "the merged file must answer bit for bit as transform and model one after the other, but did not on "
                f"one of the real examples {proof.examples} to {proof.examples + _size(fed) - 1}; this is a fault of "
                "the runtime or of this tool: set export: {inputs: transformed}"
            )
        _check_steps(fed, transformed, last.inputs)
        expected = last({name: _as_input(transformed[name], detail) for name, detail in last.inputs.items()})
        proof.rounded_otherwise += _rows_that_differ(fed, transformed, last.inputs)
        proof.examples += _size(fed)
        for name, detail in last.outputs.items():
            pair = (_as_float(values[name], detail) for values in (answers, expected))
            proof.max_abs_error = max(proof.max_abs_error, float(np.max(_differences(*pair), initial=0.0)))
    _demand_examples(proof.examples)
    if not np.isfinite(proof.max_abs_error):
        raise CompressionError(
            "answers to raw examples must be numbers where those to transformed ones are, got NaN or infinity on one "
            "side; train with smaller steps, or set export: {inputs: transformed}"
        )
    return proof


def _keep_largest(kept: dict[str, np.ndarray], name: str, values: np.ndarray) -> None:
    """Keeps the largest value of every element over all examples, `values` `[batch, ...]`."""
    found = values.max(axis=0)
    kept[name] = np.maximum(kept[name], found) if name in kept else found


def _demand_examples(count: int) -> None:
    if not count:
        raise CompressionError("a proof needs real examples, got none; give validation a larger share in data.splits")


def _size(features: Arrays) -> int:
    return len(next(iter(features.values())))


def _bits(arrays: Arrays) -> dict[str, bytes]:
    # Bytes, not values: NaN differs from itself.
    return {name: values.tobytes() for name, values in arrays.items()}


def _differences(values: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Absolute differences; equal values, infinite ones and NaN on both sides included, differ by 0."""
    one, other = values.astype(np.float64), expected.astype(np.float64)
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    with np.errstate(invalid="ignore"):
        differences = np.abs(one - other)
    return np.where(same, 0.0, np.where(np.isnan(differences), np.inf, differences))


def _scale(detail: Mapping[str, Any]) -> tuple[float, int]:
    scale, zero_point = detail["quantization"]
    return float(scale), int(zero_point)


def _as_input(values: np.ndarray, detail: Mapping[str, Any]) -> np.ndarray:
    scale, zero_point = _scale(detail)
    return quantize_array(values, scale, zero_point, detail["dtype"]) if scale else values.astype(detail["dtype"])


def _as_float(values: np.ndarray, detail: Mapping[str, Any]) -> np.ndarray:
    scale, zero_point = _scale(detail)
    return dequantize_array(values, scale, zero_point) if scale else values


def _check_steps(fed: Arrays, transformed: Arrays, details: Mapping[str, Any]) -> None:
    for name, detail in details.items():
        scale, zero_point = _scale(detail)
        if not scale:
            continue
        limits = np.iinfo(detail["dtype"])
        low, high = (scale * (limit - zero_point) for limit in (limits.min, limits.max))
        real = np.clip(transformed[name].astype(np.float64), low, high)
        error = float(np.max(np.abs(_as_float(fed[name], detail) - real), initial=0.0))
        # Half a step is what rounding costs; the rest is float32's rounding over the whole range.
        if not error <= 0.5 * scale + TOLERANCE * max(abs(low), abs(high)):
            raise CompressionError(
                f"a quantized feature must be within half a step of TensorFlow's value, got {error / scale:g} steps "
                f"for {name!r}; set export: {{inputs: transformed}}"
            )


def _rows_that_differ(fed: Arrays, transformed: Arrays, details: Mapping[str, Any]) -> int:
    different = np.zeros(_size(fed), bool)
    for name, detail in details.items():
        expected = _as_input(transformed[name], detail)
        different |= (fed[name] != expected).reshape(len(expected), -1).any(axis=1)
    return int(different.sum())
