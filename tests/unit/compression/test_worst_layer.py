"""A drop with a known cause: it is measured, the layer is named, and what is advised takes the drop away."""

import pytest
import tf_keras as keras

from components.details.layers import rows_of
from compression import conversion, keras_models
from compression.evaluate import evaluate
from compression.model_outputs import ask
from compression.settings import QuantizeSettings, TrainSettings
from compression.training import train
from report.worst_layer import worst_layer

pytestmark = pytest.mark.methods


@pytest.fixture
def spoilt(build, data) -> keras.Model:
    """Pixel 0 of every digit is blank: a large weight on it changes nothing in float and ruins the range in int8."""
    model = build("dense")
    train(model, data, TrainSettings(epochs=25, batch_size=32, learning_rate=5e-3))
    kernel, bias = model.get_layer("hidden").get_weights()
    kernel[0] = 300.0
    model.get_layer("hidden").set_weights([kernel, bias])
    return model


def finished(model, folder, data, **settings):
    if not folder.exists():
        keras_models.save(model, folder)
    chosen = QuantizeSettings(mode="int8", calibration_examples=100, **settings)
    request = conversion.Request(str(folder), chosen, data.for_features, "accuracy", 1)
    return {"step": "quantize", **conversion.finish(request).report}


def test_the_layer_that_an_unused_weight_spoils_is_found_and_kept_in_float_it_costs_nothing(spoilt, data, tmp_path):
    bad = finished(spoilt, tmp_path / "model", data)
    float_value = evaluate(lambda features: ask(spoilt, features), data.validation, "accuracy", data.task)
    assert bad["validation"] < float_value - 0.1
    worst = worst_layer(rows_of(bad))
    assert worst is not None
    assert (worst.name, worst.before) == ("hidden", pytest.approx(0.0, abs=0.01))
    assert worst.output > 0.3
    good = finished(spoilt, tmp_path / "model", data, layers={worst.name: "float32"})
    assert good["validation"] > float_value - 0.02
    assert good["mismatch"] is None
    assert worst_layer(rows_of(good)) is None
