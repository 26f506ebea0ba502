"""The whole step on real data: smaller, faster to store, still right, and a model like any other."""

import numpy as np
import pytest
import tf_keras as keras

from compression import keras_models
from compression.audit import audit
from compression.channels.prune_channels import plan_channels, prune_channels, remove_channels
from compression.quantize import convert
from compression.settings import PruneChannelsSettings, QuantizeSettings
from compression.structure import Keep, kernels

HALF = PruneChannelsSettings(ratio=0.5, epochs=2, batch_size=32, learning_rate=5e-3)


def test_parameters_and_the_raw_file_shrink(build, data):
    model = build("depthwise")
    smaller = remove_channels(model, HALF)
    sizes = [audit(convert(m, QuantizeSettings(mode="float32"), data.train)).size_bytes for m in (model, smaller)]
    saved = 4 * (model.count_params() - smaller.count_params())
    # Weights are four bytes each; names and operators stay.
    assert sizes[0] - sizes[1] == pytest.approx(saved, rel=0.1)
    assert smaller.count_params() < 0.6 * model.count_params()


def test_fine_tuning_goes_on_from_the_smaller_model(trained, data):
    epochs = []
    smaller = prune_channels(trained, data, HALF, on_epoch=lambda *progress: epochs.append(progress[:2]))
    assert epochs == [(1, 2), (2, 2)]
    assert smaller.get_layer("conv").filters == 4
    untrained = remove_channels(trained, HALF)
    assert [weight.shape for weight in untrained.weights] == [weight.shape for weight in smaller.weights]
    assert not np.array_equal(untrained.get_weights()[0], smaller.get_weights()[0])


def test_no_epochs_no_training(trained, data):
    settings = HALF.model_copy(update={"epochs": 0})
    first, second = remove_channels(trained, settings), prune_channels(trained, data, settings)
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_zeros_of_a_step_before_survive_fine_tuning(build, data):
    model = build("residual")
    weights = [weight * (np.arange(weight.size).reshape(weight.shape) % 3 > 0) for weight in model.get_weights()]
    model.set_weights(weights)
    zeros = [kernel.numpy() == 0 for kernel in kernels(remove_channels(model, HALF))]
    assert all(0.2 < found.mean() < 0.5 for found in zeros)
    smaller = prune_channels(model, data, HALF, keep=Keep(zeros=True))
    for kernel, before in zip(kernels(smaller), zeros, strict=True):
        np.testing.assert_array_equal(kernel.numpy() == 0, before)


def test_the_baseline_teaches(build, data):
    model = build("dense")
    taught, alone = (
        prune_channels(
            model,
            data,
            PruneChannelsSettings(ratio=0.5, epochs=1, batch_size=200, teacher=teacher),
            teacher=model,
        ).get_weights()
        for teacher in ("baseline", None)
    )
    assert not np.array_equal(taught[0], alone[0])


@pytest.mark.parametrize("name", ["dense", "one_dimensional"])
def test_a_loaded_model_is_pruned_like_the_one_that_was_saved(name, network_named, random_model, answers, tmp_path):
    model = random_model(network_named(name), 0)
    keras_models.save(model, tmp_path / "model")
    loaded = keras_models.load(tmp_path / "model")
    assert plan_channels(loaded, HALF) == plan_channels(model, HALF)
    smaller = remove_channels(loaded, HALF)
    np.testing.assert_array_equal(answers(smaller), answers(remove_channels(model, HALF)))
    assert isinstance(smaller, keras.Sequential) == isinstance(model, keras.Sequential)


def test_pruned_twice_is_pruned_on():
    x = keras.Input((4,), name="x")
    model = keras.Model(x, keras.layers.Dense(1, name="out")(keras.layers.Dense(8, name="units")(x)))
    once = remove_channels(model, HALF)
    assert remove_channels(once, HALF).get_layer("units").units == 2
