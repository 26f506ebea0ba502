"""What the node of a pretrained model is told and what it looks at before it hands the model on."""

from types import SimpleNamespace

import pytest
import tensorflow as tf
from tensorflow import keras

from components import train
from components.errors import InputError
from components.pretrained import check_features
from components.pretrained_spec import InputSpec, PretrainedSpec, content_sha256


def _model(dtype: str = "float32") -> keras.Model:
    x = keras.Input((4,), name="x", dtype=dtype)
    return keras.Model(x, keras.layers.Dense(1)(tf.cast(x, tf.float32)))


def test_the_hash_is_of_the_content_whatever_it_is_called(tmp_path):
    for name in ("a.keras", "b.keras"):
        (tmp_path / name).write_bytes(b"model")
    assert content_sha256(tmp_path / "a.keras") == content_sha256(tmp_path / "b.keras")
    for name in ("one", "two"):
        (tmp_path / name / "variables").mkdir(parents=True)
        (tmp_path / name / "saved_model.pb").write_bytes(b"graph")
        (tmp_path / name / "variables" / "data").write_bytes(b"weights")
    assert content_sha256(tmp_path / "one") == content_sha256(tmp_path / "two")
    (tmp_path / "two" / "variables" / "data").rename(tmp_path / "two" / "variables" / "index")
    assert content_sha256(tmp_path / "one") != content_sha256(tmp_path / "two")
    (tmp_path / "two" / "variables" / "index").rename(tmp_path / "two" / "variables" / "data")
    (tmp_path / "two" / "variables" / "data").write_bytes(b"others!")
    assert content_sha256(tmp_path / "one") != content_sha256(tmp_path / "two")


def test_a_spec_travels_as_json(tmp_path):
    (tmp_path / "m.keras").write_bytes(b"model")
    spec = PretrainedSpec.of(str(tmp_path / "m.keras"), _model())
    assert spec.inputs == {"x": InputSpec("float32", (4,))}
    assert PretrainedSpec.from_json(spec.to_json()) == spec


def test_features_as_the_model_reads_them_pass():
    check_features(_model(), {"x": tf.io.FixedLenFeature([4], tf.float32), "y": tf.io.VarLenFeature(tf.string)})
    check_features(_model("int32"), {"x": tf.io.FixedLenFeature([4], tf.int64)})


def test_the_trainer_too_refuses_features_of_no_one_size(monkeypatch):
    features = {"image": tf.io.VarLenFeature(tf.float32), "label": tf.io.FixedLenFeature([], tf.int64)}
    transform = SimpleNamespace(transformed_feature_spec=lambda: features)
    monkeypatch.setattr(train.tft, "TFTransformOutput", lambda path: transform)
    config = {"module": "models.digits", "hparams": {}, "task": "multiclass", "label": "label", "seed": 1}
    arguments = SimpleNamespace(custom_config=config, hyperparameters=None, transform_graph_path="", base_model=None)
    with pytest.raises(InputError, match=r"feature image must have a fixed size.*to_tensor\(shape=\[None, LENGTH\]\)"):
        train.run_fn(arguments)


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        (tf.io.VarLenFeature(tf.float32), r"must have a fixed size, because the model reads \[4\].*pad it"),
        (
            tf.io.FixedLenFeature([2, 2], tf.float32),
            r"must have the shape \[4\] that the model reads, got \[2, 2\]; reshape it",
        ),
        (tf.io.FixedLenFeature([4], tf.int64), "must be float32, which the model reads, got int64; cast it"),
        (tf.io.FixedLenFeature([4], tf.string), "must be float32, which the model reads, got string; cast it"),
    ],
)
def test_other_features_are_refused_by_name(feature, message):
    with pytest.raises(InputError, match=f"feature x {message}"):
        check_features(_model(), {"x": feature})
