import gzip
import json

import numpy as np
import pytest
import tf_keras as keras

from compression.audit import audit
from compression.data import Split
from compression.errors import CompressionError
from compression.quantize import convert
from compression.settings import QuantizeSettings

KERNEL = np.array([[0.0, 1.0], [2.0, 0.0], [0.0, 0.0], [-2.0, 0.5]], np.float32)


@pytest.fixture(scope="module")
def small() -> tuple[keras.Model, Split]:
    x = keras.Input((4,), name="x")
    model = keras.Model(x, keras.layers.Dense(2, use_bias=False, name="head")(x))
    model.set_weights([KERNEL])
    values = np.random.default_rng(0).uniform(-1, 1, (32, 4)).astype(np.float32)
    return model, Split.from_arrays({"x": values}, np.zeros(32))


@pytest.mark.parametrize(
    ("mode", "dtype", "io"),
    [("float32", "float32", "float32"), ("float16", "float16", "float32"), ("int8_io", "int8", "int8")],
)
def test_zeros_and_distinct_values_are_counted_as_stored(small, mode, dtype, io):
    tflite = convert(small[0], QuantizeSettings(mode=mode), small[1])
    found = audit(tflite)
    assert found.size_bytes == len(tflite)
    assert found.gzip_bytes == len(gzip.compress(tflite, 9, mtime=0))
    # Four of eight are zero. Float: 0, 1, 2, -2, 0.5. int8, one scale per output: 0, 127, -127 and 0, 127, 64.
    assert found.sparsity == 0.5
    assert found.distinct_weights == (4 if dtype == "int8" else 5)
    (row,) = found.weights
    assert (row.op, row.dtype, row.shape, row.sparsity) == ("FULLY_CONNECTED", dtype, (2, 4), 0.5)
    assert (found.input_dtypes, found.output_dtypes) == ((io,), (io,))
    assert found.float_operators == found.custom_operators == ()
    assert json.loads(json.dumps(found.to_dict()))["weights"][0]["sparsity"] == 0.5


def test_conversions_at_the_edges_are_no_float_islands(small):
    found = audit(convert(small[0], QuantizeSettings(mode="int8"), small[1]))
    assert found.operators == {"DEQUANTIZE": 1, "FULLY_CONNECTED": 1, "QUANTIZE": 1}
    assert found.float_operators == ()


def test_a_float_operator_between_integer_ones_is_an_island(small):
    x = keras.Input((4,), name="x")
    # TFLite has no integer ROUND.
    hidden = keras.layers.Lambda(keras.backend.round)(keras.layers.Dense(4, name="first")(x))
    model = keras.Model(x, keras.layers.Dense(2, name="last")(hidden))
    found = audit(convert(model, QuantizeSettings(mode="int8"), small[1]))
    assert [name.split(":")[0] for name in found.float_operators] == ["ROUND"]


def test_a_pruned_file_is_smaller_only_after_gzip(data, trained, copy_of):
    model = copy_of(trained)
    kernel, bias = model.get_layer("digit").get_weights()
    sparse = np.where(np.abs(kernel) < np.quantile(np.abs(kernel), 0.8), 0, kernel)
    dense_file = audit(convert(model, QuantizeSettings(mode="int8"), data.train))
    model.get_layer("digit").set_weights([sparse, bias])
    sparse_file = audit(convert(model, QuantizeSettings(mode="int8"), data.train))
    assert sparse_file.sparsity > 0.75
    assert abs(sparse_file.size_bytes - dense_file.size_bytes) <= 16
    assert sparse_file.gzip_bytes < 0.8 * dense_file.gzip_bytes


def test_bytes_that_are_no_model_are_refused():
    with pytest.raises(CompressionError, match="mark TFL3"):
        audit(b"certainly not a model")
