import numpy as np
import tensorflow as tf
import tf_keras as keras

from compression.structure import Keep, Structure, StructuredAdam, is_shared, kernels

layers = keras.layers


def _one_kernel(values: list[list[float]]) -> keras.Model:
    x = keras.Input((len(values),), name="x")
    model = keras.Model(x, layers.Dense(len(values[0]), name="head")(x))
    model.get_layer("head").set_weights([np.array(values, np.float32), np.zeros(len(values[0]), np.float32)])
    return model


def _kept(model: keras.Model, keep: Keep, gradient: list[list[float]]) -> np.ndarray:
    kernel, bias = model.trainable_variables
    (rewritten, _), (other, _) = Structure(model, keep)([(tf.constant(gradient), kernel), (tf.ones(2), bias)])
    np.testing.assert_array_equal(other, np.ones(2))
    return rewritten.numpy()


def test_zeros_get_no_gradient():
    model = _one_kernel([[0.0, 1.0], [2.0, 0.0]])
    assert _kept(model, Keep(zeros=True), [[1.0, 2.0], [3.0, 4.0]]).tolist() == [[0.0, 2.0], [3.0, 0.0]]


def test_equal_weights_get_the_mean_of_their_gradients():
    model = _one_kernel([[5.0, 1.0], [5.0, 0.0]])
    # (1 + 3) / 2 for the two fives.
    assert _kept(model, Keep(sharing="tensor"), [[1.0, 2.0], [3.0, 4.0]]).tolist() == [[2.0, 2.0], [2.0, 4.0]]
    assert _kept(model, Keep(zeros=True, sharing="tensor"), [[1.0, 2.0], [3.0, 4.0]])[1, 1] == 0.0


def test_a_gradient_that_is_none_stays_none():
    model = _one_kernel([[0.0, 1.0]])
    kernel = model.trainable_variables[0]
    assert Structure(model, Keep(zeros=True))([(None, kernel)]) == [(None, kernel)]


def test_adam_moves_shared_weights_together_and_leaves_zeros():
    model = _one_kernel([[5.0, 1.0], [5.0, 0.0], [1.0, 5.0]])
    optimizer = StructuredAdam(0.1, Structure(model, Keep(zeros=True, sharing="tensor")))
    rng = np.random.default_rng(1)
    for _ in range(20):
        gradients = [tf.constant(rng.normal(size=variable.shape), tf.float32) for variable in model.trainable_variables]
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
    kernel = model.trainable_variables[0].numpy()
    assert kernel[1, 1] == 0.0
    assert kernel[0, 0] == kernel[1, 0] == kernel[2, 1] != 5.0
    assert kernel[0, 1] == kernel[2, 0] != 1.0


def test_kernels_are_those_of_every_kind_of_layer_without_biases_and_normalizations(build):
    names = [variable.name for variable in kernels(build("depthwise"))]
    assert names == ["conv/kernel:0", "depth/depthwise_kernel:0", "point/kernel:0", "digit/kernel:0"]


def test_repeated_zeros_are_no_sharing():
    assert not is_shared(np.array([0.0, 0.0, 1.0, 2.0]))
    assert is_shared(np.array([0.0, 1.0, 1.0]))
