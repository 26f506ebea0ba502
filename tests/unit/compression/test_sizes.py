"""Sizes by hand, and the table that TensorFlow Lite Micro makes where it is installed."""

import numpy as np
import pytest
import tf_keras as keras

from compression import lut
from compression.audit import audit
from compression.data import Split
from compression.edge import tflite_micro
from compression.flatbuffer import Tensor
from compression.quantize import convert
from compression.settings import QuantizeSettings
from compression.sizes import entropy_bytes
from compression.weight_operands import StoredWeight

needs_tflite_micro = pytest.mark.skipif(
    not tflite_micro.installed(), reason="tflite-micro is absent; make setup EXTRAS=devices installs it"
)


def _stored(values: np.ndarray, channels: int = 0, axis: int = 0, op: str = "FULLY_CONNECTED") -> StoredWeight:
    scales = np.ones(channels, np.float32)
    tensor = Tensor(
        "w", values.dtype.name, values.shape, values, values.nbytes, scales, np.zeros(channels, np.int64), axis
    )
    return StoredWeight(0, 7, tensor, values, op, ("w",))


@pytest.mark.parametrize(
    ("tensors", "expected"),
    [
        ([np.zeros(1000)], 0),
        ([np.tile(np.arange(4), 100)], 100),  # 400 weights of 2 bits
        ([np.tile(np.arange(4), 100), np.tile(np.arange(2), 40)], 110),  # and 80 of one bit
        # 90 % zeros: 0.1 * log2(10) + 0.9 * log2(10 / 9) = 0.4690 bits of each of 10,000 weights.
        ([np.repeat([0, 1], [9000, 1000])], 587),
        ([np.arange(256, dtype=np.uint8)], 256),
        ([], 0),
    ],
)
def test_entropy_by_hand(tensors, expected):
    assert entropy_bytes(tensors) == expected


def test_tables_by_hand():
    shared = np.tile(np.arange(16, dtype=np.int8), 64).reshape(32, 32)
    # 1,024 indices of 4 bits, a header of 16 bytes, 16 values.
    assert lut.table(_stored(shared)) == lut.Table(0, 7, 4, None, 1024 - (512 + 16 + 16))
    # Quantized per channel: 32 tables of as many values save nothing.
    assert lut.table(_stored(shared, channels=32)) is None
    # Depthwise: every channel repeats one value. Indices of one bit, 64 tables of one value.
    wide = np.tile(np.arange(2, dtype=np.int8), 2048).reshape(1, 8, 8, 64)
    assert lut.table(_stored(wide, channels=64, axis=3)) == lut.Table(0, 7, 1, 3, 4096 - (512 + 16 + 64))


def test_what_a_table_cannot_make_smaller_gets_none():
    many = np.arange(4096, dtype=np.int16).reshape(64, 64)
    assert lut.table(_stored(many)) is None
    assert lut.table(_stored(np.arange(8, dtype=np.int8).reshape(2, 4))) is None
    assert lut.table(_stored(np.zeros((64, 64), np.float16))) is None
    assert lut.lut_bytes(b"", [_stored(many)]) == (
        None,
        "no weight tensor gets smaller by a table of at most 128 values",
    )


def test_an_absent_tool_is_said(monkeypatch):
    monkeypatch.setattr(tflite_micro, "installed", lambda: False)
    size, reason = lut.lut_bytes(b"", [_stored(np.zeros((64, 64), np.int8))])
    assert size is None
    assert reason == "tflite-micro is absent; install it with `make setup EXTRAS=devices`"


@pytest.fixture(scope="module")
def shared_weights():
    """A model of 256 x 64 and 64 x 10 weights from 16 values."""
    generator = np.random.default_rng(0)
    x = keras.Input((256,), name="x")
    hidden = keras.layers.Dense(64, activation="relu", name="hidden")(x)
    model = keras.Model(x, keras.layers.Dense(10, name="head")(hidden))
    values = np.linspace(-1, 1, 16, dtype=np.float32)
    model.set_weights([generator.choice(values, weight.shape) for weight in model.get_weights()])
    return model


def _lut_bytes(model: keras.Model, mode: str) -> tuple[int, int | None, str]:
    split = Split.from_arrays(
        {"x": np.random.default_rng(1).uniform(-1, 1, (20, 256)).astype(np.float32)}, np.zeros(20)
    )
    tflite = convert(model, QuantizeSettings(mode=mode), split)
    return len(tflite), *lut.lut_bytes(tflite, [row.stored for row in audit(tflite).weights])


@needs_tflite_micro
def test_the_true_size_with_tables(shared_weights):
    plain, size, reason = _lut_bytes(shared_weights, "int8")
    # Half of 16,384 bytes is saved, less 64 tables of 16 values; the graph grows by the decoder and another tensor with
    # 64 scales and zero points.
    assert reason == ""
    assert plain - 7168 < size < plain - 7168 + 2000
    plain, size, _ = _lut_bytes(shared_weights, "float32")
    assert size < 0.4 * plain


@needs_tflite_micro
def test_a_file_that_tflite_micro_cannot_run_has_no_such_size(shared_weights):
    _, size, reason = _lut_bytes(shared_weights, "dynamic")
    assert size is None
    assert reason.startswith("TensorFlow Lite Micro must run the file, but says: ")
