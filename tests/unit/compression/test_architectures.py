"""What each step does with each architecture that people bring."""

from dataclasses import dataclass

import numpy as np
import pytest
import tf_keras as keras

from compression import keras_models
from compression.audit import audit
from compression.errors import CompressionError
from compression.prune import prunable_layers, prune
from compression.qat import plan_layers, quantization_aware, with_quantizers
from compression.qat_ranges import set_ranges
from compression.quantize import convert, max_abs_error
from compression.recurrent import MAX_STEPS, unrolled
from compression.settings import PruneSettings, QatSettings, QuantizeSettings
from compression.structure import Keep

pytestmark = pytest.mark.methods

layers = keras.layers
FLOAT = QatSettings(epochs=1, unsupported_layers="float")


@dataclass(frozen=True)
class Architecture:
    """What the steps say of an architecture in BUILDERS: layers pruned, and layers that QAT leaves float."""

    pruned: tuple[str, ...]
    left_float: tuple[str, ...] = ()
    refused: str = ""


ARCHITECTURES = {
    "conv_bn_relu": Architecture(("conv", "digit")),
    "depthwise": Architecture(("conv", "point", "digit")),
    "residual": Architecture(("conv", "branch", "digit")),
    "residual_bn": Architecture(("conv", "branch", "digit")),
    "dense": Architecture(("hidden", "digit")),
    "shared": Architecture(("conv", "tied", "digit"), refused="called once, got tied called several times"),
    "conv1d": Architecture(("conv", "digit"), ("conv", "norm", "pool")),
    "lstm": Architecture(("lstm", "digit"), ("lstm",)),
    "gru": Architecture(("gru", "digit"), ("gru",)),
    "two_inputs": Architecture(("conv", "hidden", "digit")),
}


def test_every_architecture_has_a_row(builders):
    assert set(ARCHITECTURES) == set(builders)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_steps_name_the_layers_that_they_take_and_leave(name, build):
    row, model = ARCHITECTURES[name], build(name)
    keras_models.check_model(model, task="multiclass")
    assert prunable_layers(model) == list(row.pruned)
    if row.refused:
        with pytest.raises(CompressionError, match=row.refused):
            plan_layers(model, FLOAT)
        return
    plan = plan_layers(model, FLOAT)
    assert plan.left_float == row.left_float
    assert set(plan.quantized) | set(plan.left_float) == {
        layer.name for layer in model.layers if not isinstance(layer, layers.InputLayer)
    }
    if row.left_float:
        with pytest.raises(CompressionError, match=row.left_float[0]):
            plan_layers(model, QatSettings())


@pytest.mark.parametrize("name", ["conv1d", "lstm", "gru"])
def test_every_layer_becomes_int8_after_training_whatever_its_kind(name, build, data):
    model = build(name)
    tflite = convert(model, QuantizeSettings(mode="int8_io", calibration_examples=50), data.train)
    found = audit(tflite)
    assert {row.dtype for row in found.weights} == {"int8"}
    assert found.float_operators == found.custom_operators == ()
    # Ten untrained classes are near 0.1 each; a step of the softmax is 1/256.
    assert max_abs_error(model, tflite, data.validation, 100) < 0.02


def test_several_inputs_go_through_prune_qat_and_int8(build, two_input_data):
    pruned = prune(build("two_inputs"), two_input_data, PruneSettings(sparsity=0.5, epochs=1))
    aware = quantization_aware(pruned, two_input_data, QatSettings(epochs=1), keep=Keep(zeros=True))
    assert aware.input_names == ["sums", "image"]
    tflite = convert(aware, QuantizeSettings(mode="int8_io"), two_input_data.train)
    found = audit(tflite)
    assert found.float_operators == ()
    assert [row.dtype for row in found.weights] == ["int8"] * 3
    assert min(row.sparsity for row in found.weights) >= 0.5
    assert max_abs_error(aware, tflite, two_input_data.validation, 100) < 0.05


def test_qat_leaves_a_recurrent_layer_float_and_trains_what_follows_for_8_bits(build, data):
    model = with_quantizers(build("lstm"), FLOAT)
    set_ranges(model, data.train.take_arrays(50)[0])
    tflite = convert(model, QuantizeSettings(mode="int8"), data.train)
    # The two kernels of the LSTM, and the classifier; without a range for its input it would be float too.
    assert [row.dtype for row in audit(tflite).weights] == ["float32", "float32", "int8"]
    assert max_abs_error(model, tflite, data.validation, 100) < 0.01


def _sequence(*stack: keras.layers.Layer, steps: int | None = 5) -> keras.Model:
    x = source = keras.Input((steps, 3), name="x")
    for layer in stack:
        x = layer(x)
    return keras.Model(source, x, name="sequence")


@pytest.mark.parametrize(
    "stack",
    [
        lambda: [layers.Masking(0.0), layers.LSTM(4, go_backwards=True)],
        lambda: [layers.Bidirectional(layers.GRU(4, return_sequences=True, reset_after=False)), layers.SimpleRNN(2)],
        lambda: [layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)])],
        lambda: [_sequence(layers.LSTM(4, return_sequences=True)), layers.GRU(3)],
    ],
)
def test_written_out_a_recurrent_model_answers_the_same(stack):
    model = _sequence(*stack())
    values = np.random.default_rng(1).normal(size=(6, 5, 3)).astype(np.float32)
    values[:, 3:] = 0  # what Masking leaves out
    twin = unrolled(model)
    assert [weight.name for weight in twin.weights] == [weight.name for weight in model.weights]
    np.testing.assert_allclose(twin(values), model(values), atol=1e-6)
    operators = {node.op for node in keras_models.serving_function(twin).graph.as_graph_def().node}
    assert not {op for op in operators if "While" in op or "TensorList" in op}


def test_a_model_without_recurrent_layers_is_not_touched(build):
    model = build("residual")
    assert unrolled(model) is model


def _stateful() -> keras.Model:
    x = keras.Input(batch_shape=(2, 5, 3), name="x")
    return keras.Model(x, layers.GRU(2, stateful=True, name="r")(x))


def _convolutional() -> keras.Model:
    x = keras.Input((5, 3, 1), name="x")
    return keras.Model(x, layers.ConvLSTM1D(2, 2, name="r")(x))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: _sequence(layers.GRU(2, name="r"), steps=None), r"a fixed number of steps, got none for r \(GRU\)"),
        (lambda: _sequence(layers.GRU(2, name="r"), steps=MAX_STEPS + 1), rf"at most {MAX_STEPS} steps.*for r \(GRU\)"),
        (_stateful, r"begin every example anew, got stateful=True for r \(GRU\)"),
        (_convolutional, r"can be written out, got r \(ConvLSTM1D\)"),
    ],
)
def test_what_cannot_be_written_out_is_refused_by_name(model, message):
    with pytest.raises(CompressionError, match=message):
        unrolled(model())
