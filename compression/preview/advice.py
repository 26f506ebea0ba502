"""What may be done about each obstacle that a preview finds."""

from collections.abc import Iterable, Mapping

import tf_keras as keras

from compression import keras_models
from compression.qat_layers import unsupported_layers

_QAT: dict[str, str] = {
    "Conv1D": "write Conv1D as Conv2D over an image of height 1, which qat trains; or quantize after training, which "
    "takes Conv1D",
    "MaxPooling1D": "write MaxPooling1D as MaxPooling2D over an image of height 1",
    "AveragePooling1D": "write AveragePooling1D as AveragePooling2D over an image of height 1",
    "LSTM": "quantize after training, which takes LSTM layers in int8",
    "GRU": "quantize after training, which takes GRU layers in int8, written out step by step",
    "SimpleRNN": "quantize after training, which takes recurrent layers in int8, written out step by step",
    "Bidirectional": "quantize after training, which takes recurrent layers in int8, written out step by step",
    "Embedding": "quantize after training, which stores an Embedding in int8",
    "BatchNormalization": "put every BatchNormalization directly behind a convolution or dense layer that has no "
    "activation and no other reader",
    "LeakyReLU": "use ReLU, which qat trains",
    "PReLU": "use ReLU, which qat trains",
    "ELU": "use ReLU, which qat trains",
    "Rescaling": "scale in preprocessing_fn instead of a Rescaling layer",
    "Normalization": "normalize in preprocessing_fn instead of a Normalization layer",
}
"""Class of a layer that qat leaves float -> what to do; the converter stores some of them in int8 nevertheless."""

_DENSE_LAYERS: dict[str, str] = {
    "DepthwiseConv2D": "prune_channels, which makes depthwise layers smaller; few of all weights are depthwise",
    "Bidirectional": "use two recurrent layers, one with go_backwards=True: their weights are found, those inside "
    "Bidirectional are not",
}
"""Class of a layer that prune leaves dense -> what to do."""

_OPERATORS: dict[str, str] = {
    "Erf": "use gelu(approximate=True), which needs no Erf",
    "TensorListReserve": "unroll recurrent layers (unroll=True) before the model is saved as a SavedModel",
    "StringToHashBucketFast": "look words up in preprocessing_fn",
    "UpperBound": "compare with quantiles instead of tft.bucketize",
}
"""Operator that TFLite lacks -> what to do."""


def advise_step(kind: str, model: keras.Model, leaves: Mapping[str, str]) -> tuple[str, ...]:
    """What may be done about the layers that a training step leaves as they are.

    Args:
        kind: `prune`, `qat`, ...
        model: The model that the step sees.
        leaves: Why it leaves each layer; skipped layers were left on purpose.
    """
    table = {"qat": _QAT, "prune": _DENSE_LAYERS}.get(kind, {})
    classes = [type(model.get_layer(name)).__name__ for name, why in leaves.items() if why != "skipped"]
    return tuple(dict.fromkeys(table[name] for name in classes if name in table))


def advise_refused(kind: str, model: keras.Model) -> tuple[str, ...]:
    """What may be done about the layers for which a training step refuses a model."""
    untraceable = (
        keras_models.is_opaque(model) or keras_models.nested_models(model) or keras_models.shared_layers(model)
    )
    return () if kind != "qat" or untraceable else advise_step(kind, model, unsupported_layers(model))


def advise_operators(missing: Iterable[str]) -> tuple[str, ...]:
    """What may be done about operators that TFLite lacks."""
    general = "replace the layers that need {}, or compute that part in preprocessing_fn: LiteRT alone cannot"
    return tuple(_OPERATORS.get(name, general.format(name)) for name in missing)
