import numpy as np
import pytest
import tf_keras as keras

from compression import keras_models
from compression.audit import audit
from compression.errors import CompressionError
from compression.qat import QatLayers, _wrap, is_quantization_aware, plan_layers, quantization_aware
from compression.qat_ranges import set_ranges
from compression.quantize import convert
from compression.settings import QatSettings, QuantizeSettings
from compression.structure import Keep

pytestmark = pytest.mark.methods

layers = keras.layers
REFUSE = QatSettings(epochs=1)
FLOAT = QatSettings(epochs=1, unsupported_layers="float")


def _images(*stack: keras.layers.Layer) -> keras.Model:
    x = image = keras.Input((8, 8, 1), name="image")
    for layer in stack:
        x = layer(x)
    return keras.Model(image, layers.Dense(10, activation="softmax", name="digit")(layers.Flatten(name="flat")(x)))


def _two_consumers() -> keras.Model:
    image = keras.Input((8, 8, 1), name="image")
    conv = layers.Conv2D(4, 3, name="conv")(image)
    x = layers.Add(name="add")([conv, layers.BatchNormalization(name="norm")(conv)])
    return keras.Model(image, layers.Dense(10, name="digit")(layers.Flatten(name="flat")(x)))


@pytest.mark.parametrize("architecture", ["conv_bn_relu", "depthwise", "residual", "dense"])
def test_supported_architectures_are_quantized_throughout(architecture, build):
    model = build(architecture)
    names = tuple(layer.name for layer in model.layers if not isinstance(layer, layers.InputLayer))
    assert plan_layers(model, REFUSE) == QatLayers(names, ())


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: _images(layers.BatchNormalization(name="norm")), r"norm \(BatchNormalization: folds only into"),
        (
            lambda: _images(
                layers.Conv2D(4, 3, activation="relu", name="conv"), layers.BatchNormalization(name="norm")
            ),
            r"norm \(BatchNormalization: conv before it has an activation",
        ),
        (
            lambda: _images(layers.Conv2DTranspose(4, 3, name="up"), layers.BatchNormalization(name="norm")),
            r"norm \(BatchNormalization: folds only into",
        ),
        (_two_consumers, r"norm \(BatchNormalization: conv before it feeds other layers too"),
        (lambda: _images(layers.PReLU(name="bend")), r"bend \(PReLU: not supported by tfmot"),
        (lambda: _images(layers.Conv2D(4, 3, activation="elu", name="conv")), r"conv \(Conv2D: activation elu"),
        (lambda: _images(layers.Activation("elu", name="bend")), r"bend \(Activation: activation elu"),
    ],
)
def test_unsupported_layers_are_named_with_class_reason_and_remedy(model, message):
    with pytest.raises(CompressionError, match=message + r".*set `unsupported_layers: float`"):
        plan_layers(model(), REFUSE)


def test_all_unsupported_layers_are_named_at_once():
    model = _images(layers.PReLU(name="bend"), layers.BatchNormalization(name="norm"))
    with pytest.raises(CompressionError, match=r"bend \(PReLU.*; norm \(Batch"):
        plan_layers(model, REFUSE)
    assert plan_layers(model, FLOAT) == QatLayers(("flat", "digit"), ("bend", "norm"))


def test_skipping_a_convolution_takes_its_normalization_along(build):
    plan = plan_layers(build("conv_bn_relu"), QatSettings(skip=("conv",)))
    assert plan == QatLayers(("relu", "pool", "flat", "digit"), ("conv", "norm"))


def test_tied_layers_are_refused_by_name(build):
    with pytest.raises(CompressionError, match="called once, got tied called several times"):
        plan_layers(build("shared"), REFUSE)


def test_a_second_qat_is_refused(aware):
    assert is_quantization_aware(aware)
    with pytest.raises(CompressionError, match="quantization-aware already"):
        plan_layers(aware, REFUSE)


@pytest.mark.parametrize("keep", [Keep(), Keep(zeros=True, sharing="tensor")])
def test_layers_left_float_stay_float_in_the_file_and_the_rest_is_integer(data, keep):
    model = _images(
        layers.Conv2D(4, 3, activation="relu", name="before"),
        layers.ELU(name="bend"),
        layers.Conv2D(4, 3, activation="relu", name="after"),
    )
    aware = quantization_aware(model, data, FLOAT, keep=keep)
    found = audit(convert(aware, QuantizeSettings(mode="int8"), data.train))
    # The layer after the float one is an integer layer too: the float layer's output got a trained range.
    assert [row.dtype for row in found.weights] == ["int8"] * 3
    assert [name.split(":")[0] for name in found.float_operators] == ["ELU"]


def test_a_float_layer_with_an_activation_of_its_own_gives_the_next_layer_a_range(data):
    """tfmot knows convolutions, but not this activation inside of one."""
    model = _images(layers.Conv2D(4, 3, activation="elu", name="bend"), layers.Conv2D(4, 3, name="after"))
    aware = quantization_aware(model, data, FLOAT)
    found = audit(convert(aware, QuantizeSettings(mode="int8"), data.train))
    assert [name.split(":")[0] for name in found.float_operators] == ["CONV_2D", "ELU"]
    assert [row.dtype for row in found.weights] == ["float32", "int8", "int8"]


@pytest.mark.parametrize(("skip", "float_operator"), [("conv", "CONV_2D"), ("digit", "FULLY_CONNECTED")])
def test_skipped_first_and_last_layers_keep_float_weights(data, build, skip, float_operator):
    settings = QatSettings(epochs=1, skip=(skip,))
    aware = quantization_aware(build("conv_bn_relu"), data, settings)
    found = audit(convert(aware, QuantizeSettings(mode="int8"), data.train))
    assert {row.op: row.dtype == "float32" for row in found.weights}[float_operator]
    assert found.float_operators[0].startswith(float_operator)
    assert sorted(row.dtype for row in found.weights) == ["float32", "int8"]
    with pytest.raises(CompressionError, match=r"must have int8 inputs and outputs, but .* stayed float"):
        convert(aware, QuantizeSettings(mode="int8_io"), data.train)


def test_separable_convolutions_are_quantized_and_keep_their_zeros(data):
    model = _images(layers.SeparableConv2D(4, 3, name="sep"), layers.BatchNormalization(name="norm"))
    kernel = model.get_layer("sep").pointwise_kernel
    kernel.assign(np.where(np.arange(4) % 2, kernel.numpy(), 0))
    aware = quantization_aware(model, data, REFUSE, keep=Keep(zeros=True))
    found = audit(convert(aware, QuantizeSettings(mode="int8"), data.train))
    assert found.float_operators == ()
    assert {row.op: row.sparsity for row in found.weights}["CONV_2D"] >= 0.5


def test_plain_qat_fills_a_pruned_kernel_again(build, data):
    """The fault that `keep` guards against is real."""
    model = build("dense")
    weights = model.get_weights()
    weights[0] *= (np.arange(64)[:, None] + np.arange(16)) % 2  # a checkerboard: no unit is dead
    model.set_weights(weights)
    assert np.mean(_kernel(quantization_aware(model, data, REFUSE), "hidden") == 0) < 0.4
    assert np.mean(_kernel(quantization_aware(model, data, REFUSE, keep=Keep(zeros=True)), "hidden") == 0) == 0.5


def _kernel(model: keras.Model, layer: str) -> np.ndarray:
    return next(w.numpy() for w in model.get_layer(f"quant_{layer}").weights if "kernel:" in w.name)


def test_freezing_reaches_batch_norm_inside_the_wrappers(build, data):
    model = build("conv_bn_relu")
    before = model.get_layer("norm").get_weights()
    aware = quantization_aware(model, data, QatSettings(epochs=1, batch_norm="freeze"))
    for old, now in zip(before, aware.get_layer("quant_norm").layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)


def test_a_quantization_aware_model_survives_saving_and_loading(build, data, images, tmp_path):
    aware = quantization_aware(build("conv_bn_relu"), data, REFUSE, keep=Keep(zeros=True))
    keras_models.save(aware, tmp_path / "model")
    loaded = keras_models.load(tmp_path / "model")
    assert is_quantization_aware(loaded)
    assert loaded.input_names == ["image"]
    keras_models.check_model(loaded, task="multiclass", feature_names={"image"})
    np.testing.assert_array_equal(loaded(images[0][:8]), aware(images[0][:8]))


def test_training_begins_with_the_ranges_of_real_activations(trained, data):
    """tfmot's own start is [-6, 6], which an epoch hardly moves."""
    aware = _wrap(keras_models.copy(trained), plan_layers(trained, REFUSE), frozenset())

    def relu_range() -> tuple[float, float]:
        found = {variable.name.split("/")[-1]: float(variable) for variable in aware.get_layer("quant_relu").weights}
        return found["output_min:0"], found["output_max:0"]

    assert relu_range() == (-6.0, 6.0)
    features, _ = data.train.take_arrays(100)
    set_ranges(aware, features)
    inner = keras.Model(trained.inputs, trained.get_layer("relu").output)
    lowest, highest = relu_range()
    assert lowest == 0.0
    # The weights are rounded to 8 bits already: each is off by at most half of a 127th of its channel's largest.
    assert highest == pytest.approx(float(np.max(inner(features["image"]))), rel=0.02)
    norm = trained.get_layer("norm")
    np.testing.assert_array_equal(aware.get_layer("quant_norm").layer.moving_mean, norm.moving_mean)
