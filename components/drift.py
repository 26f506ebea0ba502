"""Drift: how far the newest span is from the one before it, and what judges from what is trained on, by TFDV.

Distances are those that TFDV knows: the largest difference of any value's share for categories, the Jensen-Shannon
divergence (to base 2) of the histograms for numbers. Both lie between 0 and 1.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# `tfx` repairs names of TFDV's package, so it is imported before it.
import tfx  # noqa: F401

# isort: split
import tensorflow_data_validation as tfdv
from apache_beam.options.pipeline_options import PipelineOptions
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types.standard_artifacts import Examples, ExampleStatistics, Schema

from components import contract
from components.drift_report import REPORT_FILE
from components.ingest import artifact_split_uri, read_window, span_files
from components.targets import from_text

_UNREACHABLE = 1.0
"""TFDV wants a threshold to measure against; ours are compared with what it measured."""


@component
def Drift(  # noqa: N802 - a component is named like a class
    examples: InputArtifact[Examples],
    schema: InputArtifact[Schema],
    drift: OutputArtifact[ExampleStatistics],
    limits: Parameter[str],
    label: Parameter[str],
    task: Parameter[str],
    code_sha256: Parameter[str] = "",
) -> None:
    """Measures and writes `drift.json`, beside the statistics that were compared; stops nothing.

    Args:
        examples: Ingest's output.
        schema: Types of the features.
        drift: The report.
        limits: `{drift: {notice, stop} | null, skew: {notice, stop} | null}` as JSON.
        label: The labels, as `components.targets` writes them.
        task: Their tasks.
        code_sha256: Makes a change of code known to the cache.
    """
    del code_sha256
    wanted, typed = json.loads(limits), comparable(_read_schema(schema.uri), _categories(label, task))
    folder = Path(drift.uri)
    report: dict[str, Any] = {"drift": None, "skew": None, "not_measured": {}}
    window = read_window(examples.uri)["spans"]
    if wanted["drift"]:
        if len(window) < 2:
            report["not_measured"]["drift"] = "there is no span before the newest in the window"
        else:
            newest, before = window[-1], window[-2]
            sides = {
                "newest": span_files(examples.uri, "train", newest["span"]),
                "before": span_files(examples.uri, "train", before["span"]),
            }
            against = f"span {newest['name']} against span {before['name']}"
            report["drift"] = _judged(_distances(sides, typed, folder / "drift"), wanted["drift"], against)
    if wanted["skew"]:
        sides = {"judging": _split_files(examples.uri, "eval"), "training": _split_files(examples.uri, "train")}
        against = "the examples that judge against those that are trained on"
        report["skew"] = _judged(_distances(sides, typed, folder / "skew"), wanted["skew"], against)
    fileio.makedirs(drift.uri)
    with fileio.open(f"{drift.uri}/{REPORT_FILE}", "w") as stream:
        stream.write(json.dumps(report, indent=1))


def comparable(schema: schema_pb2.Schema, categories: Sequence[str]) -> schema_pb2.Schema:
    """A copy of a schema in which every feature is compared, in the way that suits its type.

    Args:
        schema: The schema.
        categories: Integer features whose values are names and no numbers.
    """
    copy = schema_pb2.Schema()
    copy.CopyFrom(schema)
    for feature in copy.feature:
        if feature.name in categories and feature.type == schema_pb2.INT:
            feature.int_domain.is_categorical = True
        named = feature.type == schema_pb2.BYTES or feature.int_domain.is_categorical
        if named:
            feature.drift_comparator.infinity_norm.threshold = _UNREACHABLE
        else:
            feature.drift_comparator.jensen_shannon_divergence.threshold = _UNREACHABLE
    return copy


def distances(
    newest: statistics_pb2.DatasetFeatureStatisticsList,
    before: statistics_pb2.DatasetFeatureStatisticsList,
    schema: schema_pb2.Schema,
) -> dict[str, float]:
    """The distance of every feature between two sets of examples.

    Args:
        newest: Statistics of one.
        before: Statistics of the other.
        schema: What `comparable` returns.
    """
    anomalies = tfdv.validate_statistics(newest, schema, previous_statistics=before)
    return {
        ".".join(info.path.step): max(measurement.value for measurement in info.drift_measurements)
        for info in anomalies.drift_skew_info
        if info.drift_measurements
    }


def _distances(sides: Mapping[str, Sequence[str]], schema: schema_pb2.Schema, folder: Path) -> dict[str, float]:
    made = []
    for name, files in sides.items():
        options = tfdv.StatsOptions(schema=schema, num_histogram_buckets=20)
        place = folder / f"Split-{name}"
        place.mkdir(parents=True, exist_ok=True)
        made.append(
            tfdv.generate_statistics_from_tfrecord(
                # A glob, because one text is all that it takes.
                data_location=_pattern(files),
                output_path=str(place / "FeatureStats.pb"),
                stats_options=options,
                pipeline_options=PipelineOptions(["--runner=FnApiRunner"]),
            )
        )
    return distances(made[0], made[1], schema)


def _pattern(files: Sequence[str]) -> str:
    """A glob for the files of one span, or of one split."""
    folder, _, name = files[0].rpartition("/")
    if len(files) == 1:
        return files[0]
    spans = {file.rpartition("/")[2][: len("data_tfrecord-span0000000000-")] for file in files}
    return f"{folder}/{spans.pop()}*" if len(spans) == 1 and name.startswith("data_tfrecord-span") else f"{folder}/*"


def _judged(found: Mapping[str, float], limits: Mapping[str, float | None], against: str) -> dict[str, Any]:
    """The feature that differs most, held against the limits."""
    feature = max(found, key=lambda name: found[name], default=None)
    distance = found[feature] if feature is not None else 0.0
    notice, stop = limits["notice"], limits["stop"]
    return {
        "distance": distance,
        "feature": feature,
        "features": dict(found),
        "against": against,
        "notice": notice,
        "stop": stop,
        "noticed": notice is not None and distance >= notice,
        "stopped": stop is not None and distance > stop,
    }


def _split_files(examples_uri: str, split: str) -> list[str]:
    return sorted(fileio.glob(f"{artifact_split_uri(examples_uri, split)}/*"))


def _categories(label: str, task: str) -> list[str]:
    tasks = from_text(task)
    return [feature for output, feature in from_text(label).items() if tasks[output] in contract.CLASSIFICATION]


def _read_schema(uri: str) -> schema_pb2.Schema:
    return tfdv.load_schema_text(f"{uri}/schema.pbtxt")
