"""What the data look like, in short: StatisticsGen's numbers for every split and feature."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

# `tfx` repairs names of TFDV's package, so it is imported before it.
import tfx  # noqa: F401

# isort: split
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx.types import Artifact, artifact_utils

from components import fan_in

STATISTICS_FILE = "FeatureStats.pb"
MOST_FEATURES = 200
"""Features of a split that are told; the artifact holds all of them, and a page that lists more is read by nobody."""

_MOST_VALUES = 10
_TYPES = {0: "int", 1: "float", 2: "string", 3: "bytes", 4: "struct"}


def collect(input_dict: Mapping[str, list[Artifact]], missing: dict[str, str]) -> list[dict[str, Any]]:
    """`{split, examples, features: [..]}` of every split, train first where there is one.

    Args:
        input_dict: StatisticsGen's output under `statistics`.
        missing: Gets a reason when there are none, or when features were left out.
    """
    statistics = fan_in.single(input_dict, "statistics")
    if statistics is None:
        missing["statistics"] = "the statistics were not made"
        return []
    names = artifact_utils.decode_split_names(statistics.split_names)
    found = [_split(name, _read(statistics, name), missing) for name in sorted(names, key=_order)]
    if not found:
        missing["statistics"] = "the data have no splits"
    return found


def _order(split: str) -> tuple[bool, str]:
    return split != "train", split


def _read(statistics: Artifact, split: str) -> statistics_pb2.DatasetFeatureStatistics:
    uri = artifact_utils.get_split_uri([statistics], split)
    return tfdv.load_stats_binary(f"{uri}/{STATISTICS_FILE}").datasets[0]


def _split(name: str, dataset: statistics_pb2.DatasetFeatureStatistics, missing: dict[str, str]) -> dict[str, Any]:
    if len(dataset.features) > MOST_FEATURES:
        missing[f"statistics.{name}.features"] = f"the first {MOST_FEATURES} of {len(dataset.features)} are told"
    features = [_feature(one, dataset.num_examples) for one in dataset.features[:MOST_FEATURES]]
    return {"split": name, "examples": int(dataset.num_examples), "features": features}


def _feature(stats: statistics_pb2.FeatureNameStatistics, examples: int) -> dict[str, Any]:
    kind = stats.WhichOneof("stats")
    common = getattr(stats, kind).common_stats if kind else statistics_pb2.CommonStatistics()
    numbers = stats.num_stats if kind == "num_stats" else None
    words = stats.string_stats if kind == "string_stats" else None
    held = int(common.num_non_missing)
    return {
        "name": ".".join(stats.path.step) or stats.name,
        "type": _TYPES[stats.type],
        "examples_with": held,
        "missing": max(0, int(examples) - held),
        **_numeric(numbers if held else None),
        "unique": int(words.unique) if words else None,
        "top": [[top.value, int(top.frequency)] for top in words.top_values[:_MOST_VALUES]] if words else [],
        "histogram": _histogram(numbers.histograms) if numbers else [],
    }


def _numeric(numbers: statistics_pb2.NumericStatistics | None) -> dict[str, float | None]:
    if numbers is None:
        return dict.fromkeys(("min", "max", "mean", "std", "zeros"))
    values = {"min": numbers.min, "max": numbers.max, "mean": numbers.mean, "std": numbers.std_dev}
    return {name: value if math.isfinite(value) else None for name, value in values.items()} | {
        "zeros": int(numbers.num_zeros)
    }


def _histogram(histograms: Iterable[statistics_pb2.Histogram]) -> list[list[float]]:
    """Buckets of equal width, `[low, high, count]`; those of no finite width are left out."""
    standard = next((one for one in histograms if one.type == statistics_pb2.Histogram.STANDARD), None)
    if standard is None:
        return []
    buckets = ([one.low_value, one.high_value, one.sample_count] for one in standard.buckets)
    return [bucket for bucket in buckets if all(map(math.isfinite, bucket))]
