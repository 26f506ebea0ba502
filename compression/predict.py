"""Inference with a TFLite model on LiteRT, whole batches at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from compression.errors import CompressionError
from compression.outputs import keys

SIGNATURE = "serving_default"


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a TFLite model.

    Attributes:
        name: The signature's name for it.
        shape: Dimensions; the first, the batch, is -1 when it may vary.
        dtype: NumPy's name, `float32` or `int8` for example.
        scale: Quantization step; 0.0 for a tensor that is not quantized.
        zero_point: The integer that stands for 0.0.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float
    zero_point: int


def quantize_array(values: np.ndarray, scale: float, zero_point: int, dtype: np.dtype[Any] | type) -> np.ndarray:
    """Quantizes as TFLite's reference kernel does: round half away from zero, add the zero point, clip.

    The division is in float32 as in the kernel (`AffineQuantize` in reference/quantize.h).

    Args:
        values: Real numbers, any shape; must be no NaN.
        scale: Quantization step, positive.
        zero_point: The integer that stands for 0.0.
        dtype: An integer type; its range is where values are clipped.

    >>> quantize_array(np.array([0.6, 0.5, -0.5, 300.0]), scale=1.0, zero_point=0, dtype=np.int8).tolist()
    [1, 1, -1, 127]
    """
    # float64 from here on: adding 0.5 to the float32 just below 0.5 would give 1.0.
    steps = (np.asarray(values, np.float32) / np.float32(scale)).astype(np.float64)
    rounded = np.copysign(np.floor(np.abs(steps) + 0.5), steps) + zero_point
    limits = np.iinfo(dtype)
    quantized: np.ndarray = np.clip(rounded, limits.min, limits.max).astype(dtype)
    return quantized


def dequantize_array(values: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """The real numbers, float32, that quantized integers stand for.

    >>> dequantize_array(np.array([1, -3], np.int8), scale=0.5, zero_point=-1).tolist()
    [1.0, -1.0]
    """
    return (np.float32(scale) * (values.astype(np.int32) - np.int32(zero_point))).astype(np.float32)


class TFLitePredictor:
    """Runs a TFLite model by feature names, floats in and floats out whatever the model's own types are.

    XNNPACK is on, as on a device, unless all tensors are kept to be looked at. Not safe for use by several threads at
    once. A file for batches of one example is asked example by example, its variables (the state of a fused LSTM)
    reset before each.

    Attributes:
        input_names: Names of the features that the model takes.
        inputs: The inputs, in the model's order.
        outputs: The outputs, in the model's order.
    """

    def __init__(self, model: bytes | Path, num_threads: int = 1, *, keep_tensors: bool = False) -> None:
        source: dict[str, Any] = {"model_content": model} if isinstance(model, bytes) else {"model_path": str(model)}
        if keep_tensors:
            # What XNNPACK computes stays inside of it.
            source |= {
                "experimental_preserve_all_tensors": True,
                "experimental_op_resolver_type": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            }
        try:
            self._interpreter = Interpreter(**source, num_threads=num_threads)
            self._batch_size: int | None = None
            inputs, outputs = self._details()
        except (ValueError, RuntimeError) as error:
            raise CompressionError(f"the model must be a TFLite file that LiteRT can load, got: {error}") from error
        self._input_indices = {name: detail["index"] for name, detail in inputs.items()}
        self._output_indices = [detail["index"] for detail in outputs.values()]
        self.inputs = tuple(_tensor_info(name, detail) for name, detail in inputs.items())
        self.outputs = tuple(_tensor_info(name, detail) for name, detail in outputs.items())
        self.input_names = tuple(info.name for info in self.inputs)

    def predict(self, features: Mapping[str, np.ndarray]) -> np.ndarray:
        """Predictions of a model with one output for one batch, float32 `[batch, ...]`; see `answers`.

        Raises:
            CompressionError: As `answers`; also when the model has several outputs.
        """
        answers = self.answers(features)
        if len(answers) != 1:
            raise CompressionError(
                f"a model must have one output to be asked with `predict`, got {', '.join(answers)}; use `answers`"
            )
        return next(iter(answers.values()))

    def answers(self, features: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Predictions for one batch by output, float32 `[batch, ...]`; the only output stands under the empty text.

        Args:
            features: Arrays `[batch, ...]` by name; others than the model's inputs are ignored.

        Raises:
            CompressionError: A feature is missing, has another shape, or the batch sizes differ.
        """
        arrays = {info.name: self._checked(info, features) for info in self.inputs}
        sizes = {len(array) for array in arrays.values()}
        if len(sizes) != 1:
            found = ", ".join(f"{name}: {len(array)}" for name, array in arrays.items())
            raise CompressionError(f"all features of a batch must have as many examples, got {found}; align the arrays")
        size = sizes.pop()
        if not self.one_at_a_time:
            return self._answer(arrays, size)
        parts = [{name: array[row : row + 1] for name, array in arrays.items()} for row in range(size)]
        return one_after_another([self._answer(part, 1) for part in parts])

    @property
    def one_at_a_time(self) -> bool:
        """Whether the file takes batches of one example only."""
        return any(info.shape[:1] == (1,) for info in self.inputs)

    def tensor(self, index: int) -> np.ndarray:
        """What a tensor of the first graph holds after the last call, in its own type; needs `keep_tensors`."""
        values: np.ndarray = self._interpreter.get_tensor(index)
        return values

    def _answer(self, arrays: Mapping[str, np.ndarray], size: int) -> dict[str, np.ndarray]:
        try:
            self._resize(size)
        except RuntimeError as error:
            raise CompressionError(f"LiteRT must have a kernel for every operator, but it says: {error}") from error
        self._interpreter.reset_all_variables()
        for name, array in arrays.items():
            self._interpreter.set_tensor(self._input_indices[name], array)
        self._interpreter.invoke()
        made = [
            _as_float(self._interpreter.get_tensor(index), info)
            for index, info in zip(self._output_indices, self.outputs, strict=True)
        ]
        return dict(zip(keys([info.name for info in self.outputs]), made, strict=True))

    def table(self, features: Mapping[str, np.ndarray]) -> np.ndarray:
        """Predictions of all outputs side by side, float32 `[batch, columns]`; see `answers`."""
        return side_by_side(self.answers(features))

    def _checked(self, info: TensorInfo, features: Mapping[str, np.ndarray]) -> np.ndarray:
        if info.name not in features:
            raise CompressionError(
                f"the model needs feature {info.name!r}, got {', '.join(sorted(features)) or 'none'}; pass it by name"
            )
        array = np.asarray(features[info.name])
        if array.ndim != len(info.shape) or array.shape[1:] != info.shape[1:]:
            wanted = ", ".join(["batch", *map(str, info.shape[1:])])
            raise CompressionError(
                f"feature {info.name!r} must have shape ({wanted}), got {array.shape}; reshape it as in training"
            )
        if info.scale == 0.0:
            return np.ascontiguousarray(array, np.dtype(info.dtype))
        return quantize_array(array, info.scale, info.zero_point, np.dtype(info.dtype))

    def _resize(self, batch_size: int) -> None:
        if batch_size == self._batch_size:
            return
        for info in self.inputs:
            self._interpreter.resize_tensor_input(self._input_indices[info.name], [batch_size, *info.shape[1:]])
        self._interpreter.allocate_tensors()
        self._batch_size = batch_size

    def _details(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Inputs and outputs by the signature's names, or by tensor names in a file without a signature."""
        if SIGNATURE in self._interpreter.get_signature_list():
            runner = self._interpreter.get_signature_runner(SIGNATURE)
            return runner.get_input_details(), runner.get_output_details()
        inputs = {_plain_name(detail["name"]): detail for detail in self._interpreter.get_input_details()}
        outputs = {_plain_name(detail["name"]): detail for detail in self._interpreter.get_output_details()}
        return inputs, outputs


def one_after_another(batches: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Predictions of several batches by output as those of one; there must be a batch."""
    return {output: np.concatenate([answers[output] for answers in batches]) for output in batches[0]}


def side_by_side(answers: Mapping[str, np.ndarray]) -> np.ndarray:
    """Predictions `[batch, ...]` of several outputs as columns `[batch, columns]`, in their order."""
    return np.concatenate([made.reshape(len(made), -1) for made in answers.values()], axis=1)


def _plain_name(tensor_name: str) -> str:
    return tensor_name.removeprefix(f"{SIGNATURE}_").split(":")[0]


def _tensor_info(name: str, detail: Mapping[str, Any]) -> TensorInfo:
    scale, zero_point = detail["quantization"]
    signature = detail.get("shape_signature", detail["shape"])
    shape = tuple(int(size) for size in (signature if len(signature) else detail["shape"]))
    return TensorInfo(name, shape, np.dtype(detail["dtype"]).name, float(scale), int(zero_point))


def _as_float(values: np.ndarray, info: TensorInfo) -> np.ndarray:
    if info.scale == 0.0:
        return values.astype(np.float32)
    return dequantize_array(values, info.scale, info.zero_point)
