"""The gate's part of the benchmark of scale: a process for each node, on the eval split of any size.

The models and the transform are those of the smallest size. The eval split goes through that transform here: fitting it
anew on all examples would tell nothing of the gate.
"""

import os

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apache_beam as beam
import tensorflow as tf
import tensorflow_transform as tft
import tfx  # noqa: F401 - repairs names of TFMA's package, so it comes first
from tfx.types.standard_artifacts import (
    Examples,
    InferenceResult,
    Model,
    ModelBlessing,
    ModelEvaluation,
    TransformGraph,
)

from components.evaluate.answers import BaselineAnswers
from components.evaluate.gate import Gate
from components.evaluate.spec import GateSpec, Rule
from components.readers.features import records

_BATCH = 1000
SPEC = GateSpec(task="multiclass", label="label", rules=(Rule(metric="accuracy", max_drop=0.05),))


class Places:
    """Where the artifacts lie.

    Args:
        models: Artifacts of a whole run at the smallest size.
        examples: Artifacts of ingest at this size.
        made: Where this process and its siblings write.
    """

    def __init__(self, models: Path, examples: Path, made: Path) -> None:
        self._models = models
        self.raw = newest(examples, "ingest", "examples") / "Split-eval"
        self._made = made
        self.transformed = made / "transformed" / "Split-eval"
        self.graph = newest(models, "transform", "transform_graph")

    def transform(self) -> None:
        """Writes every raw file of the eval split anew, as Transform would."""
        output = tft.TFTransformOutput(str(self.graph))
        layer, spec = output.transform_features_layer(), output.raw_feature_spec()
        self.transformed.mkdir(parents=True)
        for path in sorted(self.raw.iterdir()):
            batches = tf.data.TFRecordDataset(str(path), compression_type="GZIP").batch(_BATCH)
            options = tf.io.TFRecordOptions(compression_type="GZIP")
            with tf.io.TFRecordWriter(str(self.transformed / path.name), options) as writer:
                for batch in batches:
                    made = layer(tf.io.parse_example(batch, spec))
                    for record in records({name: values.numpy() for name, values in made.items()}):
                        writer.write(record)

    def answer(self) -> None:
        """Asks the baseline, as once per run."""
        BaselineAnswers.test_call(
            examples=self._examples(),
            transform_graph=_artifact(TransformGraph(), self.graph),
            model=_artifact(Model(), newest(self._models, "baseline", "compressed")),
            answers=_artifact(InferenceResult(), self._made / "answers"),
            split="eval",
            code_sha256="",
            beam_pipeline=beam.Pipeline("FnApiRunner"),
        )

    def gate(self) -> None:
        """Judges the candidate, as once per variant."""
        Gate.test_call(
            examples=self._examples(),
            transform_graph=_artifact(TransformGraph(), self.graph),
            model=_artifact(Model(), newest(self._models, "quantize-int8", "compressed")),
            baseline=_artifact(InferenceResult(), self._made / "answers"),
            evaluation=_artifact(ModelEvaluation(), self._made / "evaluation"),
            blessing=_artifact(ModelBlessing(), self._made / "blessing"),
            spec=SPEC.model_dump_json(),
            code_sha256="",
            beam_pipeline=beam.Pipeline("FnApiRunner"),
        )

    def _examples(self) -> Examples:
        examples = _artifact(Examples(), self.transformed.parent)
        examples.split_names = '["eval"]'
        return examples


def newest(artifacts: Path, node: str, output: str) -> Path:
    """The folder that a node wrote last."""
    return max((artifacts / node / output).iterdir(), key=lambda path: int(path.name))


def _artifact(artifact: Any, path: Path) -> Any:  # noqa: ANN401 - any kind of artifact
    artifact.uri = str(path)
    artifact.id = 1
    return artifact


def main(node: str, *places: str) -> None:
    """Runs one node."""
    models, examples, made = map(Path, places)
    at = Places(models, examples, made)
    works: dict[str, Callable[[], None]] = {"transform": at.transform, "answers": at.answer, "gate": at.gate}
    works[node]()


if __name__ == "__main__":
    main(*sys.argv[1:])
