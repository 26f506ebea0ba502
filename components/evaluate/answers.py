"""A model's answers to every example of a split, computed once and read by every gate.

Answers lie in chunks of rows, so that neither writing nor reading needs memory for a whole file, and a range of rows is
found without reading the others. `answers.json` comes last: without it there are no answers.
"""

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from tfx.dsl.component.experimental.annotations import BeamComponentParameter, InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import Examples, InferenceResult, Model, TransformGraph

from components.errors import InputError
from components.evaluate import files, models
from compression.predict import side_by_side
from compression.statistics.weights import mix, unique_ids

ANSWERS_FILE = "answers.json"

CHUNK_ROWS = 1 << 16
IDS_AT_A_TIME = 1 << 21
BATCH_SIZE = 2048


@dataclass(frozen=True)
class AnsweredFile:
    """One file of examples and where its answers lie.

    Attributes:
        name: Name of the file, without its folder.
        sha256: Of the file's bytes.
        records: Number of examples.
        folder: Folder of the chunks, in the artifact.
        widths: Columns of the chunks that hold each output's predictions, in their order.
    """

    name: str
    sha256: str
    records: int
    folder: str
    widths: dict[str, int]


@component(use_beam=True)
def BaselineAnswers(  # noqa: N802 - a component is named like a class
    examples: InputArtifact[Examples],
    transform_graph: InputArtifact[TransformGraph],
    model: InputArtifact[Model],
    answers: OutputArtifact[InferenceResult],
    split: Parameter[str],
    code_sha256: Parameter[str],
    beam_pipeline: BeamComponentParameter[beam.Pipeline] = None,
) -> None:
    """Asks `model` (TFLite or SavedModel) for every example of `split`; `examples` are transformed ones.

    Emits the predictions in file order, the ids that the bootstrap needs, and what proves whose answers they are.
    """
    del code_sha256  # only makes a change of code known to the cache
    paths = files.example_files(artifact_utils.get_split_uri([examples], split))
    features = tft.TFTransformOutput(transform_graph.uri).transformed_feature_spec()
    with beam_pipeline as pipeline:
        _ = (
            pipeline
            | "Files" >> beam.Create(paths)
            | "Answer" >> beam.ParDo(_AnswerFile(model.uri, features, answers.uri))
            | "Gather" >> beam.combiners.ToList()
            | "WriteIndex" >> beam.Map(write_index, folder=answers.uri, model_uri=model.uri)
        )


class _AnswerFile(beam.DoFn):
    """File of examples to an `AnsweredFile` whose chunks are written."""

    def __init__(self, model_uri: str, features: Mapping[str, Any], folder: str) -> None:
        self._model_uri = model_uri
        self._features = features
        self._folder = folder

    def setup(self) -> None:
        """Loads the model, once per worker."""
        self._model = models.load(self._model_uri)
        numeric = {
            key: spec
            for key, spec in self._features.items()
            if isinstance(spec, tf.io.FixedLenFeature) and spec.dtype != tf.string
        }
        files.wanted_columns(numeric, self._model.input_names)
        self._reader = files.ExampleReader(numeric, BATCH_SIZE)

    def process(self, path: str) -> Iterator[AnsweredFile]:
        """Answers one file."""
        yield answer_file(path, self._model, self._reader, self._folder, lambda batch: digests(batch.columns))


def answer_file(
    path: str,
    model: models.Predictor,
    reader: files.ExampleReader,
    folder: str,
    keys: Callable[[files.Batch], np.ndarray],
) -> AnsweredFile:
    """Writes what a model answers to the examples of a file.

    Args:
        path: The file.
        model: Whom to ask.
        reader: Reads what the model takes.
        folder: Where the answers go, in a folder named after the file.
        keys: 64-bit digests of a batch's examples; see `digests`.
    """
    name = PurePosixPath(path).name
    writer = _ChunkWriter(f"{folder}/{name}")
    widths: dict[str, int] = {}
    for batch in reader.batches(path):
        answers = model.answers(batch.columns)
        widths = {output: made[0].size for output, made in answers.items()}
        writer.add(side_by_side(answers), keys(batch))
    return AnsweredFile(name, files.sha256(path), writer.close(), name, widths)


def digests(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """64-bit digests of the examples' contents `[batch]`; equal examples have equal ones.

    A sum of the words times random odd numbers (multilinear hashing), mixed: the quality that ids need, at the speed of
    reading memory.
    """
    rows = [np.ascontiguousarray(columns[name]) for name in sorted(columns)]
    flat = np.concatenate([row.reshape(len(row), -1).view(np.uint32) for row in rows], axis=1)
    factors = mix(np.arange(1, flat.shape[1] + 1, dtype=np.uint64)) | np.uint64(1)
    return mix(flat.astype(np.uint64) @ factors)


class _ChunkWriter:
    """Writes answers and digests, `CHUNK_ROWS` rows to a file."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._waiting: list[tuple[np.ndarray, np.ndarray]] = []
        self._waiting_rows = 0
        self._rows = 0
        tf.io.gfile.makedirs(folder)

    def add(self, predictions: np.ndarray, keys: np.ndarray) -> None:
        self._waiting.append((predictions, keys))
        self._waiting_rows += len(predictions)
        while self._waiting_rows >= CHUNK_ROWS:
            self._write(CHUNK_ROWS)

    def close(self) -> int:
        """Writes the rest; returns the number of all rows."""
        if self._waiting_rows:
            self._write(self._waiting_rows)
        return self._rows

    def _write(self, rows: int) -> None:
        predictions, keys = (np.concatenate(part) for part in zip(*self._waiting, strict=True))
        chunk = self._rows // CHUNK_ROWS
        _save(_chunk_path(self._folder, "predictions", chunk), predictions[:rows])
        _save(_chunk_path(self._folder, "digests", chunk), keys[:rows])
        self._rows += rows
        self._waiting_rows -= rows
        self._waiting = [(predictions[rows:], keys[rows:])] if self._waiting_rows else []


def _chunk_path(folder: str, kind: str, chunk: int) -> str:
    return f"{folder}/{kind}-{chunk:05d}.npy"


def _save(path: str, values: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    with tf.io.gfile.GFile(path, "wb") as stream:
        stream.write(buffer.getvalue())


def _load(path: str) -> np.ndarray:
    with tf.io.gfile.GFile(path, "rb") as stream:
        return np.load(io.BytesIO(stream.read()), allow_pickle=False)


def write_index(answered: Sequence[AnsweredFile], folder: str, model_uri: str) -> None:
    """Makes the answers complete: ids that tell repeats apart, then the list of files."""
    ordered = sorted(answered, key=lambda file: file.name)
    _make_ids(ordered, folder)
    tf.io.gfile.makedirs(folder)
    index = {"model_uri": model_uri, "chunk_rows": CHUNK_ROWS, "files": [asdict(file) for file in ordered]}
    with tf.io.gfile.GFile(f"{folder}/{ANSWERS_FILE}", "w") as stream:
        stream.write(json.dumps(index))


def _make_ids(ordered: Sequence[AnsweredFile], folder: str) -> None:
    """Digests to ids; repeats are told apart over the whole split, so this is not a worker's business.

    Equal digests fall into the same part of their range, and parts are gone through one by one: the memory that this
    takes does not grow with the split.
    """
    chunks = [(f"{folder}/{file.folder}", chunk) for file in ordered for chunk in range(-(-file.records // CHUNK_ROWS))]
    parts = -(-sum(file.records for file in ordered) // IDS_AT_A_TIME)
    for part in range(parts):
        inside = [_of_part(_load(_chunk_path(place, "digests", chunk)), part, parts) for place, chunk in chunks]
        ids = np.split(unique_ids(np.concatenate(inside)), np.cumsum([len(keys) for keys in inside])[:-1])
        for (place, chunk), made in zip(chunks, ids, strict=True):
            keys, path = _load(_chunk_path(place, "digests", chunk)), _chunk_path(place, "ids", chunk)
            whole = _load(path) if part else np.empty_like(keys)
            whole[_parts_of(keys, parts) == part] = made
            _save(path, whole)
    for place, chunk in chunks:
        tf.io.gfile.remove(_chunk_path(place, "digests", chunk))


def _of_part(keys: np.ndarray, part: int, parts: int) -> np.ndarray:
    return keys[_parts_of(keys, parts) == part]


def _parts_of(keys: np.ndarray, parts: int) -> np.ndarray:
    """Which of so many parts of their range each digest falls into; digests are spread evenly."""
    return (keys >> np.uint64(32)) * np.uint64(parts) >> np.uint64(32)


def read_index(answers_uri: str) -> list[AnsweredFile]:
    """The files that were answered, sorted by name."""
    path = f"{answers_uri}/{ANSWERS_FILE}"
    if not tf.io.gfile.exists(path):
        raise InputError(f"answers must be complete, but {path} is missing; run the node that makes them again")
    with tf.io.gfile.GFile(path) as stream:
        index = json.load(stream)
    if index["chunk_rows"] != CHUNK_ROWS:
        raise InputError(f"answers must lie in chunks of {CHUNK_ROWS} rows, got {index['chunk_rows']}; make them anew")
    return [AnsweredFile(**entry) for entry in index["files"]]


class AnswerReader:
    """Answers of one file, in row order."""

    def __init__(self, answers_uri: str, file: AnsweredFile) -> None:
        self._folder = f"{answers_uri}/{file.folder}"
        self._outputs = tuple(file.widths)
        self._ends = np.cumsum(list(file.widths.values()))
        self._chunk = -1
        self._predictions = np.empty(0)
        self._ids = np.empty(0)

    def take(self, first: int, count: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Predictions `[count, C]` by output and ids `[count]` of the rows from `first` on; they must exist."""
        parts = []
        while count > 0:
            start = first % CHUNK_ROWS
            self._open(first // CHUNK_ROWS)
            part = slice(start, start + count)
            parts.append((self._predictions[part], self._ids[part]))
            taken = len(parts[-1][1])
            if not taken:
                raise InputError(f"{self._folder} must hold {first + count} answers, got {first}; make them anew")
            first, count = first + taken, count - taken
        predictions, ids = parts[0] if len(parts) == 1 else map(np.concatenate, zip(*parts, strict=True))
        return dict(zip(self._outputs, np.split(predictions, self._ends[:-1], axis=1), strict=True)), ids

    def _open(self, chunk: int) -> None:
        if chunk != self._chunk:
            self._predictions, self._ids = (
                _load(_chunk_path(self._folder, kind, chunk)) for kind in ("predictions", "ids")
            )
            self._chunk = chunk
