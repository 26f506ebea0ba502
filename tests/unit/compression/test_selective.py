"""Layers kept in a finer precision until the drop on validation is in budget."""

import numpy as np
import pytest
import tf_keras as keras

from compression import keras_models, training
from compression.data import Split, TrainingData
from compression.determinism import seed_everything
from compression.errors import CompressionError
from compression.evaluate import evaluate
from compression.predict import TFLitePredictor
from compression.quantization.layer_operators import LayerOperator
from compression.quantization.selective import Selector
from compression.quantize import quantize
from compression.settings import QuantizeSettings, TrainSettings

layers = keras.layers
FIRST, SECOND, THIRD, FOURTH = (f"model/layer_{number}/MatMul" for number in range(1, 5))


@pytest.fixture(scope="module")
def lopsided(data) -> keras.Model:
    """A trained network in which one unit of `wide` answers 2,000 and is not listened to.

    In 8 bits the steps of `wide` become so coarse that its other units are lost: its results must be finer where they
    are made and where they are read, in `digit`.
    """
    seed_everything(1)
    x = keras.Input((8, 8, 1), name="image")
    y = layers.Dense(16, activation="relu", name="first")(layers.Flatten(name="flat")(x))
    y = layers.Dense(16, activation="relu", name="wide")(y)
    model = keras.Model(x, layers.Dense(10, activation="softmax", name="digit")(y))
    training.train(model, data, TrainSettings(epochs=6, batch_size=32, learning_rate=5e-3))
    kernel, bias = model.get_layer("wide").get_weights()
    following, last = model.get_layer("digit").get_weights()
    unit = int(np.argmin(np.abs(following).sum(axis=1)))
    kernel[:, unit], bias[unit], following[unit] = 0.0, 2000.0, 0.0
    model.get_layer("wide").set_weights([kernel, bias])
    model.get_layer("digit").set_weights([following, last])
    return model


def _accuracy(content: bytes, data: TrainingData) -> float:
    return evaluate(TFLitePredictor(content).predict, data.validation, "accuracy", data.task)


@pytest.mark.parametrize(("mode", "keep"), [("int8", None), ("int8_io", "int16x8")])
def test_the_layers_that_int8_ruins_are_kept_and_no_others(mode, keep, lopsided, data):
    settings = QuantizeSettings(mode=mode, max_validation_drop=0.02, keep=keep, ranking_examples=100)
    found = quantize(lopsided, data, settings, metric="accuracy")
    report, kept = found.report["selective"], keep or "float32"
    assert report["drop_before"] > 0.1
    assert report["drop_after"] <= 0.02
    assert report["reference"] - _accuracy(found.content, data) == pytest.approx(report["drop_after"])
    assert {row["layer"]: row["kept"] for row in report["layers"]} == {"first": False, "wide": True, "digit": True}
    assert (report["keep"], report["ranking_examples"], report["validation_examples"]) == (kept, 100, 200)
    assert 1 + 3 < report["conversions"] <= 1 + 3 * 3
    precisions = {row["layer"]: row["precision"] for row in found.report["layers"]}
    assert (precisions["first"], precisions["wide"], precisions["digit"]) == ("int8", kept, kept)


class Machine:
    """Files for known answers: a model of one class probability whose file says which operators are kept."""

    def __init__(self, harm: dict[str, int], monkeypatch) -> None:
        self.harm, self.asked, self.content = harm, [], b"float"
        monkeypatch.setattr("compression.quantization.selective.TFLitePredictor", self.predictor)

    def __call__(self, precisions: dict[str, str]) -> bytes:
        self.asked.append(dict(precisions))
        return ",".join(sorted(precisions)).encode() or b"none"

    def predictor(self, content: bytes) -> "Machine.Answers":
        kept = {*self.harm} if content == b"float" else {*content.decode().split(",")}
        return Machine.Answers(sum(count for name, count in self.harm.items() if name not in kept))

    class Answers:
        """All labels are 1; the first `wrong` examples get another answer."""

        def __init__(self, wrong: int) -> None:
            self.wrong = wrong

        def table(self, features: dict[str, np.ndarray]) -> np.ndarray:
            return np.where(features["number"] < self.wrong, 0.1, 0.9)

        answers = table


@pytest.fixture
def numbers() -> TrainingData:
    split = Split.from_arrays({"number": np.arange(100.0)[:, None]}, np.ones(100))
    return TrainingData(split, split, "binary", seed=1)


def _operators(*names: str) -> list[LayerOperator]:
    return [LayerOperator("FULLY_CONNECTED", (name,), (name.split("/")[1],), "float32", "float32") for name in names]


def _select(machine: Machine, numbers: TrainingData, drop: float, **options: object):
    settings = QuantizeSettings(mode="int8", max_validation_drop=drop)
    operators = _operators(FIRST, SECOND, THIRD, FOURTH)
    return Selector(machine, operators, numbers, settings, metric="accuracy", fixed={}, **options).select()


def test_the_worst_layers_are_kept_first_as_worked_by_hand(numbers, monkeypatch):
    machine = Machine({FIRST: 1, SECOND: 8, THIRD: 3, FOURTH: 20}, monkeypatch)
    found = _select(machine, numbers, 0.05)
    # Nothing kept: 32 of 100 wrong. Then 12 (FOURTH), then 4 (SECOND too): within 5.
    assert found.report["drop_before"] == pytest.approx(0.32)
    assert found.report["drop_after"] == pytest.approx(0.04)
    assert [row["layer"] for row in found.report["layers"]] == ["layer_4", "layer_2", "layer_3", "layer_1"]
    assert [row["score"] for row in found.report["layers"]] == pytest.approx([0.2, 0.08, 0.03, 0.01])
    # Each wrong answer is off by 0.8: what is left is wrong in 12, 24, 29 and 31 of 100.
    errors = [0.64 * wrong / 100 for wrong in (12, 24, 29, 31)]
    assert [row["output_mse"] for row in found.report["layers"]] == pytest.approx(errors)
    assert [row["kept"] for row in found.report["layers"]] == [True, True, False, False]
    # One, four to rank, two to keep, one to see whether FOURTH is still needed.
    assert found.report["conversions"] == len(machine.asked) == 8
    assert found.content == ",".join(sorted([SECOND, FOURTH])).encode()


def test_a_budget_that_is_met_keeps_nothing_and_ranks_nothing(numbers, monkeypatch):
    machine = Machine({FIRST: 1, SECOND: 2, THIRD: 0, FOURTH: 0}, monkeypatch)
    report = _select(machine, numbers, 0.03).report
    assert machine.asked == [{}]
    assert (report["conversions"], report["layers"], report["ranking_examples"]) == (1, [], 0)
    assert report["drop_before"] == report["drop_after"] == pytest.approx(0.03)


def test_layers_with_a_precision_of_their_own_are_not_ranked(numbers, monkeypatch):
    machine = Machine({FIRST: 1, SECOND: 8, THIRD: 3, FOURTH: 20}, monkeypatch)
    settings = QuantizeSettings(mode="int8", max_validation_drop=0.05, ranking_examples=50)
    selector = Selector(
        machine, _operators(FIRST, SECOND, THIRD, FOURTH), numbers, settings, metric="accuracy", fixed={FOURTH: "int4"}
    )
    found = selector.select()
    assert [row["layer"] for row in found.report["layers"]] == ["layer_2", "layer_3", "layer_1"]
    assert all(asked[FOURTH] == "int4" for asked in machine.asked)
    # Every second example ranks, so that half as many wrong ones are seen: 4 of 50.
    assert found.report["layers"][0]["score"] == pytest.approx(0.08)


def test_layers_that_turn_out_not_to_be_needed_are_given_back(numbers, monkeypatch):
    class Masked(Machine):
        """SECOND hides what THIRD does until it is kept itself."""

        def predictor(self, content: bytes) -> Machine.Answers:
            kept = {*content.decode().split(",")}
            wrong = 0 if content == b"float" else 10 * (THIRD not in kept) + 2 * (FIRST not in kept)
            return Machine.Answers(wrong)

    machine = Masked(dict.fromkeys((FIRST, SECOND, THIRD, FOURTH), 1), monkeypatch)
    found = _select(machine, numbers, 0.11)
    assert [row["layer"] for row in found.report["layers"] if row["kept"]] == ["layer_3"]
    machine.asked.clear()
    with pytest.raises(CompressionError, match="got it only with all 4 layers in float32"):
        _select(_AllOrNothing(dict.fromkeys((FIRST, SECOND, THIRD, FOURTH), 1), monkeypatch), numbers, 0.0)


class _AllOrNothing(Machine):
    def predictor(self, content: bytes) -> Machine.Answers:
        return Machine.Answers(0 if content == b"float" or len(content.decode().split(",")) == 4 else 5)


def test_a_drop_that_nothing_mends_is_an_error(numbers, monkeypatch):
    class Hopeless(Machine):
        def predictor(self, content: bytes) -> Machine.Answers:
            return Machine.Answers(0 if content == b"float" else 30)

    machine = Hopeless(dict.fromkeys((FIRST, SECOND, THIRD, FOURTH), 1), monkeypatch)
    with pytest.raises(CompressionError, match=r"got a drop of 0\.3 of accuracy with all 4 layers in float32; raise"):
        _select(machine, numbers, 0.05)
    assert len(machine.asked) == 1 + 4 + 4


def test_int4_keeps_layers_in_int8(trained, data, copy_of):
    model = copy_of(trained)
    kernel, bias = model.get_layer("digit").get_weights()
    # One weight of a unit that is far larger than the others leaves these nothing of 4 bits; its input is always dark.
    dark = int(np.argmin(np.abs(kernel).sum(axis=1)))
    conv = model.get_layer("conv").get_weights()[0]
    assert conv.shape == (3, 3, 1, 8)
    channel = dark % 8
    norm = model.get_layer("norm")
    gamma, beta, mean, variance = norm.get_weights()
    gamma[channel], beta[channel] = 0.0, 0.0
    norm.set_weights([gamma, beta, mean, variance])
    kernel[channel::8] = 0.0
    kernel[channel] = 8 * np.abs(kernel).max()
    model.get_layer("digit").set_weights([kernel, bias])
    settings = QuantizeSettings(mode="int4", max_validation_drop=0.01)
    found = quantize(model, data, settings, metric="accuracy")
    report = found.report["selective"]
    assert report["drop_before"] > 0.2
    assert report["drop_after"] <= 0.01
    assert [(row["layer"], row["kept"]) for row in report["layers"]] == [("digit", True), ("conv", False)]
    precisions = {row["layer"]: row["precision"] for row in reversed(found.report["layers"])}
    assert (precisions["conv"], precisions["digit"]) == ("int4", "int8")
    assert keras_models.check_model(model, task="multiclass") is None
