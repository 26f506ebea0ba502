"""Precisions layer by layer by the AI Edge Quantizer, which rewrites a float TFLite file operator by operator."""

import contextlib
import io
import re
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
from ai_edge_quantizer import algorithm_manager, calibrator, qtyping, quantizer, recipe, recipe_manager
from ai_edge_quantizer.utils import qsv_utils

from compression.data import Features, Split
from compression.errors import CompressionError
from compression.predict import SIGNATURE, TFLitePredictor
from compression.quantization.dead_channels import dead_channels
from compression.quantization.layer_operators import INT4_OPERATORS, STATEFUL_OPERATORS, LayerOperator
from compression.settings import QuantizeSettings
from compression.settings.quantize import CALIBRATED_MODES

_Algorithm = algorithm_manager.AlgorithmName
_Operation = qtyping.TFLOperationName
_PER_CHANNEL = qtyping.QuantGranularity.CHANNELWISE
_PER_TENSOR = qtyping.QuantGranularity.TENSORWISE

_BITS: dict[str, tuple[int, int]] = {"int8": (8, 8), "int16x8": (16, 8), "int4": (8, 4)}
"""Precision of a calibrated mode -> bits of activations and of weights."""

_CALIBRATION_BATCH = 32
_CLIPPING_EXAMPLES = 128

# They have a graph of their own, or take a batch of one and remember it: their ranges cannot be measured here.
_UNSEEN = STATEFUL_OPERATORS | {"WHILE"}


class EdgeRequantizer:
    """Quantizes one float file again and again, each time with other precisions.

    4-bit weights are clipped at their largest value, or where OCTAV (Sakr et al. 2022, arXiv:2206.06501) expects the
    least squared error, whichever brings the outputs nearer to the float file's on train examples.

    Args:
        content: A float file with a signature.
        operators: What it computes.
        settings: Any mode of `LAYER_PRECISIONS`; number of calibration examples.
        calibration: Its first examples set the activation ranges of calibrated modes.
        per_tensor: Operators whose 8-bit weights get one scale for the whole tensor.
        layers: Precisions that will be asked for besides the mode's own, to choose the clipping for.

    Attributes:
        content: The float file.
        clipping: `min_max` or `octav`.

    Raises:
        CompressionError: A calibrated mode and an operator whose ranges cannot be measured.
    """

    def __init__(
        self,
        content: bytes,
        operators: Sequence[LayerOperator],
        settings: QuantizeSettings,
        calibration: Split,
        *,
        per_tensor: Collection[str] = (),
        layers: Mapping[str, str] | None = None,
    ) -> None:
        self.content = content
        self._operators, self._mode, self._per_tensor = operators, settings.mode, per_tensor
        # The smallest scale there is, which they would get else, loses their bias; clipping cannot divide by zero.
        self._dead = {found.output: found for found in dead_channels(content)}
        self._ranges = {
            found.weights: {"min": -found.largest, "max": found.largest}
            for operator in operators
            if (found := self._dead.get(operator.output)) and operator.op not in per_tensor
        }
        if settings.mode in CALIBRATED_MODES:
            _refuse_unseen(operators, settings.mode)
            self._ranges |= activation_ranges(content, settings, calibration)
        self.clipping = "min_max"
        if self._mode == "int4" or "int4" in (layers or {}).values():
            self.clipping = self._nearest(layers or {}, calibration)

    def __call__(self, precisions: Mapping[str, str]) -> bytes:
        """The file; its bytes depend on the precisions alone.

        Args:
            precisions: Precision by the name of an operator's first output; operators left out have the mode's own.
        """
        rules = recipe_manager.RecipeManager()
        for operator in self._operators:
            self._add_rule(rules, operator, precisions.get(operator.output, _own_precision(self._mode)))
        # Inputs and outputs of the graph count as operators; the rule that stands last wins.
        for operation in (_Operation.INPUT, _Operation.OUTPUT):
            if self._mode == "int8_io":
                rules.add_static_config("", operation, 8, 8)
            else:
                rules.add_quantization_config("", operation, None, _Algorithm.NO_QUANTIZE)
        machine = quantizer.Quantizer(bytearray(self.content), rules.get_quantization_recipe())
        try:
            with _quiet():
                result = machine.quantize(self._ranges or None, enable_progress_bar=False, enable_progress_report=False)
        except (ValueError, RuntimeError, KeyError) as error:
            raise CompressionError(
                f"the edge quantizer must be able to rewrite every operator, but it says: {error}; choose another mode "
                "or give fewer layers a precision of their own"
            ) from error
        assert result.quantized_model is not None
        return bytes(result.quantized_model)

    def _add_rule(self, rules: recipe_manager.RecipeManager, operator: LayerOperator, precision: str) -> None:
        # What the edge quantizer matches with is the names of all outputs; one name may begin like another.
        scope, every = f"^{re.escape(';'.join(operator.outputs))};$", _Operation.ALL_SUPPORTED
        if precision == "int4" and operator.op not in INT4_OPERATORS[self._mode]:
            precision = "int8"
        granularity = _PER_TENSOR if operator.op in self._per_tensor and precision != "int4" else _PER_CHANNEL
        clip = precision == "int4" and self.clipping == "octav" and operator.output not in self._dead
        algorithm = _Algorithm.OCTAV if clip else _Algorithm.MIN_MAX_UNIFORM_QUANT
        if precision == "float32":
            rules.add_quantization_config(scope, every, None, _Algorithm.NO_QUANTIZE)
        elif self._mode in CALIBRATED_MODES:
            rules.add_static_config(scope, every, *_BITS[precision], granularity, algorithm)
        elif self._mode == "dynamic":
            rules.add_dynamic_config(scope, every, _BITS[precision][1], granularity, algorithm)
        else:
            rules.add_weight_only_config(scope, every, _BITS[precision][1], granularity, algorithm)

    def _nearest(self, precisions: Mapping[str, str], calibration: Split) -> str:
        features, _ = calibration.take_arrays(_CLIPPING_EXAMPLES)
        expected = TFLitePredictor(self.content).table(features)
        errors = {}
        for self.clipping in ("min_max", "octav"):
            got = TFLitePredictor(self(precisions)).table(features)
            errors[self.clipping] = float(np.mean((got - expected) ** 2))
        return min(errors, key=lambda clipping: errors[clipping])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without progress bars, which go to standard error, and without advice about memory."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.filterwarnings("ignore", message="(?s).*experimental_preserve_all_tensors")
        yield


def _own_precision(mode: str) -> str:
    return {"int8_io": "int8", "dynamic": "int8"}.get(mode, mode)


def _refuse_unseen(operators: Sequence[LayerOperator], mode: str) -> None:
    unseen = [operator.owner for operator in operators if operator.op in _UNSEEN]
    if unseen:
        raise CompressionError(
            f"with mode {mode} layers can have a precision of their own only in a graph without fused or looping "
            f"recurrent layers, got {', '.join(unseen)}; build them with unroll=True, or leave out `layers` and keep: "
            "int16x8"
        )


def activation_ranges(content: bytes, settings: QuantizeSettings, calibration: Split) -> dict[str, qtyping.QSV]:
    """Smallest and largest value of every activation over the calibration examples."""
    features, _ = calibration.take_arrays(settings.calibration_examples)
    names = TFLitePredictor(content).input_names
    batches: list[Features] = [
        {name: features[name][start : start + _CALIBRATION_BATCH] for name in names}
        for start in range(0, len(next(iter(features.values()))), _CALIBRATION_BATCH)
    ]
    rules = recipe_manager.RecipeManager()
    rules.load_quantization_recipe(recipe.static_wi8_ai8())
    with _quiet():
        machine = calibrator.Calibrator(content, num_threads=1, qsv_update_func=qsv_utils.min_max_update)
        machine.calibrate({SIGNATURE: batches}, rules)
    ranges: dict[str, qtyping.QSV] = machine.get_model_qsvs()
    return ranges
