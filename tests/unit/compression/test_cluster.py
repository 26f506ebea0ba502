import numpy as np
import pytest
import tf_keras as keras

from compression.cluster import cluster, plan_clusters, share_weights
from compression.errors import CompressionError
from compression.settings import ClusterSettings

layers = keras.layers


def test_values_are_the_means_of_their_weights():
    kernel = np.array([[1.0, 1.2], [5.0, 5.4], [-3.0, -3.0]], np.float32)
    shared = share_weights(kernel, 3, scope="tensor", seed=1)
    np.testing.assert_allclose(shared, [[1.1, 1.1], [5.2, 5.2], [-3.0, -3.0]], rtol=1e-6)


def test_zeros_stay_take_one_of_the_values_and_gain_no_company():
    rng = np.random.default_rng(0)
    kernel = rng.normal(scale=1e-3, size=(40, 10)).astype(np.float32)
    kernel[::2] = 0.0
    shared = share_weights(kernel, 4, scope="tensor", seed=1)
    np.testing.assert_array_equal(shared == 0, kernel == 0)
    assert np.unique(shared).size == 4


def test_channels_have_values_of_their_own():
    kernel = np.random.default_rng(0).normal(size=(3, 3, 2, 5)).astype(np.float32)
    shared = share_weights(kernel, 4, scope="channel", seed=1)
    assert [np.unique(shared[..., i]).size for i in range(5)] == [4] * 5
    assert np.unique(shared).size == 20
    assert np.abs(shared - kernel).mean() < np.abs(share_weights(kernel, 4, scope="tensor", seed=1) - kernel).mean()


def test_a_kernel_with_few_values_is_left_as_it_is():
    kernel = np.array([[0.0, 2.0], [3.0, 2.0]], np.float32)
    np.testing.assert_array_equal(share_weights(kernel, 3, scope="tensor", seed=1), kernel)


def test_large_kernels_are_clustered_by_quantiles():
    kernel = np.random.default_rng(0).normal(size=(300, 300)).astype(np.float32)
    shared = share_weights(kernel, 16, scope="tensor", seed=1)
    assert np.unique(shared).size == 16
    # Lloyd-Max for a standard normal with 16 levels has a mean squared error of 0.0095 (Max 1960, table I).
    assert np.mean((shared - kernel) ** 2) < 0.0105


def test_depthwise_kernels_are_left_alone_and_patterns_choose(build):
    model = build("depthwise")
    assert plan_clusters(model, ClusterSettings()) == {"conv": 16, "point": 16, "digit": 16}
    settings = ClusterSettings(clusters=8, layers={"digit": 4}, skip=("conv",))
    assert plan_clusters(model, settings) == {"point": 8, "digit": 4}


def test_training_moves_the_values_and_not_what_shares_them(build, data):
    model = build("dense")
    still = cluster(model, data, ClusterSettings(clusters=4, epochs=0))
    moved = cluster(model, data, ClusterSettings(clusters=4, epochs=1))
    before, after = still.get_layer("hidden").get_weights()[0], moved.get_layer("hidden").get_weights()[0]
    assert not np.array_equal(before, after)
    for value in np.unique(before):
        assert np.unique(after[before == value]).size == 1


def test_recurrent_kernels_are_clustered(images):
    image = keras.Input((8, 8), name="image")
    model = keras.Model(image, layers.Dense(10, activation="softmax", name="digit")(layers.LSTM(6, name="lstm")(image)))
    assert plan_clusters(model, ClusterSettings()) == {"lstm": 16, "digit": 16}


def test_nothing_to_cluster_nested_models_and_misspelt_names_are_refused(build):
    with pytest.raises(CompressionError, match="at least one convolution, dense or recurrent layer"):
        plan_clusters(build("dense"), ClusterSettings(skip=("hidden", "digit")))
    with pytest.raises(CompressionError, match="every entry of `layers` must match a layer, but 'hiden' matches none"):
        plan_clusters(build("dense"), ClusterSettings(layers={"hiden": 4}))
    inner = keras.Sequential([layers.Flatten(input_shape=(8, 8, 1)), layers.Dense(10)], name="inner")
    image = keras.Input((8, 8, 1), name="image")
    with pytest.raises(CompressionError, match="without models inside, got inner"):
        plan_clusters(keras.Model(image, inner(image)), ClusterSettings())
