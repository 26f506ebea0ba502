"""Edge check: TFX's `InfraBlessing` for TFLite models, with a JSON report and golden pairs beside it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import Artifact, artifact_utils
from tfx.types.standard_artifacts import Examples, InfraBlessing, Model, TransformGraph

from components import model_artifact
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
) -> None:
    """Checks a TFLite model on this host's LiteRT and with the profile's tool; a bad model is a result, not an error.

    Args:
        model: A model with `Format-Serving/tflite`.
        examples: Transformed examples; the first of split `eval` are answered.
        transform_graph: Gives their types and shapes.
        blessing: `INFRA_BLESSED` or `INFRA_NOT_BLESSED`, the property `blessed`, `edge_report.json`, and `golden.npz`
            when the model answers.
        settings: An `EdgeSettings` as JSON.
        profile: A `Profile` as JSON.
        host_key: `compression.edge.host.host_key`; makes a change of the machine known to the cache.
        code_sha256: Makes a change of code known to the cache.
    """
    del host_key, code_sha256
    device = Profile.model_validate_json(profile)
    samples = _samples(examples, transform_graph)
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


def _samples(examples: Examples, transform_graph: TransformGraph) -> dict[str, np.ndarray]:
    """The first transformed examples of the eval split, by feature; the model takes those that it needs."""
    spec: dict[str, Any] = {
        name: feature
        for name, feature in tft.TFTransformOutput(transform_graph.uri).transformed_feature_spec().items()
        if isinstance(feature, tf.io.FixedLenFeature) and feature.dtype != tf.string
    }
    folder = artifact_utils.get_split_uri([examples], _SPLIT)
    files = sorted(tf.io.gfile.glob(f"{folder}/*"))
    records = list(tf.data.TFRecordDataset(files, compression_type="GZIP").take(_SAMPLES).as_numpy_iterator())
    if not records:
        raise InputError(
            f"the edge check needs real examples, but split {_SPLIT!r} holds none in {folder}; give it a larger share "
            "in data.splits"
        )
    return {name: values.numpy() for name, values in tf.io.parse_example(records, spec).items()}
