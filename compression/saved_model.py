"""SavedModels without Keras metadata: which signature is taken, what it must be like, and its graph as a layer."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from compression.errors import CompressionError
from compression.saved_model_layer import SavedModelLayer, pack_graph

SIGNATURE = "serving_default"

_KERAS_NAMES = {"Softmax": "softmax", "Sigmoid": "sigmoid"}
_CHANGES_NO_VALUE = frozenset({"Identity", "Reshape", "Squeeze", "Cast"})
_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
_REFERENCE_VARIABLES = frozenset({"Variable", "VariableV2"})

Function = Any
"""What a SavedModel's signatures are: TensorFlow has no public name for it."""


def load_signature(folder: Path) -> keras.Model:
    """A Functional model of one `SavedModelLayer`, whose inputs and output bear the names of the signature's.

    The signature is `serving_default`, or else the only one that there is. Inputs are in the order of their names.

    Args:
        folder: A SavedModel.

    Raises:
        CompressionError: It cannot be read, or has no signature that can become a model: one with several outputs, a
            fixed batch, unknown sizes, or state beside its variables.
    """
    try:
        loaded = tf.saved_model.load(str(folder))
    except Exception as error:  # TensorFlow raises about anything for a folder that is damaged
        reason = next(iter(str(error).splitlines()), "no message")[:300]
        raise CompressionError(
            f"a SavedModel must be readable, but {folder} raised {type(error).__name__}: {reason}; save it again"
        ) from error
    function = _signature(loaded.signatures)
    inputs = _inputs(function)
    output_name, output = _output(function)
    graph, variables = _detach(function)
    layer = SavedModelLayer(
        graph=pack_graph(graph),
        inputs=[tensor.op.name for tensor in inputs.values()],
        variables=[[node, variable.shape.as_list(), variable.dtype.name] for node, variable in variables.items()],
        output=output.name,
        output_shape=output.shape.as_list(),
        activation=_activation(graph, output.name),
        name=f"{output_name}_output" if output_name in inputs else output_name,
    )
    features = [keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name) for name, tensor in inputs.items()]
    # Keras counts the models of a process in their names, and names get into the TFLite file.
    model = keras.Model(features, layer(features), name="model")
    layer.set_weights([variable.numpy() for variable in variables.values()])
    return model


def _signature(signatures: Any) -> Function:  # noqa: ANN401 - TensorFlow's own kind of map
    names = sorted(signatures)
    if SIGNATURE in names:
        return signatures[SIGNATURE]
    if len(names) == 1:
        return signatures[names[0]]
    raise CompressionError(
        f"a SavedModel must have a signature {SIGNATURE}, or one signature alone, got {', '.join(names) or 'none'}; "
        f"save it with signatures={{'{SIGNATURE}': ...}}"
    )


def _inputs(function: Function) -> dict[str, tf.Tensor]:
    """The placeholders of the inputs by the signature's name for them; captured tensors come after them."""
    inputs = dict(sorted(zip(function._arg_keywords, function.inputs, strict=False)))
    for name, tensor in inputs.items():
        shape = tensor.shape
        if not shape.rank or shape[0] is not None:
            raise CompressionError(
                f"inputs of a SavedModel must have the shape (None, ...), got {shape} for {name}; save the signature "
                "for a batch of any size: tf.TensorSpec([None, ...])"
            )
        if None in shape[1:]:
            raise CompressionError(
                f"inputs of a SavedModel must have a fixed size but for the batch, got {shape} for {name}; save the "
                "signature for the size that the device uses"
            )
    return inputs


def _output(function: Function) -> tuple[str, tf.Tensor]:
    names = sorted(function.structured_outputs)
    if len(names) != 1:
        raise CompressionError(
            f"the signature of a SavedModel must have exactly one output, got {', '.join(names) or 'none'}; save one "
            "that returns what is to be predicted alone"
        )
    # Keras takes letters, digits, _ . - and / in the name of a layer.
    return re.sub(r"[^A-Za-z0-9_./-]", "_", names[0]), function.outputs[0]


def _detach(function: Function) -> tuple[tf.compat.v1.GraphDef, dict[str, tf.Variable]]:
    """The graph without what it captured, and its variables by the placeholder that takes their handle."""
    graph = function.graph.as_graph_def()
    _rename_functions(graph)
    nodes = {node.name: node for node in graph.node}
    handles = {id(variable.handle): variable for variable in function.variables}
    variables: dict[str, tf.Variable] = {}
    for outer, inner in function.graph.captures:
        if id(outer) in handles:
            variables[inner.op.name] = handles[id(outer)]
        elif outer.dtype in (tf.resource, tf.variant):
            raise _not_free_of_state("a lookup table or another resource")
        else:
            _make_constant(nodes[inner.op.name], outer)
    if any(node.op in _REFERENCE_VARIABLES for node in graph.node):
        raise _not_free_of_state("variables of TensorFlow 1 that are not resources")
    return graph, variables


def _not_free_of_state(got: str) -> CompressionError:
    return CompressionError(
        f"a SavedModel must hold no state but its variables, got {got}; save what is learned as tf.Variable, and do "
        "lookups in preprocessing_fn"
    )


def _make_constant(node: Any, value: tf.Tensor) -> None:  # noqa: ANN401 - a NodeDef, which has no public name
    node.op = "Const"
    node.attr.clear()
    node.attr["dtype"].type = value.dtype.as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.asarray(value)))


def _rename_functions(graph: tf.compat.v1.GraphDef) -> None:
    """Gives the functions of a graph names that no other graph's have: a process knows them by name alone."""
    mark = hashlib.sha256(graph.library.SerializeToString(deterministic=True)).hexdigest()[:16]
    names = {function.signature.name: f"saved_{mark}_{i}" for i, function in enumerate(graph.library.function)}
    for function in graph.library.function:
        function.signature.name = names[function.signature.name]
    # Gradients name Python functions of the process that saved the model.
    del graph.library.gradient[:]
    for node in _all_nodes(graph):
        node.attr.pop("_gradient_op_type", None)
        for attribute in node.attr.values():
            for called in (attribute.func, *attribute.list.func):
                if called.name in names:
                    called.name = names[called.name]


def _all_nodes(graph: tf.compat.v1.GraphDef) -> Iterator[Any]:
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


def _activation(graph: tf.compat.v1.GraphDef, tensor: str) -> str:
    """The operator that makes a tensor, looked for inside the functions that are called too, by Keras's name for it."""
    functions = {function.signature.name: function for function in graph.library.function}
    nodes = {node.name: node for node in graph.node}
    while True:
        # NODE, NODE:INDEX, or, inside of functions, NODE:OUTPUT:INDEX.
        name, *place = tensor.split(":")
        if name not in nodes:
            return "Placeholder"
        node = nodes[name]
        if node.op in _CALLS:
            function = functions[node.attr["f"].func.name]
            nodes = {inner.name: inner for inner in function.node_def}
            tensor = function.ret[function.signature.output_arg[int(place[-1]) if place else 0].name]
        elif node.op in _CHANGES_NO_VALUE:
            tensor = node.input[0]
        else:
            return _KERAS_NAMES.get(node.op, str(node.op))
