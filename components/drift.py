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
import apache_beam as beam
import tensorflow_data_validation as tfdv
from apache_beam.options.pipeline_options import PipelineOptions
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2
from tfx.dsl.component.experimental.annotations import BeamComponentParameter, InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types.standard_artifacts import Examples, ExampleStatistics, Schema

from components import contract
from components.drift_report import REPORT_FILE
from components.ingest import artifact_split_uri, read_window, span_pattern
from components.targets import from_text

_UNREACHABLE = 1.0
"""TFDV wants a threshold to measure against; ours are compared with what it measured."""


@component(use_beam=True)
def Drift(  # noqa: N802 - a component is named like a class
    examples: InputArtifact[Examples],
    schema: InputArtifact[Schema],
    drift: OutputArtifact[ExampleStatistics],
    limits: Parameter[str],
    label: Parameter[str],
    task: Parameter[str],
    code_sha256: Parameter[str] = "",
    divides: Parameter[str] = "",
    beam_pipeline: BeamComponentParameter[beam.Pipeline] = None,
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
        divides: The feature by whose values records are divided into splits, which differs between them by intent and
            is not compared; empty: none.
        beam_pipeline: Its options say where TFDV's own pipelines run.
    """
    del code_sha256
    options = PipelineOptions(["--runner=FnApiRunner"]) if beam_pipeline is None else beam_pipeline.options
    wanted, typed = json.loads(limits), comparable(_read_schema(schema.uri), _categories(label, task), divides)
    report: dict[str, Any] = {"drift": None, "skew": None, "not_measured": {}}
    for kind, (sides, against) in {"drift": _spans(examples.uri), "skew": _splits(examples.uri)}.items():
        if wanted[kind] is None:
            continue
        lacking = [name for name, pattern in sides.items() if not fileio.glob(pattern)]
        found = {} if lacking or not sides else _distances(sides, typed, Path(drift.uri) / kind, options)
        if found:
            report[kind] = _judged(found, wanted[kind], against)
        else:
            words = f"there are no examples of {' and '.join(lacking)}" if lacking else "no feature is on both sides"
            report["not_measured"][kind] = words if sides else against
    fileio.makedirs(drift.uri)
    with fileio.open(f"{drift.uri}/{REPORT_FILE}", "w") as stream:
        stream.write(json.dumps(report, indent=1))


def _spans(uri: str) -> tuple[dict[str, str], str]:
    """Globs of the newest span and of the one before it, and which those are; none, and why there are none."""
    window = read_window(uri)["spans"]
    if len(window) < 2:
        return {}, "there is no span before the newest in the window"
    newest, before = window[-1], window[-2]
    sides = {"newest": span_pattern(uri, "train", newest["span"]), "before": span_pattern(uri, "train", before["span"])}
    return sides, f"span {newest['name']} against span {before['name']}"


def _splits(uri: str) -> tuple[dict[str, str], str]:
    sides = {"judging": f"{artifact_split_uri(uri, 'eval')}/*", "training": f"{artifact_split_uri(uri, 'train')}/*"}
    return sides, "the examples that judge against those that are trained on"


def comparable(schema: schema_pb2.Schema, categories: Sequence[str], left_out: str = "") -> schema_pb2.Schema:
    """A copy of a schema in which every feature is compared, in the way that suits its type.

    Args:
        schema: The schema.
        categories: Integer features whose values are names and no numbers.
        left_out: A feature that is not compared.
    """
    copy = schema_pb2.Schema()
    copy.CopyFrom(schema)
    for feature in copy.feature:
        if feature.name == left_out:
            feature.ClearField("drift_comparator")
            continue
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


def _distances(
    sides: Mapping[str, str], schema: schema_pb2.Schema, folder: Path, options: PipelineOptions
) -> dict[str, float]:
    made = []
    for name, pattern in sides.items():
        place = folder / f"Split-{name}"
        place.mkdir(parents=True, exist_ok=True)
        made.append(
            tfdv.generate_statistics_from_tfrecord(
                data_location=pattern,
                output_path=str(place / "FeatureStats.pb"),
                stats_options=tfdv.StatsOptions(schema=schema, num_histogram_buckets=20),
                pipeline_options=options,
            )
        )
    return distances(made[0], made[1], schema)


def _judged(found: Mapping[str, float], limits: Mapping[str, float | None], against: str) -> dict[str, Any]:
    """The feature that differs most, held against the limits."""
    feature = max(found, key=lambda name: found[name])
    distance = found[feature]
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


def _categories(label: str, task: str) -> list[str]:
    tasks = from_text(task)
    return [feature for output, feature in from_text(label).items() if tasks[output] in contract.CLASSIFICATION]


def _read_schema(uri: str) -> schema_pb2.Schema:
    return tfdv.load_schema_text(f"{uri}/schema.pbtxt")
