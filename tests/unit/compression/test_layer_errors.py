"""What quantization costs each layer, held to numbers worked out by hand."""

import math

import numpy as np
import pytest
import tf_keras as keras

from compression import conversion, keras_models
from compression.data import Split, TrainingData
from compression.errors import OutputMismatch
from compression.flatbuffer import Graph, Operator, Tensor, read_graphs
from compression.layer_errors.measure import measure, weight_error
from compression.layer_errors.outputs import errors_before
from compression.layer_errors.pairs import pairs
from compression.qat import with_quantizers
from compression.qat_ranges import set_ranges
from compression.quantization.converter import convert_whole
from compression.quantize import convert
from compression.settings import QatSettings, QuantizeSettings
from compression.weight_operands import stored_weights

layers = keras.layers
FLOAT = QuantizeSettings(mode="float32")


def rows(model, mode, split, **told):
    try:
        content = convert(model, QuantizeSettings(mode=mode, calibration_examples=50), split)
    except OutputMismatch as mismatch:
        content = mismatch.content
    reference = convert_whole(model, FLOAT, split, ranges=False)
    return measure(content, reference, stored_weights(read_graphs(content)), split, **told)


def plain(features, weights):
    """Two inputs into one unit without a bias."""
    x = keras.Input((2,), name="x")
    model = keras.Model(x, layers.Dense(1, use_bias=False, name="head")(x))
    model.set_weights([np.array(weights, np.float32).reshape(2, 1)])
    return model, Split.from_arrays({"x": np.array(features, np.float32)}, np.zeros((len(features), 1), np.float32))


def tensor(scale=0.5, zero_point=0):
    return Tensor("w", "int8", (2,), None, 2, np.array([scale], np.float32), np.array([zero_point]), 0)


def test_weight_error_is_the_ratio_worked_by_hand():
    # 6 and 8 stand for 3 and 4; the weights are 3 and 4.5: 0.5 / sqrt(9 + 20.25).
    values, floats = np.array([6, 8], np.int8), np.array([3.0, 4.5])
    assert weight_error(values, tensor(), floats) == pytest.approx(0.5 / math.sqrt(29.25))
    assert weight_error(values + 1, tensor(zero_point=1), floats) == pytest.approx(0.5 / math.sqrt(29.25))
    assert weight_error(values, tensor(), np.zeros(2)) is None


def test_errors_of_a_file_are_those_worked_by_hand():
    """int8 weights 1 and 0.5 have the step 1 / 127: 63.5 steps round to 63 or 64, half a step off."""
    # The first 32 are looked at; those behind them widen the calibrated ranges, so that nothing is clipped.
    model, split = plain([[0.0, 2.0], [0.0, -2.0]] * 16 + [[0.0, 4.0], [0.0, -4.0]] * 4, [1.0, 0.5])
    (row,) = rows(model, "float16", split)
    assert (row.weights, row.output) == (0.0, 0.0)  # both are halves
    (row,) = rows(model, "int16x8", split)
    assert row.weights == pytest.approx(0.5 / 127 / math.sqrt(1.25), rel=1e-5)
    # Only the second weight meets a value, and is off by half a step; activations of 16 bits add next to nothing.
    assert row.output == pytest.approx(0.5 / 127 / 0.5, rel=0.01)
    assert (row.before, row.not_measured) == (pytest.approx(0.0, abs=1e-4), {})


def test_the_largest_error_that_a_layer_reads_is_handed_on_by_what_was_not_measured():
    graph = Graph(
        (),
        (
            Operator("CONV_2D", False, 1, (0,), (1,)),
            Operator("RESHAPE", False, 1, (1,), (2,)),
            Operator("ADD", False, 1, (2, 0), (3,)),
        ),
        (0,),
        (3,),
    )
    assert errors_before(graph, {1: 0.25, 2: None, 3: 0.5}) == {1: 0.0, 2: 0.25, 3: 0.25}


def test_operators_of_other_graphs_are_paired_by_name_or_not_at_all():
    def graph(*names):
        tensors = tuple(Tensor(name, "float32", (1, 2), None, 0, np.zeros(0), np.zeros(0), 0) for name in names)
        operators = tuple(Operator(name.split(".")[0], False, 1, (), (index,)) for index, name in enumerate(names))
        return Graph(tensors, operators, (), ())

    ours, theirs = graph("QUANTIZE.q", "ADD.a", "MUL.m"), graph("ADD.b", "MUL.n")
    (same,) = pairs([ours], [theirs])
    assert [(pair.operator.name, pair.counterpart.outputs) for pair in same] == [("ADD", (0,)), ("MUL", (1,))]
    (named,) = pairs([ours], [graph("SUB.s", "ADD.other", "MUL.m")])
    assert [(pair.operator.name, pair.counterpart.outputs) for pair in named] == [("MUL", (2,))]


def test_a_weight_that_nothing_uses_hides_from_the_weights_and_shows_in_the_output():
    """One large weight takes the range of its unit: the others round to nothing, and only the output tells."""
    model, split = plain([[0.0, value] for value in np.linspace(-1, 1, 60)], [100.0, 0.3])
    (row,) = rows(model, "int8", split)
    assert row.weights < 0.01
    assert row.output == pytest.approx(1.0, abs=0.01)


def test_a_baseline_says_why_it_has_no_errors(tmp_path):
    model, split = plain([[1.0, 2.0]] * 8, [1.0, 0.5])
    keras_models.save(model, tmp_path / "model")
    data = TrainingData(split, split, "regression", seed=1)
    request = conversion.Request(str(tmp_path / "model"), FLOAT, data.for_features, "rmse", 1)
    found = conversion.finish(request).report["layer_errors"]
    assert found == {"weights": [], "reason": "it is the float32 file itself"}


def test_what_cannot_be_measured_costs_no_file(tmp_path, monkeypatch):
    def broken(*args, **told):
        raise IndexError("no such operand")

    monkeypatch.setattr(conversion, "measure", broken)
    model, split = plain([[1.0, 2.0]] * 8, [1.0, 0.5])
    keras_models.save(model, tmp_path / "model")
    data = TrainingData(split, split, "regression", seed=1)
    settings = QuantizeSettings(mode="float16")
    request = conversion.Request(str(tmp_path / "model"), settings, data.for_features, "rmse", 1)
    finished = conversion.finish(request)
    assert finished.report["layer_errors"] == {"weights": [], "reason": "no such operand"}
    assert finished.content[4:8] == b"TFL3"


@pytest.mark.methods
@pytest.mark.parametrize("name", ["conv_bn_relu", "residual_bn", "depthwise"])
def test_every_layer_has_its_errors_after_training_for_8_bits_too(name, build, data):
    """All but those of the weights: what was trained with rounding is rounded in the float32 file as well."""
    model = with_quantizers(build(name), QatSettings())
    set_ranges(model, data.train.take_arrays(50)[0])
    for row in rows(model, "int8", data.train, rounded=True):
        assert row.not_measured == {"weights": "its weights were trained with this rounding"}
        assert 0 < row.output < 0.1
