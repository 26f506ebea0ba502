"""Golden pairs: a round trip, and nothing that changes goes unseen."""

import numpy as np
import pytest

from compression.edge.golden import COUNT, Golden, golden, verify_golden
from compression.errors import CompressionError

STRIDE = 5
"""Of the bytes that are flipped one after the other; 1 tries them all in some seconds."""


@pytest.fixture(scope="module")
def pairs(tools, samples, tmp_path_factory):
    folder = tmp_path_factory.mktemp("golden")
    found = {}
    for name, content in {"int8": tools.dense_int8(), "float": tools.dense(0.5)}.items():
        model = folder / f"{name}.tflite"
        model.write_bytes(content)
        found[name] = (model, golden(model, samples))
    return found


def test_ten_pairs_in_the_models_own_types(pairs, samples):
    _, exact = pairs["int8"]
    assert exact.inputs["t0"].shape == (COUNT, 4)
    assert exact.outputs["t3"].shape == (COUNT, 3)
    assert (exact.inputs["t0"].dtype, exact.outputs["t3"].dtype) == (np.int8, np.int8)
    # Weights 2 of scale 0.1, inputs of scale 0.1: the sum of four inputs times 0.2, in steps of 0.1.
    sums = exact.inputs["t0"].astype(int).sum(axis=1) * 0.2
    np.testing.assert_allclose(exact.outputs["t3"][:, 0], sums, atol=0.5)
    _, real = pairs["float"]
    np.testing.assert_allclose(real.outputs["t3"][:, 0], samples["t0"][:COUNT].sum(axis=1) * 0.5, atol=1e-6)


@pytest.mark.parametrize("name", ["int8", "float"])
def test_round_trip(pairs, tmp_path, name):
    model, made = pairs[name]
    path = tmp_path / "golden.npz"
    made.save(path)
    loaded = Golden.load(path)
    for before, after in ((made.inputs, loaded.inputs), (made.outputs, loaded.outputs)):
        assert {port: values.tobytes() for port, values in before.items()} == {
            port: values.tobytes() for port, values in after.items()
        }
    made.save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()
    assert verify_golden(model, path) == []


def test_one_changed_weight_is_seen(pairs, tools, write):
    _, made = pairs["int8"]
    # The smallest change there is: one step of one weight of twelve.
    faults = verify_golden(write(tools.dense_int8(first=3)), made)
    assert len(faults) == 1
    assert "exactly" in faults[0]
    assert "golden examples give something else" in faults[0]


def test_a_float_answer_may_differ_by_rounding_only(pairs, tools, write):
    _, made = pairs["float"]
    assert verify_golden(write(tools.dense(0.5 * (1 + 1e-6))), made) == []
    assert "within" in verify_golden(write(tools.dense(0.5 * 1.01)), made)[0]
    assert verify_golden(write(tools.dense(np.nan)), made) != []


def test_one_flipped_byte_of_the_file_is_seen_or_changes_nothing(pairs, tmp_path):
    _, made = pairs["int8"]
    path = tmp_path / "golden.npz"
    made.save(path)
    content = path.read_bytes()
    seen = 0
    for position in range(0, len(content), STRIDE):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0x10]) + content[position + 1 :])
        try:
            loaded = Golden.load(path)
        except CompressionError:
            seen += 1
            continue
        # Dates and attributes of the archive carry nothing.
        assert loaded.kernels == made.kernels
        assert {n: v.tobytes() for n, v in loaded.outputs.items()} == {n: v.tobytes() for n, v in made.outputs.items()}
        assert {n: v.tobytes() for n, v in loaded.inputs.items()} == {n: v.tobytes() for n, v in made.inputs.items()}
    assert seen > len(content) // STRIDE // 2


def test_a_flipped_bit_of_an_answer_is_seen(pairs):
    model, made = pairs["int8"]
    outputs = {name: values.copy() for name, values in made.outputs.items()}
    outputs["t3"][7, 1] ^= 1
    assert "1 of 10" in verify_golden(model, Golden(made.inputs, outputs, made.kernels, made.litert))[0]


def test_another_model_is_named_as_such(pairs, tmp_path):
    model, _ = pairs["float"]
    _, exact = pairs["int8"]
    assert "must be float32, got int8" in verify_golden(model, exact)[0]
    assert "must hold golden pairs" in verify_golden(model, tmp_path / "absent.npz")[0]


def test_a_model_that_crashes_gives_a_fault_and_no_pairs(pairs, tools, write, samples):
    path = write(tools.bottomless())
    assert "SIGSEGV" in verify_golden(path, pairs["float"][1])[0]
    with pytest.raises(CompressionError, match="SIGSEGV"):
        golden(path, samples)
