"""The table of layers from which channels can be taken."""

import numpy as np
import tf_keras as keras

from compression.channels.kernel_rules import BatchNorm, Depthwise, Mixing, Separable
from compression.channels.rule import Rule
from compression.channels.weightless_rules import (
    Activated,
    Concatenate,
    Elementwise,
    Flatten,
    Merge,
    Padding,
    Reshape,
    product,
)

layers = keras.layers

# Exact classes: a Conv2DTranspose is a Conv2D in Keras, but its kernel has its axes the other way round.
RULES: dict[type, Rule] = {
    layers.Dense: Mixing("units"),
    layers.Conv1D: Mixing("filters"),
    layers.Conv2D: Mixing("filters"),
    layers.SeparableConv1D: Separable("filters"),
    layers.SeparableConv2D: Separable("filters"),
    layers.DepthwiseConv1D: Depthwise(),
    layers.DepthwiseConv2D: Depthwise(),
    layers.BatchNormalization: BatchNorm(),
    **dict.fromkeys((layers.ReLU, layers.LeakyReLU, layers.ELU, layers.ThresholdedReLU), Elementwise()),
    layers.Activation: Activated(lambda layer: layer.activation),
    layers.Softmax: Activated(lambda layer: keras.activations.softmax),
    layers.Add: Merge(lambda terms: terms.sum(axis=0)),
    layers.Subtract: Merge(lambda terms: terms[0] - terms[1]),
    layers.Average: Merge(lambda terms: terms.mean(axis=0)),
    layers.Maximum: Merge(lambda terms: np.max(terms, axis=0)),
    layers.Minimum: Merge(lambda terms: np.min(terms, axis=0)),
    layers.Multiply: Merge(product),
    layers.Concatenate: Concatenate(),
    layers.Flatten: Flatten(),
    layers.Reshape: Reshape(),
    **dict.fromkeys((layers.ZeroPadding1D, layers.ZeroPadding2D), Padding()),
    **dict.fromkeys(
        (
            *(layers.MaxPooling1D, layers.MaxPooling2D, layers.AveragePooling1D, layers.AveragePooling2D),
            *(layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D),
            *(layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D),
            *(layers.UpSampling1D, layers.UpSampling2D, layers.Cropping1D, layers.Cropping2D),
            *(layers.Dropout, layers.SpatialDropout1D, layers.SpatialDropout2D),
            *(layers.GaussianDropout, layers.GaussianNoise),
        ),
        Rule(),
    ),
}  # fmt: skip
"""Layer class -> what it does with channels."""
