"""What the gate keeps of the examples it has seen: counts and sums per slice, from whole batches, in any order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from components.errors import InputError
from components.evaluate.slices import SliceKey, members
from components.evaluate.spec import GateSpec, SliceRule
from compression.statistics import bootstrap
from compression.statistics.bootstrap import Accumulator
from compression.statistics.paired import PairedCounts, right_answers

BASELINE_AXIS, CANDIDATE_AXIS = 0, 1
MODELS = 2
"""Baseline and candidate, in this order in every array with an axis of models."""

MOST_CLASSES = 100
"""A confusion matrix of more classes is no help to a reader, and one per slice would fill the memory."""


@dataclass
class Tally:
    """Sums over the examples of one slice.

    Attributes:
        examples: Number of examples.
        invalid: Predictions that are not finite, `[MODELS]`.
        pairs: Right and wrong answers; stays empty for regression.
        confusion: `[MODELS, C, C]`, label by answer; `None` for regression and for more than `MOST_CLASSES` classes.
            Predictions that are not finite, and labels beyond the classes, are in none of its cells.
        accumulators: Bootstrap sums by metric, for metrics other than accuracy.
    """

    examples: int = 0
    invalid: np.ndarray = field(default_factory=lambda: np.zeros(MODELS, np.int64))
    pairs: PairedCounts = field(default_factory=PairedCounts)
    confusion: np.ndarray | None = None
    accumulators: dict[str, Accumulator] = field(default_factory=dict)


@dataclass(frozen=True)
class Answers:
    """One batch: what both models said, whole arrays.

    Attributes:
        label: `[batch]`.
        scores: Predictions `[MODELS, batch, C]`, float32; C is 1 unless the task is multiclass.
        right: Right answers `[MODELS, batch]`; all false for regression.
        finite: Finite predictions `[MODELS, batch]`.
        cells: Cell of the confusion matrix `[MODELS, batch]`, -1 for none; `None` without a matrix.
        classes: Number of classes.
        ids: 64-bit ids of the examples `[batch]`, for the bootstrap's weights.
    """

    label: np.ndarray
    scores: np.ndarray
    right: np.ndarray
    finite: np.ndarray
    cells: np.ndarray | None
    classes: int
    ids: np.ndarray


def compare(spec: GateSpec, label: np.ndarray, baseline: np.ndarray, candidate: np.ndarray, ids: np.ndarray) -> Answers:
    """Looks at one batch of predictions, `[batch, ...]` each."""
    label = np.asarray(label).reshape(-1)
    scores = np.stack([_scores(spec, label, predictions) for predictions in (baseline, candidate)])
    finite = np.isfinite(scores).all(axis=2)
    if spec.task == "regression":
        return Answers(label, scores, np.zeros_like(finite), finite, None, 0, ids)
    right = np.stack([right_answers(spec.task, label, table)[0] for table in scores])
    classes = scores.shape[2] if spec.task == "multiclass" else 2
    cells = _cells(spec, label, scores, finite, classes) if classes <= MOST_CLASSES else None
    return Answers(label, scores, right, finite, cells, classes, ids)


def _scores(spec: GateSpec, label: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    table = np.asarray(predictions, np.float32).reshape(len(label), -1)
    if len(label) and (table.shape[1] == 1) == (spec.task == "multiclass"):
        wanted = "two or more numbers" if spec.task == "multiclass" else "one number"
        raise InputError(
            f"a {spec.task} model must answer {wanted} for an example, got {table.shape[1]}; correct model.task"
        )
    return table


def _cells(spec: GateSpec, label: np.ndarray, scores: np.ndarray, finite: np.ndarray, classes: int) -> np.ndarray:
    answers = scores.argmax(axis=2) if spec.task == "multiclass" else (scores[:, :, 0] > 0.5).astype(np.int64)
    truth = label.astype(np.int64)
    known = finite & (truth >= 0) & (truth < classes) & (truth == label)
    return np.where(known, truth * classes + answers, -1)


def add(spec: GateSpec, tally: Tally, answers: Answers, rows: np.ndarray) -> None:
    """Adds some rows of a batch to a tally, in place."""
    tally.examples += len(rows)
    tally.invalid += np.sum(~answers.finite[:, rows], axis=1)
    if spec.task != "regression":
        tally.pairs += _pairs(answers.right[:, rows], answers.finite[:, rows])
    if answers.cells is not None:
        tally.confusion = _sum(tally.confusion, _confusion(answers.cells[:, rows], answers.classes))
    for metric in bootstrapped(spec):
        if metric not in tally.accumulators:
            tally.accumulators[metric] = bootstrap.empty(metric, MODELS, seed=spec.seed)
        accumulator = tally.accumulators[metric]
        bootstrap.accumulate(accumulator, answers.ids[rows], answers.label[rows], answers.scores[:, rows, 0])


def bootstrapped(spec: GateSpec) -> list[str]:
    """The metrics whose bounds come from the bootstrap."""
    return [metric for metric in spec.all_metrics if metric != "accuracy"]


def _pairs(right: np.ndarray, finite: np.ndarray) -> PairedCounts:
    baseline, candidate = right
    return PairedCounts(
        n=right.shape[1],
        both=int(np.sum(baseline & candidate)),
        baseline_only=int(np.sum(baseline & ~candidate)),
        candidate_only=int(np.sum(~baseline & candidate)),
        invalid=int(np.sum(~finite)),
    )


def _confusion(cells: np.ndarray, classes: int) -> np.ndarray:
    counts = [np.bincount(row[row >= 0], minlength=classes * classes) for row in cells]
    return np.stack(counts).reshape(MODELS, classes, classes)


def _sum(one: np.ndarray | None, other: np.ndarray | None) -> np.ndarray | None:
    if one is None or other is None:
        return one if other is None else other
    return one + other


def merge(one: Tally, other: Tally) -> Tally:
    """The tally of both sets of examples; neither argument changes."""
    accumulators = dict(one.accumulators)
    for metric, accumulator in other.accumulators.items():
        mine = accumulators.get(metric)
        accumulators[metric] = accumulator if mine is None else bootstrap.merge(mine, accumulator)
    return Tally(
        examples=one.examples + other.examples,
        invalid=one.invalid + other.invalid,
        pairs=one.pairs + other.pairs,
        confusion=_sum(one.confusion, other.confusion),
        accumulators=accumulators,
    )


def add_batch(
    spec: GateSpec,
    tallies: dict[SliceKey, Tally],
    answers: Answers,
    columns: Mapping[str, np.ndarray],
    rules: Sequence[SliceRule],
) -> None:
    """Adds a batch to the tally of every slice that it has rows of; `tallies` grows as slices appear."""
    for key, rows in members(columns, len(answers.label), rules):
        if key not in tallies:
            tallies[key] = Tally()
        add(spec, tallies[key], answers, rows)
