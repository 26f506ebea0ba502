"""Edge check: TFX's `InfraBlessing` for TFLite models, with a JSON report and golden pairs beside it."""

import json
from pathlib import Path

import tensorflow as tf
import tensorflow_transform as tft
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import Artifact, artifact_utils
from tfx.types.standard_artifacts import Examples, InfraBlessing, Model, TransformGraph

from components import model_artifact, raw_examples
from components.errors import InputError
from compression.edge.check import check
from compression.edge.files import GOLDEN as GOLDEN_FILE
from compression.edge.golden import golden
from compression.edge.report import EdgeReport
from compression.errors import CompressionError
from compression.settings.edge import EdgeSettings
from compression.settings.profile import Profile

REPORT_FILE = "edge_report.json"
BLESSED_PROPERTY = "blessed"

# What TFX's InfraValidator writes; its module is not imported, as it loads TensorFlow Serving's API.
_BLESSED_FILE, _NOT_BLESSED_FILE = "INFRA_BLESSED", "INFRA_NOT_BLESSED"

_SPLIT = "eval"
_SAMPLES = 100
"""Real examples that a model must answer; the first of them make the golden pairs."""


@component
def EdgeCheck(  # noqa: N802 - a component is named like a class
    model: InputArtifact[Model],
    examples: InputArtifact[Examples],
    transform_graph: InputArtifact[TransformGraph],
    blessing: OutputArtifact[InfraBlessing],
    settings: Parameter[str],
    profile: Parameter[str],
    host_key: Parameter[str],
    code_sha256: Parameter[str],
    inputs: Parameter[str] = "transformed",
) -> None:
    """Checks a TFLite model on this host's LiteRT and with the profile's tool; a bad model is a result, not an error.

    Args:
        model: A model with `Format-Serving/tflite`.
        examples: Transformed or raw examples, as the model reads them; the first of split `eval` are answered.
        transform_graph: Gives their types and shapes.
        blessing: `INFRA_BLESSED` or `INFRA_NOT_BLESSED`, the property `blessed`, `edge_report.json`, and `golden.npz`
            when the model answers.
        settings: An `EdgeSettings` as JSON.
        profile: A `Profile` as JSON.
        host_key: `compression.edge.host.host_key`; makes a change of the machine known to the cache.
        code_sha256: Makes a change of code known to the cache.
        inputs: `transformed`, or `raw` for a model that takes raw features and examples that hold them.
    """
    del host_key, code_sha256
    device = Profile.model_validate_json(profile)
    samples = _samples(examples, _features(transform_graph, inputs))
    path = model_artifact.tflite_path(model)
    report = check(path, samples, EdgeSettings.model_validate_json(settings), device)
    folder = Path(blessing.uri)
    folder.mkdir(parents=True, exist_ok=True)
    if report.finite and report.deterministic:
        try:
            golden(path, samples, kernels=device.kernels).save(folder / GOLDEN_FILE)
        except CompressionError as error:
            # It answered a moment ago; a model that answers only sometimes must not pass.
            report = report.blocked(str(error))
    (folder / REPORT_FILE).write_text(json.dumps(report.to_dict(), indent=1))
    (folder / (_BLESSED_FILE if report.passed else _NOT_BLESSED_FILE)).write_text("")
    blessing.set_int_custom_property(BLESSED_PROPERTY, int(report.passed))


def read_report(blessing: Artifact) -> EdgeReport:
    """The report beside a blessing."""
    return EdgeReport.from_dict(json.loads((Path(blessing.uri) / REPORT_FILE).read_text()))


def golden_path(blessing: Artifact) -> Path | None:
    """The golden pairs beside a blessing; `None` when the model did not answer."""
    path = Path(blessing.uri) / GOLDEN_FILE
    return path if path.exists() else None


def _features(transform_graph: TransformGraph, inputs: str) -> dict[str, tf.io.FixedLenFeature]:
    output = tft.TFTransformOutput(transform_graph.uri)
    raw = inputs == "raw"
    return raw_examples.fixed_features(output.raw_feature_spec() if raw else output.transformed_feature_spec())


def _samples(examples: Examples, features: dict[str, tf.io.FixedLenFeature]) -> raw_examples.Arrays:
    """The first examples of the eval split, by feature; the model takes those that it needs."""
    read = raw_examples.batches(examples, [_SPLIT], features, count=_SAMPLES, batch_size=_SAMPLES)
    samples = next(read, None)
    if samples is None:
        raise InputError(
            f"the edge check needs real examples, but split {_SPLIT!r} holds none in "
            f"{artifact_utils.get_split_uri([examples], _SPLIT)}; give it a larger share in data.splits"
        )
    return samples
