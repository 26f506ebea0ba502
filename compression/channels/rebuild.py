"""A smaller model of the same form."""

import numpy as np
import tf_keras as keras

from compression.channels.graph import ChannelGraph


def rebuild(model: keras.Model, graph: ChannelGraph, keep: np.ndarray) -> keras.Model:
    """The model without some of its channels.

    Outputs are those of the model in which these channels contribute nothing; a channel that is constant for every
    input goes on contributing, through the biases of those that read it, wherever that is exact.

    Args:
        model: The model; it is not changed.
        graph: What `trace` found in it.
        keep: bool `[slots]`; what stays, all slots that must stay among them.

    Returns:
        A new model with the same layers by name, the same inputs and outputs, not compiled.
    """
    labels = keep[graph.slots]
    shrunk = {row.layer.name: row.rule.shrink(row.call, row.output, labels) for row in graph.layers}

    def smaller(layer: keras.layers.Layer) -> keras.layers.Layer:
        changes = shrunk[layer.name].config if layer.name in shrunk else {}
        return type(layer).from_config({**layer.get_config(), **changes})

    twin = keras.models.clone_model(model, clone_function=smaller)
    for layer in model.layers:
        weights = shrunk[layer.name].weights if layer.name in shrunk else layer.get_weights()
        twin.get_layer(layer.name).set_weights(weights)
    return twin
