"""What the champion answers to the raw eval examples, through the preprocessing of its own time; asked once a run."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf
from tfx.dsl.component.experimental.annotations import BeamComponentParameter, InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import Examples, InferenceResult, Model, TransformGraph

from components import model_artifact
from components.champion import Standing, read_parent, read_standing
from components.errors import InputError
from components.evaluate import answers, files, models
from components.evaluate.raw_files import Plain, Retransformed
from compression.errors import CompressionError
from compression.predict import TFLitePredictor
from compression.statistics.weights import mix

COMPARABLE_FILE = "comparable.json"

_HASH_BUCKETS = 2**62

_OF_EXAMPLE = re.compile(r"(?:Feature|Key): [^\[]*(?:\[[\d, ]*\])?")


@dataclass(frozen=True)
class Comparable:
    """Whether there is a champion whose answers can be compared with a candidate's.

    Attributes:
        version: The champion's number; `None` when there is none.
        sha256: Of its file.
        reason: Why it has no answers, in words; empty when it has.
    """

    version: int | None
    sha256: str
    reason: str = ""


@component(use_beam=True)
def ChampionAnswers(  # noqa: N802 - a component is named like a class
    examples: InputArtifact[Examples],
    champion: InputArtifact[Model],
    transform_graph: InputArtifact[TransformGraph],
    champion_answers: OutputArtifact[InferenceResult],
    split: Parameter[str],
    label_names: Parameter[str],
    code_sha256: Parameter[str],
    beam_pipeline: BeamComponentParameter[beam.Pipeline] = None,
) -> None:
    """Asks the champion for every raw example of `split`; rows are those of the raw files.

    A champion that cannot answer today's examples is a result, which the gate reads.

    Args:
        examples: Raw examples, as ingest wrote them.
        champion: What `components.champion` emits.
        transform_graph: Likewise; the champion's own, which a file with raw inputs does without.
        champion_answers: Answers as `BaselineAnswers` writes them, and a `Comparable`.
        split: Split of the examples.
        label_names: Names of today's classes as JSON, null where there are none.
        code_sha256: Makes a change of code known to the cache.
        beam_pipeline: Given by TFX.
    """
    del code_sha256
    standing = read_standing(champion.uri)
    found = Comparable(standing.version, standing.sha256, _hindrance(standing, transform_graph.uri, label_names))
    if not found.reason:
        paths = files.example_files(artifact_utils.get_split_uri([examples], split))
        asking = _AskChampion(champion, standing, transform_graph.uri, champion_answers.uri)
        with beam_pipeline as pipeline:
            _ = (
                pipeline
                | "Files" >> beam.Create(paths)
                | "Ask" >> beam.ParDo(asking)
                | "Gather" >> beam.combiners.ToList()
                | "Write" >> beam.Map(_write, found, folder=champion_answers.uri, model_uri=champion.uri)
            )
    else:
        _write([], found, champion_answers.uri, champion.uri)


def _hindrance(standing: Standing, transform_uri: str, label_names: str) -> str:
    """Why asking would be in vain; empty when it may be tried."""
    if standing.version is None:
        return standing.reason
    today = json.loads(label_names)
    if standing.label_names is not None and today is not None and standing.label_names != today:
        return f"its classes are {standing.label_names}, those of data.label_names {today}"
    graph = read_parent(transform_uri)
    if standing.inputs == "transformed" and not graph.present:
        return f"the preprocessing that its inputs need is not there: {graph.reason}"
    return ""


class _AskChampion(beam.DoFn):
    """File of raw examples to an `AnsweredFile`, or to why there is none, in words."""

    def __init__(self, champion: Model, standing: Standing, transform_uri: str, folder: str) -> None:
        self._model_uri = champion.uri
        self._file = model_artifact.tflite_path(champion)
        self._raw = standing.inputs == "raw"
        self._transform_uri = transform_uri
        self._folder = folder

    def process(self, path: str) -> Iterator[answers.AnsweredFile | str]:
        """Answers one file."""
        try:
            model = models.load(self._model_uri)
            reader = self._source().reader(model.input_names, answers.BATCH_SIZE)
            yield answers.answer_file(path, model, reader, self._folder, _record_keys)
        # What the examples lack, or have in another shape, shows when they are parsed, transformed or handed over.
        except (tf.errors.InvalidArgumentError, InputError, CompressionError) as error:
            yield _sentence(error)

    def _source(self) -> files.Source:
        if not self._raw:
            return Retransformed(self._transform_uri)
        inputs = TFLitePredictor(self._file).inputs
        return Plain({info.name: (info.shape[1:], info.dtype) for info in inputs})


def _record_keys(batch: files.Batch) -> np.ndarray:
    """Digests of the records' bytes, which ingest writes in one canonical form."""
    return mix(tf.strings.to_hash_bucket_fast(batch.records, _HASH_BUCKETS).numpy().astype(np.uint64))


def _sentence(error: Exception) -> str:
    """An error; of what TensorFlow says of an example, what is about the example."""
    message = str(error).split("\n")[0]
    found = _OF_EXAMPLE.search(message) if isinstance(error, tf.errors.InvalidArgumentError) else None
    return (found[0] if found else message).strip()


def _write(made: Sequence[answers.AnsweredFile | str], found: Comparable, folder: str, model_uri: str) -> None:
    reasons = sorted(entry for entry in made if isinstance(entry, str))
    if reasons:
        found = replace(found, reason=f"today's examples are not what it takes: {reasons[0]}")
    if not found.reason:
        answers.write_index([entry for entry in made if not isinstance(entry, str)], folder, model_uri)
    tf.io.gfile.makedirs(folder)
    with tf.io.gfile.GFile(f"{folder}/{COMPARABLE_FILE}", "w") as stream:
        stream.write(json.dumps(asdict(found)))


def read_comparable(champion_answers_uri: str) -> Comparable:
    """Whether the champion has answered, from the artifact."""
    with tf.io.gfile.GFile(f"{champion_answers_uri}/{COMPARABLE_FILE}") as stream:
        content: dict[str, Any] = json.load(stream)
    return Comparable(**content)
