import numpy as np
import pytest
import tf_keras as keras

from compression.errors import CompressionError
from compression.prune import StepSchedule, plan_sparsity, prunable_layers, prune, step_schedule
from compression.settings import PruneSettings
from compression.sparsity import lamp

layers = keras.layers


def _zeros(model: keras.Model, layer: str) -> int:
    return int(np.sum(model.get_layer(layer).get_weights()[0] == 0))


@pytest.mark.parametrize(
    ("settings", "steps", "expected"),
    [
        # 6 epochs end at 4; 4 epochs of 10 steps, an update every 10 / 10 steps.
        ({"epochs": 6}, 10, StepSchedule(0, 40, 1)),
        # An update every 7 // 2 = 3 steps from 14 to 28: 14 = 4 * 3 + 2, so it begins 2 steps later.
        ({"epochs": 6, "begin_epoch": 2.0, "updates_per_epoch": 2}, 7, StepSchedule(16, 28, 3)),
        # One step in all.
        ({"epochs": 1, "end_epoch": 1.0}, 1, StepSchedule(0, 1, 1)),
        # Less than half a step: the first step ends the schedule.
        ({"epochs": 1, "end_epoch": 0.01}, 3, StepSchedule(0, 1, 1)),
        # The whole schedule is shorter than the update period.
        ({"epochs": 2, "begin_epoch": 1.0, "end_epoch": 1.1, "updates_per_epoch": 1}, 20, StepSchedule(20, 22, 2)),
    ],
)
def test_epochs_become_steps_and_the_end_is_an_update(settings, steps, expected):
    schedule = step_schedule(PruneSettings(sparsity=0.5, **settings), steps)
    assert schedule == expected
    assert (schedule.end - schedule.begin) % schedule.frequency == 0


def test_kernels_are_pruned_and_nothing_else(build):
    assert prunable_layers(build("depthwise")) == ["conv", "point", "digit"]
    assert prunable_layers(build("conv_bn_relu"), ("d*",)) == ["conv"]


def test_a_misspelt_skip_is_refused_with_the_near_names(build):
    with pytest.raises(CompressionError, match="'hiden' matches none; use one of: hidden"):
        prunable_layers(build("dense"), ("hiden",))


def test_nothing_to_prune_is_refused(build, data):
    with pytest.raises(CompressionError, match="at least one convolution or dense layer"):
        prune(build("dense"), data, PruneSettings(sparsity=0.5, skip=("hidden", "digit")))


def test_nested_models_are_refused_by_name(build, data):
    image = keras.Input((8, 8, 1), name="image")
    with pytest.raises(CompressionError, match="without models inside, got inner"):
        inner = keras.Sequential([layers.Flatten(input_shape=(8, 8, 1)), layers.Dense(10)], name="inner")
        prune(keras.Model(image, inner(image)), data, PruneSettings(sparsity=0.5))


def test_skipped_layers_stay_dense_and_a_late_schedule_still_ends_at_its_target(build, data):
    settings = PruneSettings(sparsity=0.9, epochs=1, begin_epoch=0.5, end_epoch=1.0, batch_size=64, skip=("digit",))
    pruned = prune(build("dense"), data, settings)
    # 64 x 16 weights: 1024 - round(1024 * 0.1) zeros.
    assert _zeros(pruned, "hidden") == 1024 - 102
    assert _zeros(pruned, "digit") == 0


def test_a_shared_layer_stays_one_layer_and_reaches_its_target_at_the_planned_step(build, data):
    epochs = []
    settings = PruneSettings(sparsity=0.75, epochs=2, end_epoch=2.0, batch_size=100, updates_per_epoch=2)
    pruned = prune(build("shared"), data, settings, on_epoch=lambda *progress: epochs.append(progress[0]))
    assert [layer.name for layer in pruned.layers] == [layer.name for layer in build("shared").layers]
    assert _zeros(pruned, "tied") == 576 * 3 // 4
    assert _zeros(pruned, "conv") == 72 * 3 // 4
    assert epochs == [1, 2]


def test_layers_get_targets_of_their_own(build, data):
    settings = PruneSettings(sparsity=0.5, layers={"dig*": 0.75}, epochs=1, end_epoch=1.0, batch_size=64)
    assert plan_sparsity(build("dense"), settings) == {"hidden": 0.5, "digit": 0.75}
    pruned = prune(build("dense"), data, settings)
    assert (_zeros(pruned, "hidden"), _zeros(pruned, "digit")) == (512, 120)


def test_lamp_takes_more_from_the_layer_that_matters_less():
    # Scores of `flat`: 1/4, 1/3, 1/2, 1; of `steep` nearly 0 but for the last, 1. Five of eight weights go:
    # the three small ones of `steep`, then 1/4 and 1/3.
    kernels = {"flat": np.ones(4), "steep": np.array([0.01, 0.02, 0.03, 9.0])}
    assert lamp(kernels, 5 / 8) == {"flat": 0.5, "steep": 0.75}
    assert lamp(kernels, 1 / 100) == {"flat": 0.0, "steep": 0.0}


def test_lamp_reaches_the_sparsity_over_all_kernels(build, data):
    settings = PruneSettings(sparsity=0.6, distribution="lamp", epochs=1, end_epoch=1.0, batch_size=64)
    pruned = prune(build("conv_bn_relu"), data, settings)
    kernels = [weight for weight in pruned.get_weights() if weight.ndim > 1]
    share = sum(np.sum(kernel == 0) for kernel in kernels) / sum(kernel.size for kernel in kernels)
    assert share == pytest.approx(0.6, abs=0.002)
    assert len({np.mean(kernel == 0).round(2) for kernel in kernels}) == 2


def test_two_of_every_four_input_channels_are_zero(build, data):
    pruned = prune(build("residual"), data, PruneSettings(m_by_n=(2, 4), epochs=1, batch_size=64))
    # [height, width, input channels, output channels]
    zeros = (pruned.get_layer("branch").get_weights()[0] == 0).reshape(3, 3, 2, 4, 8).sum(axis=3)
    assert np.all(zeros == 2)
    digit = (pruned.get_layer("digit").get_weights()[0] == 0).reshape(-1, 4, 10).sum(axis=1)
    assert np.all(digit == 2)


def test_blocks_of_dense_layers_are_zero_together(build, data):
    settings = PruneSettings(sparsity=0.5, block_size=(4, 2), epochs=1, end_epoch=1.0, batch_size=64)
    hidden = prune(build("dense"), data, settings).get_layer("hidden").get_weights()[0]
    zeros = (hidden == 0).reshape(16, 4, 8, 2).sum(axis=(1, 3))
    assert set(np.unique(zeros)) == {0, 8}
    assert np.mean(zeros == 8) == 0.5


def test_blocks_are_refused_for_convolutions_by_name(build):
    with pytest.raises(CompressionError, match="block_size needs kernels of 2 dimensions, but conv have others"):
        plan_sparsity(build("conv_bn_relu"), PruneSettings(sparsity=0.5, block_size=(4, 1)))


def test_a_teacher_changes_what_is_learned(build, data, trained):
    plain = {"sparsity": 0.5, "epochs": 1, "end_epoch": 1.0, "batch_size": 64}
    alone = prune(build("dense"), data, PruneSettings(**plain))
    settings = PruneSettings(**plain, teacher="baseline", alpha=1.0)
    taught = prune(build("dense"), data, settings, teacher=trained)
    assert _zeros(taught, "hidden") == _zeros(alone, "hidden") == 512
    assert not np.array_equal(alone.get_weights()[0], taught.get_weights()[0])
