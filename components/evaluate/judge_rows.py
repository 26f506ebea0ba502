"""The work of the gate: rows of a file of examples to tallies, flips and seconds, and their sum."""

import functools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import apache_beam as beam
import numpy as np

from components.errors import InputError
from components.evaluate import files, flips, models, tally
from components.evaluate.answers import AnsweredFile, AnswerReader
from components.evaluate.flips import Flip
from components.evaluate.slices import SliceKey
from components.evaluate.spec import GateSpec
from compression.outputs import SOLE

ROWS_AT_MOST = 1 << 18
"""Rows of one piece of work: large files are spread over workers."""


@dataclass(frozen=True)
class Rows:
    """A range of a file.

    Attributes:
        path: The file.
        answered: Its entry in the answers.
        first: First row.
        count: Number of rows.
    """

    path: str
    answered: AnsweredFile
    first: int
    count: int


def plan_work(paths: Sequence[str], answered: Sequence[AnsweredFile], at_most: int = ROWS_AT_MOST) -> list[Rows]:
    """Ranges that cover every row of every file once.

    Raises:
        InputError: The files are not those that the baseline has answered.
    """
    by_name = {file.name: file for file in answered}
    names = [PurePosixPath(path).name for path in paths]
    if sorted(names) != sorted(by_name):
        raise InputError(
            f"the baseline must have answered the same files that the candidate gets, {sorted(names)}, got answers "
            f"to {sorted(by_name)}; make the answers from the same examples"
        )
    return [
        Rows(path, by_name[name], first, min(at_most, by_name[name].records - first))
        for path, name in zip(paths, names, strict=True)
        # A file without examples is work too: its digest is compared.
        for first in range(0, max(by_name[name].records, 1), at_most)
    ]


@dataclass
class Seconds:
    """Where the time went."""

    reading: float = 0.0
    inference: float = 0.0
    metrics: float = 0.0

    def __add__(self, other: "Seconds") -> "Seconds":
        return Seconds(self.reading + other.reading, self.inference + other.inference, self.metrics + other.metrics)


@dataclass(frozen=True)
class Judged:
    """What is known of a range, or of several together.

    Attributes:
        tallies: By output and slice.
        flips: The most remarkable flips by output.
        seconds: Where the time went.
    """

    tallies: dict[tuple[str, SliceKey], tally.Tally] = field(default_factory=dict)
    flips: dict[str, list[Flip]] = field(default_factory=dict)
    seconds: Seconds = field(default_factory=Seconds)


class MergeJudged(beam.CombineFn):
    """`Judged` of many ranges to that of all: one combiner, because every stage of Beam costs more than the merging."""

    def __init__(self, flips_kept: int) -> None:
        self._flips_kept = flips_kept

    def create_accumulator(self) -> Judged:
        """Nothing yet."""
        return Judged()

    def add_input(self, total: Judged, part: Judged) -> Judged:
        """Adds a range."""
        tallies = dict(total.tallies)
        for key, found in part.tallies.items():
            tallies[key] = tally.merge(tallies[key], found) if key in tallies else found
        kept = {
            output: flips.most_remarkable([*total.flips.get(output, ()), *found], self._flips_kept)
            for output, found in part.flips.items()
        }
        return Judged(tallies, kept, total.seconds + part.seconds)

    def merge_accumulators(self, totals: Iterable[Judged]) -> Judged:
        """Adds up what workers have added up."""
        return functools.reduce(self.add_input, totals, Judged())

    def extract_output(self, total: Judged) -> Judged:
        """The sum."""
        return total


class JudgeRows(beam.DoFn):
    """`Rows` to `Judged`."""

    def __init__(self, spec: GateSpec, source: files.Source, *, model_uri: str, answers_uri: str) -> None:
        self._spec = spec
        self._parts = spec.parts()
        self._source = source
        self._model_uri = model_uri
        self._answers_uri = answers_uri

    def setup(self) -> None:
        """Loads the model, once per worker."""
        self._model = models.load(self._model_uri, self._spec.threads)
        _check_outputs("candidate", self._model.outputs, self._parts)
        labels = (part.label for part in self._parts.values())
        names = (*self._model.input_names, *labels, *self._spec.columns)
        self._reader = self._source.reader(names, self._spec.batch_size)

    def process(self, work: Rows) -> Iterator[Judged]:
        """Judges one range."""
        # The digest is of the whole file, so its first range speaks for all.
        if work.first == 0 and files.sha256(work.path) != work.answered.sha256:
            raise InputError(
                f"the baseline must have answered the very records that the candidate gets, but {work.path} has "
                "changed since; make the answers from the same examples"
            )
        if work.count:
            _check_outputs("baseline", tuple(work.answered.widths), self._parts)
        # The overall slice is there even without examples: nothing measured is a result as well.
        tallies: dict[str, dict[SliceKey, tally.Tally]] = {output: {(): tally.Tally()} for output in self._parts}
        found: dict[str, list[Flip]] = {output: [] for output in self._parts}
        seconds = Seconds()
        for batch, answers in self._answers(work, seconds):
            start = time.perf_counter()
            columns = files.column_values(batch, self._spec.columns)
            for output, part in self._parts.items():
                tally.add_batch(part, tallies[output], answers[output], columns, part.judged)
                found[output] = _flips(part, work, batch, answers[output], found[output])
            seconds.metrics += time.perf_counter() - start
        flat = {(output, key): sums for output, by_slice in tallies.items() for key, sums in by_slice.items()}
        yield Judged(flat, found, seconds)

    def _answers(self, work: Rows, seconds: Seconds) -> Iterator[tuple[files.Batch, dict[str, tally.Answers]]]:
        reader = AnswerReader(self._answers_uri, work.answered)
        batches = self._reader.batches(work.path, work.first, work.count)
        row = work.first
        while True:
            start = time.perf_counter()
            batch = next(batches, None)
            seconds.reading += time.perf_counter() - start
            if batch is None:
                break
            start = time.perf_counter()
            candidate = self._model.answers(batch.columns)
            seconds.inference += time.perf_counter() - start
            baseline, ids = reader.take(row, len(batch))
            row += len(batch)
            compared = {
                output: tally.compare(part, _label(batch, part), baseline[output], candidate[output], ids)
                for output, part in self._parts.items()
            }
            yield batch, compared
        if row != work.first + work.count:
            raise InputError(f"{work.path} must hold {work.answered.records} examples, got {row}; it is cut off")


def _check_outputs(whose: str, given: Sequence[str], parts: Mapping[str, GateSpec]) -> None:
    if not parts.keys() <= set(given):
        wanted = "one output" if SOLE in parts else f"the outputs {', '.join(parts)}"
        got = ", ".join(given) if len(given) > 1 else "one output"
        raise InputError(f"the {whose} must have {wanted}, got {got}; tell the gate label and task of each output")


def _label(batch: files.Batch, part: GateSpec) -> np.ndarray:
    label = batch.columns[part.label]
    if label.size != len(batch):
        raise InputError(f"label {part.label!r} must hold one value per example, got shape {label.shape[1:]}")
    return label.reshape(len(batch))


def _flips(part: GateSpec, work: Rows, batch: files.Batch, answers: tally.Answers, known: list[Flip]) -> list[Flip]:
    kept = part.flips_kept
    if not kept:
        return known
    above = flips.least_weight(known, kept)
    name = work.answered.name
    new = flips.of_batch(part, answers, file=name, first=batch.first, records=batch.records, above=above)
    return flips.most_remarkable([*known, *new], kept) if new else known
