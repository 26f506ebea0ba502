"""A first configuration and model module for a user's data."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.data_shape import DataShape, Feature, image_shape

_FEW = 20_000
_OUTPUTS = {"multiclass": "softmax", "binary": "sigmoid", "regression": "linear"}


@dataclass(frozen=True)
class Starter:
    """What the user said, and what their data look like.

    Attributes:
        name: Of the pipeline, with hyphens.
        path: The data, as the configuration names them.
        shape: What is there.
        task: `multiclass`, `binary` or `regression`.
        label: The feature to predict.
        inputs: The features to predict it from.
    """

    name: str
    path: str
    shape: DataShape
    task: str
    label: str
    inputs: tuple[str, ...]

    @property
    def module(self) -> str:
        """Name of the model module, without its package."""
        return self.name.replace("-", "_")

    def configuration(self, schema: str) -> str:
        """The YAML file; `schema` is where editors find the schema."""
        few = self.shape.examples < _FEW
        splits = f"{{train: {6 if few else 8}, validation: 1, eval: {3 if few else 1}}}   # shares; eval is the gate's"
        if any("{split}" in array for array in self._arrays.values()):
            splits = "{train: {from: train, buckets: 9}, validation: {from: train, buckets: 1}, eval: test}"
        arrays = ", ".join(f'{name}: "{array}"' for name, array in self._arrays.items())
        data = f"  arrays: {{{arrays}}}\n" if self._arrays else ""
        metric = "mae, max_drop_percent: 10" if self.task == "regression" else "accuracy, max_drop: 0.05"
        return f"""{schema and f"# yaml-language-server: $schema={schema}"}
name: {self.name}
seed: 1
data:
  format: {self.shape.format}
  path: "{self.path}"
  label: {self.label}
{data}  splits: {splits}
model: {{module: models.{self.module}, task: {self.task}, hparams: {{width: 16}}}}
train: {{epochs: 30, batch_size: 32, learning_rate: 1e-3, early_stopping_patience: 6}}
variants:   # those that begin alike share nodes
  float16: [quantize: {{mode: float16}}]
  int8: [quantize: {{mode: int8}}]
  pruned_int8: [prune: {{sparsity: 0.6, epochs: 9, end_epoch: 4}}, quantize: {{mode: int8}}]
gate: {{metric: {metric}}}   # against the float model, on eval
select: smallest
runtime: {{workspace: .edge/{self.name}}}
""".lstrip("\n")

    def model(self) -> str:
        """The Python module."""
        images = {name: image_shape(self.shape.features[name]) for name in self.inputs}
        image = images[self.inputs[0]] if len(self.inputs) == 1 else None
        prepare = (
            _prepare_image(self.inputs[0], self.label, image, self.shape.features[self.inputs[0]])
            if image
            else self._prepare_vectors()
        )
        network = _network_of_image(self.inputs[0], image) if image else self._network_of_vectors()
        units = int(self.shape.features[self.label].high) + 1 if self.task == "multiclass" else 1
        return f'''"""{self.name}: what the model reads, and the model."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
{"" if image else "import tensorflow_transform as tft" + chr(10)}from tensorflow import keras


def preprocessing_fn(inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Raw features, a batch at a time -> what the model reads, and the label."""
{prepare}

def build_model(hparams: Mapping[str, Any]) -> keras.Model:
    """A small network; its inputs bear the names of the features above."""
    width = hparams.get("width", 16)
{network}    answer = keras.layers.Dense({units}, activation="{_OUTPUTS[self.task]}", name="answer")(x)
    return keras.Model({"image" if image else "inputs"}, answer)
'''

    @property
    def _arrays(self) -> Mapping[str, str]:
        return {name: self.shape.arrays[name] for name in (*self.inputs, self.label) if name in self.shape.arrays}

    def _sizes(self) -> dict[str, int]:
        sizes = {}
        for name in self.inputs:
            sizes[name] = 1
            for side in self.shape.features[name].shape:
                sizes[name] *= side
        return sizes

    def _prepare_vectors(self) -> str:
        return f"""    features = {{}}
    for name, size in {self._sizes()!r}.items():
        flat = tf.reshape(tf.cast(inputs[name], tf.float32), [-1, size])
        features[name] = tft.scale_to_z_score(flat, elementwise=True)
    return {{**features, "{self.label}": inputs["{self.label}"]}}
""".replace("'", '"')

    def _network_of_vectors(self) -> str:
        return f"""    inputs = [keras.Input((size,), name=name) for name, size in {self._sizes()!r}.items()]
    x = keras.layers.Concatenate(name="all")(inputs) if len(inputs) > 1 else inputs[0]
    x = keras.layers.Dense(4 * width, activation="relu", name="hidden_1")(x)
    x = keras.layers.Dense(2 * width, activation="relu", name="hidden_2")(x)
""".replace("'", '"')


def pipeline_name(path: Path) -> str:
    """A name for a pipeline, from that of the data."""
    return re.sub(r"[^a-z0-9]+", "-", path.resolve().stem.lower()).strip("-0123456789") or "mine"


def _prepare_image(name: str, label: str, image: tuple[int, int, int], feature: Feature) -> str:
    scale = f" / {_brightest(feature):g}" if _brightest(feature) != 1 else ""
    return f"""    image = tf.cast(inputs["{name}"], tf.float32){scale}
    return {{"{name}": tf.reshape(image, [-1, {image[0]}, {image[1]}, {image[2]}]), "{label}": inputs["{label}"]}}
"""


def _brightest(feature: Feature) -> float:
    """What pixels are divided by: 255 for bytes, whatever of them was seen."""
    return 255.0 if feature.whole and feature.high > 127 else max(feature.high, 1.0)


def _network_of_image(name: str, image: tuple[int, int, int]) -> str:
    return f"""    image = x = keras.Input({image}, name="{name}")
    for block in (1, 2):
        x = keras.layers.Conv2D(width * block, 3, padding="same", use_bias=False, name=f"conv_{{block}}")(x)
        x = keras.layers.BatchNormalization(momentum=0.9, name=f"norm_{{block}}")(x)
        x = keras.layers.ReLU(name=f"relu_{{block}}")(x)
        x = keras.layers.MaxPooling2D(name=f"pool_{{block}}")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.Dense(4 * width, activation="relu", name="hidden")(x)
"""
