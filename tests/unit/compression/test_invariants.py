"""What every method must keep, over tables of all methods. A method without a row fails."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import get_args

import numpy as np
import pytest
import tf_keras as keras

from compression import keras_models, settings
from compression.audit import audit
from compression.channels.prune_channels import prune_channels
from compression.cluster import cluster
from compression.data import TrainingData
from compression.distill import distill
from compression.evaluate import evaluate
from compression.kernels import kernels
from compression.predict import TFLitePredictor
from compression.promises import check
from compression.prune import prune
from compression.qat import quantization_aware
from compression.quantize import convert, max_abs_error
from compression.settings import (
    ClusterSettings,
    DistillSettings,
    FinetuneSettings,
    PruneChannelsSettings,
    PruneSettings,
    QatSettings,
    QuantizeSettings,
    TrainSettings,
)
from compression.settings.quantize import QuantizeMode
from compression.step_promises import promise_mode, promise_sparsity
from compression.structure import Keep

pytestmark = pytest.mark.methods

SPARSITY = 0.75
CLUSTERS = 8
INT8 = QuantizeSettings(mode="int8_io", calibration_examples=100)


@dataclass(frozen=True)
class Method:
    """One method that changes a Keras model.

    `sparse` says that kernels are `SPARSITY` zeros afterwards, `clusters` how many distinct values they hold at most;
    `drop` is the accuracy that the method may cost here, `prefix` what the layers' names get.
    """

    settings: type
    apply: Callable[[keras.Model, TrainingData], keras.Model]
    drop: float
    sparse: bool = False
    clusters: int | None = None
    prefix: str = ""


def _distill(model: keras.Model, data: TrainingData) -> keras.Model:
    settings = DistillSettings(student="same", epochs=8, batch_size=32, learning_rate=5e-3)
    return distill(model, data, settings, teacher=model)


def _prune(model: keras.Model, data: TrainingData) -> keras.Model:
    return prune(
        model, data, PruneSettings(sparsity=SPARSITY, epochs=5, end_epoch=2.5, batch_size=32, learning_rate=5e-3)
    )


def _prune_channels(model: keras.Model, data: TrainingData) -> keras.Model:
    settings = PruneChannelsSettings(ratio=0.25, epochs=4, batch_size=32, learning_rate=5e-3)
    return prune_channels(model, data, settings)


def _cluster(model: keras.Model, data: TrainingData) -> keras.Model:
    return cluster(model, data, ClusterSettings(clusters=CLUSTERS, epochs=2, batch_size=32))


def _qat(model: keras.Model, data: TrainingData, keep: Keep | None = None) -> keras.Model:
    return quantization_aware(model, data, QatSettings(epochs=1), keep=keep)


def _after(*methods: Callable[[keras.Model, TrainingData], keras.Model]) -> Callable[..., keras.Model]:
    def apply(model: keras.Model, data: TrainingData) -> keras.Model:
        for method in methods:
            model = method(model, data)
        return model

    return apply


ZEROS, SHARED, BOTH = Keep(zeros=True), Keep(sharing="tensor"), Keep(zeros=True, sharing="tensor")

# Pruning leaves the convolution 18 of 72 weights: 5 points were seen. QAT cost less than 1.
METHODS = {
    "distill": Method(DistillSettings, _distill, drop=0.1),
    "prune": Method(PruneSettings, _prune, drop=0.1, sparse=True),
    "prune_channels": Method(PruneChannelsSettings, _prune_channels, drop=0.05),
    "cluster": Method(ClusterSettings, _cluster, drop=0.05, clusters=CLUSTERS),
    "prune, cluster": Method(ClusterSettings, _after(_prune, _cluster), drop=0.1, sparse=True, clusters=CLUSTERS),
    "qat": Method(QatSettings, _qat, drop=0.03, prefix="quant_"),
    "prune, qat": Method(
        QatSettings, _after(_prune, partial(_qat, keep=ZEROS)), drop=0.1, sparse=True, prefix="quant_"
    ),
    "cluster, qat": Method(
        QatSettings, _after(_cluster, partial(_qat, keep=SHARED)), drop=0.05, clusters=CLUSTERS, prefix="quant_"
    ),
    "prune, cluster, qat": Method(
        QatSettings,
        _after(_prune, _cluster, partial(_qat, keep=BOTH)),
        drop=0.1,
        sparse=True,
        clusters=CLUSTERS,
        prefix="quant_",
    ),
}


@dataclass(frozen=True)
class Mode:
    """One quantization mode: stored weights, I/O type, file size against float32, and allowed output error.

    `error` is on probabilities of the trained model, twice to four times what was seen; int8 steps of the logits
    (about 0.1) move a probability by at most a quarter of a step each.
    """

    weights: str
    io: str
    size_below: float
    error: float


MODES = {
    "float32": Mode("float32", "float32", 1.01, 1e-5),
    "float16": Mode("float16", "float32", 0.75, 5e-3),
    "dynamic": Mode("int8", "float32", 0.6, 0.05),
    "int8": Mode("int8", "float32", 0.65, 0.15),
    "int8_io": Mode("int8", "int8", 0.65, 0.15),
    "int16x8": Mode("int8", "float32", 0.7, 0.05),
    "int4": Mode("int4", "float32", 0.5, 0.5),
}


def test_every_method_and_every_mode_has_a_row():
    general = {FinetuneSettings, TrainSettings, settings.SearchSettings, settings.Settings}
    public = {getattr(settings, name) for name in settings.__all__} - general
    assert {method.settings for method in METHODS.values()} | {QuantizeSettings} == public
    assert set(MODES) == set(get_args(QuantizeMode))


@pytest.fixture(scope="module")
def results(trained, data) -> dict[str, keras.Model]:
    return {name: method.apply(trained, data) for name, method in METHODS.items()}


@pytest.fixture(scope="module")
def files(trained, data) -> dict[str, bytes]:
    return {mode: convert(trained, QuantizeSettings(mode=mode), data.train) for mode in MODES}


@pytest.fixture(scope="module")
def int8_files(results, data) -> dict[str, bytes]:
    return {name: convert(model, INT8, data.train) for name, model in results.items()}


def _kernels(model: keras.Model) -> list[np.ndarray]:
    return [weight.numpy() for weight in model.weights if weight.name.split("/")[-1].startswith("kernel:")]


@pytest.mark.parametrize("name", METHODS)
def test_layers_inputs_and_shapes_are_kept_and_quality_too(name, results, trained, test_split):
    model, prefix = results[name], METHODS[name].prefix
    kept = [layer.name.removeprefix(prefix) for layer in model.layers if "quantize_layer" not in layer.name]
    assert kept == [layer.name for layer in trained.layers]
    keras_models.check_model(model, task="multiclass", feature_names={"image"})

    def accuracy(candidate: keras.Model) -> float:
        return evaluate(lambda features: candidate(features["image"]).numpy(), test_split, "accuracy", "multiclass")

    assert accuracy(trained) > 0.85
    assert accuracy(model) > accuracy(trained) - METHODS[name].drop


@pytest.mark.parametrize("name", METHODS)
def test_sparsity_is_reached_exactly(name, results):
    for kernel in _kernels(results[name]):
        zeros = kernel.size - round(kernel.size * (1 - SPARSITY)) if METHODS[name].sparse else 0
        assert np.sum(kernel == 0) == zeros


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.clusters])
def test_weights_share_few_values_in_the_model_and_in_the_file(name, results, int8_files):
    method = METHODS[name]
    for kernel in _kernels(results[name]):
        assert np.unique(kernel).size <= method.clusters
    for row in audit(int8_files[name]).weights:
        # Without qat the converter gives each channel a range of its own.
        if method.prefix:
            assert row.distinct <= method.clusters


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.sparse])
def test_zeros_survive_into_the_int8_file(name, results, int8_files):
    weights = kernels(results[name])
    found = audit(int8_files[name], weights)
    assert found.input_dtypes == found.output_dtypes == ("int8",)
    assert found.float_operators == ()
    promises = promise_sparsity(weights, dict.fromkeys(("conv", "digit"), SPARSITY), {"kernel"})
    assert len(promises) == len(found.weights) == 2
    assert check(promises, found) == []
    for row in found.weights:
        assert row.dtype == "int8"
        assert row.sparsity >= SPARSITY


@pytest.mark.parametrize("name", METHODS)
def test_the_input_model_is_untouched_and_the_same_seed_gives_the_same_model(name, results, trained, data):
    before = trained.get_weights()
    names = [layer.name for layer in trained.layers]
    again = METHODS[name].apply(trained, data)
    for old, now in zip(before, trained.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)
    assert [layer.name for layer in trained.layers] == names
    for first, second in zip(results[name].get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", METHODS)
def test_a_result_saved_and_loaded_converts_to_the_same_bytes(name, results, int8_files, data, tmp_path):
    keras_models.save(results[name], tmp_path / "model")
    assert convert(keras_models.load(tmp_path / "model"), INT8, data.train) == int8_files[name]


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_keeps_signature_quality_and_promised_types(mode, files, trained, data, test_split):
    row, found, predictor = MODES[mode], audit(files[mode]), TFLitePredictor(files[mode])
    assert predictor.input_names == ("image",)
    assert predictor.outputs[0].name == "digit"
    assert {weight.dtype for weight in found.weights if np.prod(weight.shape) > 1024} == {row.weights}
    assert found.input_dtypes == found.output_dtypes == (row.io,)
    assert found.float_operators == found.custom_operators == ()
    assert found.size_bytes < row.size_below * len(files["float32"])
    assert found.gzip_bytes < found.size_bytes
    assert check(promise_mode(kernels(trained), mode), audit(files[mode], kernels(trained))) == []
    assert max_abs_error(trained, files[mode], test_split, 500) <= row.error

    def keras_predict(features: dict[str, np.ndarray]) -> np.ndarray:
        return trained(features["image"]).numpy()

    reference = evaluate(keras_predict, test_split, "accuracy", "multiclass")
    # Labels can only flip where two classes are almost tied; 1 point of 1,000 examples is ten such images.
    assert abs(evaluate(predictor.predict, test_split, "accuracy", "multiclass") - reference) <= 0.01


@pytest.mark.parametrize("architecture", ["depthwise", "residual"])
def test_other_architectures_go_through_prune_cluster_qat_and_int8(architecture, build, data):
    """1x1 convolutions and residual adds are where tfmot's own preserving schemes fail (its issues 979 and 1056)."""
    model = METHODS["prune, cluster, qat"].apply(build(architecture), data)
    found = audit(convert(model, QuantizeSettings(mode="int8_io"), data.train))
    assert found.float_operators == ()
    for row in found.weights:
        if row.op != "DEPTHWISE_CONV_2D":
            assert SPARSITY <= row.sparsity < 1.0
            assert row.distinct <= CLUSTERS


def test_shared_layers_stay_shared_in_the_file(build, data):
    model = _prune(build("shared"), data)
    assert keras_models.shared_layers(model) == ["tied"]
    found = audit(convert(model, QuantizeSettings(mode="float32"), data.train))
    assert found.operators["CONV_2D"] == 3
    assert sum(row.op == "CONV_2D" for row in found.weights) == 2
