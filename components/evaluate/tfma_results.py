"""Results in TFMA's own format: metrics with slice keys, thresholds, validation, so that TFMA's tools read them.

`EdgeGate` is an ordinary TFMA metric whose combiner merges tallies. The gate merges them itself and calls TFMA's
converters and validator: TFMA's evaluator around the same combiner would cost more than the judging.
"""

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf
import tensorflow_model_analysis as tfma

# `tfx` repairs names of TFMA's package, so it is imported first.
import tfx  # noqa: F401
from google.protobuf import json_format, wrappers_pb2
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.evaluators import metrics_validator
from tensorflow_model_analysis.metrics import metric_types
from tensorflow_model_analysis.proto import config_pb2
from tensorflow_model_analysis.writers import metrics_plots_and_validations_writer as results_writer

from components.evaluate.measures import Measured, Value, measure, thresholds
from components.evaluate.slices import SliceKey
from components.evaluate.spec import BASELINE, CANDIDATE, GateSpec, SliceRule
from components.evaluate.tally import Tally, merge
from compression.outputs import SOLE, by_output, of_output, parted

TALLY_EXTRACT = "tally"

Metrics = dict[metric_types.MetricKey, Value]


class MeasureTallies(beam.CombineFn):
    """Extracts of TFMA that hold a tally of one slice, or several by output, to the TFMA metrics of one output.

    Args:
        spec: The output's part of the gate.
        output: Its name; empty for the only one.
    """

    def __init__(self, spec: GateSpec, output: str = SOLE) -> None:
        self._metrics = spec.all_metrics
        self._level = spec.level
        self._output = output

    def create_accumulator(self) -> Tally:
        """A tally of nothing."""
        return Tally()

    def add_input(self, tally: Tally, element: Mapping[str, Any]) -> Tally:
        """Adds the tally of an extract."""
        return merge(tally, by_output(element[TALLY_EXTRACT])[self._output])

    def merge_accumulators(self, tallies: Iterable[Tally]) -> Tally:
        """The tally of all."""
        return functools.reduce(merge, tallies, Tally())

    def extract_output(self, tally: Tally) -> Metrics:
        """Values by TFMA's keys."""
        return _keyed(measure(self._metrics, tally, self._level).of_output(self._output))


def _keyed(measured: Measured) -> Metrics:
    return {
        _key(name, model): value
        for model, values in ((CANDIDATE, measured.candidate), (BASELINE, measured.baseline))
        for name, value in values.items()
    }


def _key(name: str, model: str) -> metric_types.MetricKey:
    output, plain = parted(name)
    # TFMA looks thresholds of metrics by name up under no weighting at all, which is not its own default.
    return metric_types.MetricKey(name=plain, model_name=model, output_name=output, example_weighted=None)


class EdgeGate(metric_types.Metric):
    """The gate's numbers of one output as a TFMA metric, over extracts that hold tallies of a whole batch of one slice.

    Args:
        name: Name of the metric.
        spec: The output's part of a `GateSpec` as JSON.
    """

    def __init__(self, name: str = "edge_gate", spec: str = "") -> None:
        super().__init__(_computations, name=name, spec=spec)


metric_types.register_metric(EdgeGate)


class _WholeExtract(metric_types.Preprocessor):
    """Hands extracts to the combiner as they are."""

    def process(self, extracts: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
        yield extracts


def _computations(name: str, spec: str, output_names: Sequence[str]) -> metric_types.MetricComputations:
    (output,) = output_names
    keys = [_key(of_output(output, name), model) for model in (CANDIDATE, BASELINE)]
    combiner = MeasureTallies(GateSpec.model_validate_json(spec), output)
    return [metric_types.MetricComputation(keys, [_WholeExtract(name="whole_extract")], combiner)]


def eval_config(spec: GateSpec) -> config_pb2.EvalConfig:
    """The gate's rules as TFMA knows them: limits of values, per slice and output."""
    labels = {"label_key" if isinstance(spec.label, str) else "label_keys": spec.label}
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(name=CANDIDATE, **labels, model_type="tf_lite"),
            config_pb2.ModelSpec(name=BASELINE, **labels, is_baseline=True),
        ],
        slicing_specs=[_slicing(part) for part in spec.judged],
        metrics_specs=[_metrics_spec(part, output) for output, part in spec.parts().items()],
    )


def _metrics_spec(spec: GateSpec, output: str) -> config_pb2.MetricsSpec:
    limits: dict[str, list[config_pb2.PerSliceMetricThreshold]] = {}
    for part in spec.judged:
        for name, (lower, upper) in thresholds(part).items():
            limits.setdefault(name, []).append(_threshold(part, lower, upper))
    config = json.dumps({"spec": spec.model_dump_json()})
    return config_pb2.MetricsSpec(
        model_names=[CANDIDATE, BASELINE],
        output_names=[output] if output else [],
        metrics=[config_pb2.MetricConfig(class_name="EdgeGate", module=__name__, config=config)],
        per_slice_thresholds={
            name: config_pb2.PerSliceMetricThresholds(thresholds=entries) for name, entries in limits.items()
        },
    )


def _slicing(part: SliceRule) -> config_pb2.SlicingSpec:
    values = {name: str(value) for name, value in part.values.items()}
    return config_pb2.SlicingSpec(feature_keys=part.features, feature_values=values)


def _threshold(part: SliceRule, lower: float | None, upper: float | None) -> config_pb2.PerSliceMetricThreshold:
    bounds = {
        name: wrappers_pb2.DoubleValue(value=value)
        for name, value in (("lower_bound", lower), ("upper_bound", upper))
        if value is not None
    }
    threshold = config_pb2.MetricThreshold(value_threshold=config_pb2.GenericValueThreshold(**bounds))
    return config_pb2.PerSliceMetricThreshold(slicing_specs=[_slicing(part)], threshold=threshold)


def write(results: Sequence[tuple[SliceKey, Measured]], folder: str, spec: GateSpec, locations: dict[str, str]) -> None:
    """Writes metrics, validation and configuration where `tfma.load_eval_result` looks for them.

    Args:
        results: Slices with their numbers; without any nothing is validated.
        folder: The evaluation artifact.
        spec: The gate's.
        locations: URI of each model by name, for display.
    """
    ordered = sorted(((key, _keyed(measured)) for key, measured in results), key=lambda item: repr(item[0]))
    config = eval_config(spec)
    tf.io.gfile.makedirs(folder)
    metrics = (results_writer.convert_slice_metrics_to_proto((key, _with_diffs(values)), []) for key, values in ordered)
    _write_records(f"{folder}/{constants.METRICS_KEY}-00000-of-00001.tfrecord", metrics)
    combine = results_writer.CombineValidations(config)
    state = combine.create_accumulator()
    for item in ordered:
        state = combine.add_input(state, metrics_validator.validate_metrics(item, config))
    _write_records(f"{folder}/{constants.VALIDATIONS_KEY}.tfrecord", [combine.extract_output(state)])
    _write_config(folder, config, locations)


def _with_diffs(metrics: Metrics) -> Metrics:
    """The differences to the baseline, which TFMA's viewers show."""
    diffs: Metrics = {}
    for key, value in metrics.items():
        baseline = metrics.get(key.make_baseline_key(BASELINE))
        if key.model_name == CANDIDATE and baseline is not None and not isinstance(value, np.ndarray):
            diffs[key.make_diff_key()] = value - baseline
    return metrics | diffs


def _write_records(path: str, messages: Iterable[Any]) -> None:
    with tf.io.TFRecordWriter(path) as writer:
        for message in messages:
            writer.write(message.SerializeToString(deterministic=True))


def _write_config(folder: str, config: config_pb2.EvalConfig, locations: dict[str, str]) -> None:
    run = config_pb2.EvalRun(
        eval_config=config, version=tfma.__version__, file_format="tfrecords_gzip", model_locations=locations
    )
    with tf.io.gfile.GFile(f"{folder}/eval_config.json", "w") as stream:
        stream.write(json_format.MessageToJson(run))


def read(folder: str) -> dict[SliceKey, dict[str, dict[str, Value]]]:
    """Slices to models to values, from the files alone; differences are left out."""
    found: dict[SliceKey, dict[str, dict[str, Value]]] = {}
    for message in tfma.load_metrics(folder):
        slot = found.setdefault(_slice_key(message.slice_key), {CANDIDATE: {}, BASELINE: {}})
        for item in message.metric_keys_and_values:
            if not item.key.is_diff:
                name = of_output(item.key.output_name, item.key.name)
                slot[item.key.model_name][name] = _value(item.value)
    return found


def _slice_key(message: Any) -> SliceKey:  # noqa: ANN401 - a SliceKey message
    return tuple((one.column, _kind(one)) for one in message.single_slice_keys)


def _kind(one: Any) -> str | int | float:  # noqa: ANN401 - a SingleSliceKey message
    kind = one.WhichOneof("kind")
    value = getattr(one, kind)
    return value.decode(errors="replace") if kind == "bytes_value" else value


def _value(message: Any) -> Value:  # noqa: ANN401 - a MetricValue message
    if message.WhichOneof("type") == "array_value":
        return np.array(message.array_value.int64_values, np.int64).reshape(message.array_value.shape)
    return message.double_value.value
