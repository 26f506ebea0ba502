"""Stops a run before training when ExampleValidator found anomalies; TFX itself only writes them down."""

from collections.abc import Mapping
from typing import Any

from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.dsl.component.experimental.annotations import InputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import ExampleAnomalies, Examples, ExampleStatistics

from components.drift_report import read_drift
from components.errors import InputError
from components.ingest import read_note

_ANOMALIES_FILE = "SchemaDiff.pb"
_NEW_VALUES = anomalies_pb2.AnomalyInfo.ENUM_TYPE_UNEXPECTED_STRING_VALUES


@component
def DataGuard(  # noqa: N802 - a component is named like a class
    anomalies: InputArtifact[ExampleAnomalies],
    code_sha256: Parameter[str] = "",
    drift: InputArtifact[ExampleStatistics] = None,
    examples: InputArtifact[Examples] = None,
    divides: Parameter[str] = "",
) -> None:
    """Raises when any split has an anomaly, or when the data changed more than they may.

    Args:
        anomalies: What ExampleValidator found.
        code_sha256: Makes a change of code known to the cache.
        drift: What `components.drift.Drift` measured.
        examples: Ingest's output on a cluster: that its data were refused is kept, so that the next run does not try
            them again.
        divides: The feature by whose values records are divided into splits, so that those of the other splits never
            occur in train; empty: none.

    Raises:
        InputError: Names split, feature and what TFDV says of it.
    """
    del code_sha256
    try:
        _check(anomalies, drift, divides)
    except InputError as error:
        note = read_note(examples.uri) if examples else None
        if note is not None:
            note.refuse(str(error))
        raise


def _check(anomalies: ExampleAnomalies, drift: ExampleStatistics | None, divides: str) -> None:
    found = []
    for split in artifact_utils.decode_split_names(anomalies.split_names):
        path = f"{artifact_utils.get_split_uri([anomalies], split)}/{_ANOMALIES_FILE}"
        found += [f"{split}: {line}" for line in _lines(path, divides)]
    if found:
        raise InputError(
            f"the data must fit its schema, but has {len(found)} anomalies: {'; '.join(found)}. "
            "Mend the data, or give a schema that allows it as data.schema"
        )
    changed = _changed(read_drift(drift.uri)) if drift else []
    if changed:
        raise InputError(f"{'; '.join(changed)}. Look at the data; if they are right, raise the limit")


def _changed(report: Mapping[str, Any]) -> list[str]:
    said = []
    for kind in ("drift", "skew"):
        found = report[kind]
        if found is not None and found["stopped"]:
            said.append(
                f"the {kind} of the data must be at most data.guard.{kind}.stop, {found['stop']:g}, but that of "
                f"feature {found['feature']!r} is {found['distance']:.3g} ({found['against']})"
            )
    return said


def _lines(path: str, divides: str) -> list[str]:
    with fileio.open(path, "rb") as stream:
        report = anomalies_pb2.Anomalies.FromString(stream.read())
    lines = [
        f"feature {name!r}: {info.description}"
        for name, info in sorted(report.anomaly_info.items())
        if name != divides or [reason.type for reason in info.reason] != [_NEW_VALUES]
    ]
    if report.HasField("dataset_anomaly_info"):
        lines.append(report.dataset_anomaly_info.description)
    return lines
