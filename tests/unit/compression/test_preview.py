"""What steps and conversions would do to an untrained model, held against what they do."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from compression import keras_models
from compression.audit import audit
from compression.errors import CompressionError
from compression.kernels import kernels
from compression.pretrained import load_pretrained
from compression.preview import steps
from compression.preview.advice import advise_operators, advise_refused, advise_step
from compression.preview.conversion import preview_conversion
from compression.preview.samples import EXAMPLES, RandomData
from compression.quantize import convert
from compression.settings import (
    ClusterSettings,
    DistillSettings,
    PruneChannelsSettings,
    PruneSettings,
    QatSettings,
    QuantizeSettings,
)
from pipeline.steps import STEPS

pytestmark = pytest.mark.methods

layers = keras.layers


def never(settings):
    raise AssertionError("no student is asked for")


def test_every_training_step_has_a_preview():
    assert {kind: row.preview for kind, row in STEPS.items() if kind != "quantize"} == {
        kind: f"compression.preview.steps.{kind}" for kind in STEPS if kind != "quantize"
    }
    assert all(callable(getattr(steps, kind)) for kind in STEPS if kind != "quantize")


def test_prune_tells_the_zeros_of_each_layer_and_what_stays_dense(build):
    settings = PruneSettings(sparsity=0.5, layers={"point": 0.75}, skip=("digit",))
    preview = steps.prune(build("depthwise"), settings, never)
    assert preview.takes == {"conv": "50% zeros", "point": "75% zeros"}
    assert preview.leaves == {"depth": "DepthwiseConv2D stays dense", "digit": "skipped"}
    shares = {kernel.layer: np.mean(kernel.values == 0) for kernel in kernels(preview.after())}
    assert shares == {"conv": 0.5, "depth": 0, "point": 0.75, "digit": 0}


def test_prune_reaches_both_kernels_of_a_recurrent_layer(build):
    after = steps.prune(build("lstm"), PruneSettings(sparsity=0.5), never).after()
    assert {kernel.weight: np.mean(kernel.values == 0) for kernel in kernels(after) if kernel.layer == "lstm"} == {
        "kernel": 0.5,
        "recurrent_kernel": 0.5,
    }


def test_the_smallest_weights_become_zeros():
    np.testing.assert_array_equal(
        steps.without_smallest(np.array([[3.0, -1.0], [0.5, -4.0]]), 0.5), [[3.0, 0.0], [0.0, -4.0]]
    )


def test_cluster_tells_the_values_of_each_layer(build):
    preview = steps.cluster(build("depthwise"), ClusterSettings(clusters=4), never)
    assert preview.takes == dict.fromkeys(("conv", "point", "digit"), "4 values")
    assert preview.leaves == {"depth": "DepthwiseConv2D keeps its own weights"}
    counts = {kernel.layer: np.unique(kernel.values).size for kernel in kernels(preview.after())}
    assert counts == {"conv": 4, "depth": 72, "point": 4, "digit": 4}


def test_prune_channels_tells_what_leaves_and_later_steps_see_what_is_left(build):
    preview = steps.prune_channels(build("residual"), PruneChannelsSettings(ratio=0.5), never)
    assert preview.takes == {"conv": "4 of 8 channels", "branch": "4 of 8 channels"}
    assert preview.leaves == {"digit": "the model's output"}
    assert preview.network.get_layer("conv").filters == 4


def test_qat_tells_every_layer_that_stays_float_and_why(build):
    preview = steps.qat(build("conv1d"), QatSettings(unsupported_layers="float", skip=("digit",)), never)
    assert preview.takes == dict.fromkeys(("rows", "relu", "flat"), "8 bits")
    assert preview.leaves == {
        "conv": "Conv1D: not supported by tfmot",
        "norm": "BatchNormalization: folds only into a Conv2D, DepthwiseConv2D, SeparableConv or Dense directly before "
        "it",
        "pool": "MaxPooling1D: not supported by tfmot",
        "digit": "skipped",
    }
    assert preview.left_float == ("conv", "norm", "pool", "digit")
    advice = advise_step("qat", preview.network, preview.leaves)
    assert [line.split(" ")[1] for line in advice] == ["Conv1D", "every", "MaxPooling1D"]
    assert advise_refused("qat", build("conv1d")) == advice
    assert advise_refused("qat", build("shared")) == ()


def test_distill_makes_the_students_network_the_one_that_later_steps_see(build):
    student = build("dense")
    preview = steps.distill(build("residual"), DistillSettings(), lambda settings: student)
    assert preview.network is student
    assert preview.takes == {"hidden": "new weights", "digit": "new weights"}
    same = steps.distill(build("residual"), DistillSettings(student="same"), never)
    assert list(same.takes) == ["conv", "branch", "digit"]


def test_random_examples_fit_every_kind_of_input():
    words, x = keras.Input((5,), dtype="int32", name="words"), keras.Input((3,), name="x")
    joined = layers.Concatenate()([layers.Flatten()(layers.Embedding(7, 2)(words)), x])
    model = keras.Model([words, x], layers.Dense(1)(joined))
    data = RandomData.for_model(model, "binary")(model.input_names)
    features, label = data.train.take_arrays(100)
    assert (features["words"].shape, features["words"].dtype) == ((EXAMPLES, 5), np.int32)
    assert set(np.unique(features["words"])) == set(range(7))
    assert features["x"].dtype == np.float32
    assert label.shape == (EXAMPLES, 1)
    again = RandomData.for_model(model, "binary")(["x", "words"])
    assert again.train.take_arrays(1)[0]["x"].shape == (1, 3)


def test_a_conversion_is_really_done(build, data):
    model = build("conv_bn_relu")
    pruned = steps.prune(model, PruneSettings(sparsity=0.9), never).after()
    settings = QuantizeSettings(mode="int8")
    seen, pruned_seen = (preview_conversion(each, settings, "multiclass") for each in (model, pruned))
    real = audit(convert(model, settings, data.train))
    assert seen.size_bytes == pytest.approx(real.size_bytes, rel=0.01)
    assert seen.gzip_bytes == pytest.approx(real.gzip_bytes, rel=0.1)
    assert pruned_seen.size_bytes == seen.size_bytes
    assert pruned_seen.gzip_bytes < 0.8 * seen.gzip_bytes
    assert seen.takes == dict.fromkeys(("conv", "pool", "flat", "digit"), "int8")
    assert (seen.leaves, seen.missing_operators, seen.faults) == ({}, (), ())


def test_missing_operators_and_float_layers_are_named_with_their_layers():
    image = keras.Input((8, 8, 1), name="image")
    x = layers.Conv2D(4, 3, activation="elu", name="bend")(image)
    x = layers.Conv2D(4, 3, name="conv")(x)
    model = keras.Model(image, layers.Dense(10, activation="softmax", name="digit")(layers.Flatten(name="flat")(x)))
    seen = preview_conversion(model, QuantizeSettings(mode="int8"), "multiclass")
    assert seen.leaves == {"bend": "ELU in float32"}
    assert seen.faults == ()
    strange = keras.Model(image, layers.Dense(1, name="y")(layers.Flatten(name="flat")(tf.math.digamma(x))))
    seen = preview_conversion(strange, QuantizeSettings(mode="int8"), "regression")
    assert seen.size_bytes is None
    assert seen.missing_operators == ("Digamma",)
    assert seen.faults == ("TFLite must have every operator, but lacks Digamma (tf.math.digamma)",)
    assert advise_operators(seen.missing_operators)[0].startswith("replace the layers that need Digamma")


def test_a_promise_that_the_file_would_break_is_a_fault_before_training(build):
    preview = steps.qat(build("dense"), QatSettings(skip=("digit",)), never)
    aware, settings = preview.after(), QuantizeSettings(mode="int8")
    (fault,) = preview_conversion(aware, settings, "multiclass").faults
    assert fault.startswith("layer digit: promised weights in int8")
    told = [{"step": "qat", "promises": [], "left_float": list(preview.left_float)}]
    assert preview_conversion(aware, settings, "multiclass", told).faults == ()


def test_a_saved_model_without_keras_layers_is_refused_by_every_training_step(build, tmp_path):
    module = tf.Module()
    module.kept = build("dense")
    tf.saved_model.save(
        module, str(tmp_path), signatures={"serving_default": keras_models.serving_function(module.kept)}
    )
    model = load_pretrained(tmp_path)
    chosen = {
        "distill": DistillSettings(student="same"),
        "prune": PruneSettings(sparsity=0.5),
        "prune_channels": PruneChannelsSettings(ratio=0.5),
        "cluster": ClusterSettings(),
        "qat": QatSettings(),
    }
    assert chosen.keys() == STEPS.keys() - {"quantize"}
    for kind, settings in chosen.items():
        with pytest.raises(CompressionError, match=f"^{kind}.* needs a model of Keras layers, got a SavedModel"):
            getattr(steps, kind)(model, settings, never)
