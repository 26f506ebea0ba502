"""A signature of a SavedModel as one Keras layer, so that models without Keras metadata go where Keras models go."""

import base64
import zlib
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras as keras
from tensorflow.python.eager import context


@keras.saving.register_keras_serializable("tfx_edge")
class SavedModelLayer(keras.layers.Layer):  # type: ignore[misc]
    """Computes what a signature computes.

    The signature's graph is part of the layer's configuration, and its variables are the layer's weights. So the layer
    needs the original folder no longer: it is saved, loaded and copied like any other. What is inside is no Keras
    layer, so nothing can be pruned or trained.

    Args:
        graph: A serialized `GraphDef`, packed by `pack_graph`.
        inputs: Names of the graph's placeholders that take the layer's inputs, in order.
        variables: `[placeholder, shape, dtype]` of every variable; the placeholder takes its handle.
        output: Name of the tensor that is the layer's output.
        output_shape: Its shape; `None` for the batch.
        activation: The operator that makes the output, by Keras's name when it has one (`softmax`).
        **options: Of every Keras layer.
    """

    def __init__(
        self,
        graph: str,
        inputs: Sequence[str],
        variables: Sequence[Sequence[Any]],
        output: str,
        output_shape: Sequence[int | None],
        activation: str,
        **options: object,
    ) -> None:
        super().__init__(**{"trainable": False, **options})
        self.activation = activation
        self._settings: dict[str, Any] = {
            "graph": graph,
            "inputs": list(inputs),
            "variables": [list(variable) for variable in variables],
            "output": output,
            "output_shape": list(output_shape),
            "activation": activation,
        }
        self._graph_def = tf.compat.v1.GraphDef.FromString(zlib.decompress(base64.b64decode(graph)))
        _make_known(self._graph_def)
        # A graph can be imported into a graph alone, and Keras calls layers eagerly too.
        self._computed = tf.function(self._import, autograph=False)

    def build(self, input_shape: object) -> None:
        """Makes the variables, all zero; `set_weights` fills them."""
        self._handles = {
            placeholder: self.add_weight(
                placeholder, shape=shape, dtype=dtype, initializer="zeros", trainable=False, experimental_autocast=False
            )
            for placeholder, shape, dtype in self._settings["variables"]
        }
        super().build(input_shape)

    def call(self, inputs: tf.Tensor | list[tf.Tensor]) -> tf.Tensor:
        """The signature's output for one tensor, or a list of tensors, `[batch, ...]` each."""
        return self._computed(tf.nest.flatten(inputs))

    def get_config(self) -> dict[str, Any]:
        """Everything but the weights, as JSON values."""
        return {**super().get_config(), **self._settings}

    def _import(self, tensors: list[tf.Tensor]) -> tf.Tensor:
        given = dict(zip(self._settings["inputs"], tensors, strict=True))
        # The import takes tensors of the graph that is being made alone.
        capture = tf.compat.v1.get_default_graph().capture
        given |= {placeholder: capture(variable.handle) for placeholder, variable in self._handles.items()}
        (output,) = tf.graph_util.import_graph_def(
            self._graph_def, input_map=given, return_elements=[self._settings["output"]], name=""
        )
        output.set_shape(self._settings["output_shape"])
        return output


def _make_known(graph: tf.compat.v1.GraphDef) -> None:
    """Registers the functions that the graph calls: importing a graph does so for TensorFlow 1 alone."""
    for function in graph.library.function:
        if not context.context().has_function(function.signature.name):
            context.context().add_function_def(function)


def pack_graph(graph: tf.compat.v1.GraphDef) -> str:
    """A graph as text that a JSON configuration can hold; equal graphs give equal text."""
    return base64.b64encode(zlib.compress(graph.SerializeToString(deterministic=True), level=9)).decode()
