"""Keeping the layers that quantization hurts most in a finer precision, until the drop on validation is in budget.

Rank and revert, as NNCF's accuracy control does: every candidate is a real flatbuffer, and what is compared is the
gate's own metric.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from compression.data import Split, TrainingData
from compression.errors import CompressionError
from compression.evaluate import evaluate
from compression.predict import TFLitePredictor
from compression.quantization.layer_operators import COPYING_OPERATORS, INT4_OPERATORS, LayerOperator
from compression.settings import QuantizeSettings
from compression.settings.metrics import drop
from compression.sources import Source

_BATCH = 256


class Requantizer(Protocol):
    """Makes files of one model, each time with other precisions for some operators.

    Attributes:
        content: The model in float, as a file.
    """

    content: bytes

    def __call__(self, precisions: Mapping[str, str]) -> bytes:
        """The file with these precisions by the name of an operator's first output; all others have the mode's own."""


@dataclass(frozen=True)
class Selection:
    """What selective quantization came to.

    Attributes:
        content: The file.
        report: Plain values for JSON: `metric`, `budget`, `keep`, `reference` (the float model's metric),
            `drop_before` (nothing kept), `drop_after`, `validation_examples`, `ranking_examples`, `conversions`, and
            `layers`, the most sensitive first: `layer`, `score` (what the metric gains on the ranking examples when
            this layer alone is kept), `output_mse` (against the float model then), `kept`.
    """

    content: bytes
    report: dict[str, Any]


@dataclass(frozen=True)
class _Rank:
    """A layer, the operators that compute it, and what keeping it alone would do."""

    layer: str
    operators: tuple[str, ...]
    score: float
    output_mse: float


class Selector:
    """The search for one model.

    At most 3 n + 1 conversions for n layers: one with nothing kept, one per layer to rank them, one per layer that is
    kept, one per kept layer to see whether it is still needed.

    Args:
        make: Makes the candidates.
        operators: What the model in float computes.
        data: `validation` is looked at.
        settings: Mode, budget, precision of kept layers, number of ranking examples.
        metric: A name in `compression.settings.metrics.METRICS`; of one of several outputs `output/name`.
        fixed: Operators whose precision the user chose; they are not ranked.
    """

    def __init__(
        self,
        make: Requantizer,
        operators: Sequence[LayerOperator],
        data: TrainingData,
        settings: QuantizeSettings,
        *,
        metric: str,
        fixed: Mapping[str, str],
    ) -> None:
        assert settings.max_validation_drop is not None
        self._make, self._settings, self._metric, self._task = make, settings, metric, data.task
        self._validation, self._budget = data.validation, settings.max_validation_drop
        self._ranking = _spread(data.validation, settings.ranking_size)
        free = [operator for operator in operators if operator.output not in fixed]
        self._groups = _groups(free, settings)
        self._fixed = dict(fixed)
        self._conversions = 0
        self._reference = self._value(make.content, self._validation)
        self._expected = _predictions(make.content, self._ranking)

    def select(self) -> Selection:
        """Finds the layers to keep.

        Raises:
            CompressionError: The budget cannot be met, or only with every layer kept.
        """
        content = self._convert(())
        before = after = self._drop(content)
        kept: list[_Rank] = []
        ranks: list[_Rank] = []
        if before > self._budget:
            ranks = self._rank(content)
            content, after, kept = self._revert(ranks, after)
        report = {
            "metric": self._metric,
            "budget": self._budget,
            "keep": self._settings.kept_precision,
            "reference": self._reference,
            "drop_before": before,
            "drop_after": after,
            "validation_examples": self._validation.size,
            "ranking_examples": self._ranking.size if ranks else 0,
            "conversions": self._conversions,
            "layers": [
                {"layer": rank.layer, "score": rank.score, "output_mse": rank.output_mse, "kept": rank in kept}
                for rank in ranks
            ],
        }
        return Selection(content, report)

    def _rank(self, content: bytes) -> list[_Rank]:
        """The layers, the one whose keeping gains most first; ties are broken by the error of the outputs."""
        whole = self._value(content, self._ranking)
        ranks = []
        for layer, operators in self._groups.items():
            candidate = self._convert(operators)
            score = drop(self._metric, self._value(candidate, self._ranking), whole)
            error = float(np.mean((_predictions(candidate, self._ranking) - self._expected) ** 2))
            ranks.append(_Rank(layer, operators, score, error))
        return sorted(ranks, key=lambda rank: (-rank.score, rank.output_mse))

    def _revert(self, ranks: Sequence[_Rank], left: float) -> tuple[bytes, float, list[_Rank]]:
        """Keeps the worst layers first, then gives back those that turn out not to be needed."""
        kept: list[_Rank] = []
        content = b""
        for rank in ranks:
            kept.append(rank)
            content = self._convert(name for one in kept for name in one.operators)
            left = self._drop(content)
            if left <= self._budget:
                break
        if left > self._budget:
            self._give_up(left)
        # The last one is needed: without it the budget was not met.
        for rank in kept[-2::-1]:
            fewer = [one for one in kept if one is not rank]
            candidate = self._convert(name for one in fewer for name in one.operators)
            if (found := self._drop(candidate)) <= self._budget:
                content, left, kept = candidate, found, fewer
        if len(kept) == len(self._groups):
            self._give_up(left)
        return content, left, kept

    def _give_up(self, left: float) -> None:
        settings, count = self._settings, len(self._groups)
        if left > self._budget:
            got = f"a drop of {left:.4g} of {self._metric} with all {count} layers in {settings.kept_precision}"
        else:
            got = f"it only with all {count} layers in {settings.kept_precision}"
        raise CompressionError(
            f"mode {settings.mode} must stay within max_validation_drop ({self._budget:g}) with at least one layer "
            f"quantized, got {got}; raise max_validation_drop, choose another mode, or train with a qat step"
        )

    def _convert(self, operators: Iterable[str]) -> bytes:
        self._conversions += 1
        return self._make(self._fixed | dict.fromkeys(operators, self._settings.kept_precision))

    def _drop(self, content: bytes) -> float:
        return drop(self._metric, self._reference, self._value(content, self._validation))

    def _value(self, content: bytes, split: Split) -> float:
        return evaluate(TFLitePredictor(content).answers, split, self._metric, self._task)


def _groups(operators: Sequence[LayerOperator], settings: QuantizeSettings) -> dict[str, tuple[str, ...]]:
    """The operators of every layer that keeping would change, in the graph's order."""
    groups: dict[str, tuple[str, ...]] = {}
    for operator in operators:
        groups[operator.owner] = (*groups.get(operator.owner, ()), operator.output)
    changed = {operator.owner for operator in operators if _is_rounded(operator, settings)}
    return {layer: outputs for layer, outputs in groups.items() if layer in changed}


def _is_rounded(operator: LayerOperator, settings: QuantizeSettings) -> bool:
    if settings.mode != "int4":
        return operator.op not in COPYING_OPERATORS
    return operator.op in INT4_OPERATORS["int4"] if settings.kept_precision == "int8" else operator.weights is not None


@dataclass(frozen=True)
class _Spread:
    """Every so-manieth element of a source, up to a number of them."""

    source: Source
    stride: int
    count: int

    def elements(self) -> tf.data.Dataset:
        return self.source.elements().shard(self.stride, 0).take(self.count)

    def mixed(self, seed: int) -> tf.data.Dataset:
        return self.elements().shuffle(self.count, seed=seed)


def _spread(split: Split, count: int) -> Split:
    """So many examples at equal distances: the first ones may be sorted by something."""
    if count >= split.size:
        return split
    stride = split.size // count
    facts = replace(split.facts, size=count, parts=(count,))
    return Split(_Spread(split.source, stride, count), split.decode, lambda: facts)


def _predictions(content: bytes, split: Split) -> np.ndarray:
    table = TFLitePredictor(content).table
    return np.concatenate([table(features) for features, _ in split.iterate_arrays(_BATCH)])
