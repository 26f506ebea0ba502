"""The examples that compression cost us: right before, wrong now; for regression the errors that grew most."""

import hashlib
import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from components.evaluate.spec import GateSpec
from components.evaluate.tally import Answers


@dataclass(frozen=True, order=True)
class Flip:
    """One example; the order is from the least to the most remarkable.

    Attributes:
        weight: The baseline's confidence in its right answer, or the growth of the absolute error.
        file: Name of the file of transformed examples.
        row: Row in the file.
        sha256: Digest of the example's canonical bytes.
        label: The truth.
        baseline: The baseline's predictions.
        candidate: The candidate's predictions.
    """

    weight: float
    file: str
    row: int
    sha256: str
    label: float
    baseline: tuple[float, ...]
    candidate: tuple[float, ...]

    def to_dict(self, task: str) -> dict[str, Any]:
        """For JSON."""
        name = "error_growth" if task == "regression" else "baseline_confidence"
        return {
            "file": self.file,
            "row": self.row,
            "sha256": self.sha256,
            "label": self.label,
            name: self.weight,
            "baseline": list(self.baseline),
            "candidate": list(self.candidate),
        }


def weights(spec: GateSpec, answers: Answers) -> np.ndarray:
    """How remarkable every example of a batch is, `[batch]`; NaN where nothing flipped."""
    baseline, candidate = answers.scores.astype(np.float64)
    if spec.task == "regression":
        label = answers.label.astype(np.float64)
        growth = np.abs(candidate[:, 0] - label) - np.abs(baseline[:, 0] - label)
        return np.where(growth > 0, growth, np.nan)
    flipped = answers.right[0] & ~answers.right[1]
    confidence = baseline.max(axis=1) if spec.task == "multiclass" else np.maximum(baseline[:, 0], 1 - baseline[:, 0])
    return np.where(flipped, confidence, np.nan)


def of_batch(
    spec: GateSpec, answers: Answers, *, file: str, first: int, records: tf.Tensor, above: float
) -> list[Flip]:
    """The most remarkable flips of a batch, at most `spec.flips_kept`.

    Args:
        spec: The gate's.
        answers: The batch.
        file: Name of its file.
        first: Row of its first example.
        records: The serialized examples, a string tensor `[batch]`.
        above: Flips that weigh less are of no interest: that many better ones are known already.
    """
    weight = weights(spec, answers)
    rows = np.flatnonzero(weight >= above)
    rows = rows[np.argsort(-weight[rows], kind="stable")][: spec.flips_kept]
    if not len(rows):
        return []
    serialized = tf.gather(records, rows).numpy()
    return [
        Flip(
            weight=float(weight[row]),
            file=file,
            row=first + int(row),
            sha256=record_sha256(record),
            label=answers.label[row].item(),
            baseline=tuple(answers.scores[0, row].tolist()),
            candidate=tuple(answers.scores[1, row].tolist()),
        )
        for row, record in zip(rows, serialized, strict=True)
    ]


def most_remarkable(flips: Iterable[Flip], count: int) -> list[Flip]:
    """The first `count`, the most remarkable first; ties fall to file and row."""
    return heapq.nsmallest(count, flips, key=lambda flip: (-flip.weight, flip.file, flip.row))


def least_weight(flips: Sequence[Flip], count: int) -> float:
    """What a further flip must weigh to enter a list of `count`."""
    return flips[-1].weight if len(flips) == count else -np.inf


def record_sha256(record: bytes) -> str:
    """Digest of an example; deterministic bytes, because map order in protobuf is arbitrary."""
    example = tf.train.Example.FromString(record)
    return hashlib.sha256(example.SerializeToString(deterministic=True)).hexdigest()
