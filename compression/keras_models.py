"""Keras models as artifacts: saving, loading, and finding out whether a model can be compressed at all."""

from collections import Counter
from collections.abc import Mapping, Set
from pathlib import Path

import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras

from compression.data import Task
from compression.errors import CompressionError
from compression.model_outputs import ask, output_layers, output_names
from compression.outputs import SOLE, by_output, keys
from compression.qat_scheme import CUSTOM_OBJECTS
from compression.saved_model_layer import SavedModelLayer

SIGNATURE = "serving_default"
_PROBABILITIES: dict[str, str] = {"multiclass": "softmax", "binary": "sigmoid"}


def serving_function(model: keras.Model, batch_size: int | None = None) -> tf.types.experimental.ConcreteFunction:
    """The model's inference as a function with one named argument per input, `[batch_size, ...]` each.

    The result is a dict with one entry for each output, named after the layer that makes it; a quantization wrapper
    does not change the name.

    Args:
        model: Functional or Sequential.
        batch_size: Examples in a batch; `None`: any number.
    """
    specification = {
        name: tf.TensorSpec([batch_size, *tensor.shape[1:]], tensor.dtype, name=name)
        for name, tensor in zip(model.input_names, model.inputs, strict=True)
    }
    names = output_names(model)

    def serve(features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return dict(zip(names, ask(model, features).values(), strict=True))

    return tf.function(serve, input_signature=[specification], autograph=False).get_concrete_function()


def save(model: keras.Model, directory: str | Path) -> None:
    """Writes the model as a tf_keras SavedModel with one signature, `serving_default`.

    The signature's inputs bear the names of the model's inputs. Optimizer state is left out: every step compiles
    anew. The format is SavedModel because quantization-aware models saved as `.keras` do not load again.

    Args:
        model: A Functional or Sequential tf_keras model, also with tfmot's quantization wrappers.
        directory: A folder that does not exist or is empty.
    """
    # A function for each layer takes most of the time and the space; `load` builds layers from their configuration.
    model.save(
        str(directory),
        save_format="tf",
        include_optimizer=False,
        signatures={SIGNATURE: serving_function(model)},
        save_traces=not _follows_from_configuration(model),
    )


def _follows_from_configuration(model: keras.Model) -> bool:
    """Whether a process that knows none of the user's code can build the model: not with an activation of his own."""
    registered = keras.utils.get_custom_objects()
    everything = dict(registered)
    known = ("tf_keras", "tensorflow_model_optimization", "compression")
    for name in [name for name, kept in everything.items() if kept.__module__.split(".")[0] not in known]:
        del registered[name]
    try:
        with quantize_scope():
            type(model).from_config(model.get_config())
        return True
    except Exception:  # whatever the constructors of its layers raise
        return False
    finally:
        registered.update(everything)


def load(directory: str | Path) -> keras.Model:
    """Reads a model that `save` wrote; it is not compiled."""
    with quantize_scope():
        return keras.models.load_model(str(directory), compile=False)


def quantize_scope() -> keras.utils.CustomObjectScope:
    """Inside it, quantization wrappers are known by name."""
    return tfmot.quantization.keras.quantize_scope(CUSTOM_OBJECTS)


def copy(model: keras.Model) -> keras.Model:
    """A model with the same layers, names and weights that shares none of them with the original."""
    with quantize_scope():
        twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    return twin


def shared_layers(model: keras.Model) -> list[str]:
    """Names of layers that are called more than once inside the model, in the model's order."""
    calls = layer_calls(model)
    return [layer.name for layer in model.layers if calls[layer.name] > 1]


def layer_calls(model: keras.Model) -> Counter[str]:
    """How often the model calls each of its layers; calls made by other models do not count."""
    nodes = (node for depth in model._nodes_by_depth.values() for node in depth)
    return Counter(node.layer.name for node in nodes)


def looping_layers(model: keras.Model) -> list[str]:
    """Names of recurrent layers that are computed in a loop: not unrolled, those inside other layers included.

    TFLite can store a loop only for a batch of fixed size.
    """
    holders = (layer for layer in model.layers if any(_is_loop(part) for part in (layer, *layer.submodules)))
    return [layer.name for layer in holders]


def _is_loop(layer: object) -> bool:
    return isinstance(layer, keras.layers.RNN) and not layer.unroll


def nested_models(model: keras.Model) -> list[str]:
    """Names of layers that are models themselves, in the model's order."""
    return [layer.name for layer in model.layers if isinstance(layer, keras.Model)]


def is_opaque(model: keras.Model) -> bool:
    """Whether the model is the signature of a SavedModel, in which no step sees layers."""
    return any(isinstance(layer, SavedModelLayer) for layer in model.layers)


def refuse_opaque(model: keras.Model, step: str) -> None:
    """Raises a CompressionError for a SavedModel without Keras layers."""
    if is_opaque(model):
        raise CompressionError(
            f"{step} needs a model of Keras layers, got a SavedModel without them, which quantize alone can take; save "
            f"the model as .keras or .h5 with tf_keras, or leave the {step} step out"
        )


def refuse_nested(model: keras.Model, step: str) -> None:
    """Raises a CompressionError that names the models inside, Keras's own or a SavedModel, when there are any."""
    refuse_opaque(model, step)
    nested = nested_models(model)
    if nested:
        raise CompressionError(
            f"{step} needs a model without models inside, got {', '.join(nested)}; call the inner layers directly: "
            "x = inner(x) becomes x = layer(x) for each of its layers"
        )


def check_model(model: object, *, task: Task | Mapping[str, Task], feature_names: Set[str] | None = None) -> None:
    """Checks that a user's model is one that every later step can take.

    Args:
        model: What the user's `build_model` returned.
        task: Fixes the shape of the output: `multiclass` `(None, C >= 2)` after a softmax, `binary` `(None, 1)` after
            a sigmoid, `regression` `(None, 1)`; a mapping from names to tasks for a model with several outputs.
        feature_names: Names of the transformed features; every input must be one of them. `None` skips this check.

    Raises:
        CompressionError: What must hold, what was given, what to do.
    """
    check_structure(model)
    assert isinstance(model, keras.Model)
    _check_sizes(model)
    if feature_names is not None:
        _check_inputs(model, feature_names)
    tasks: dict[str, Task] = by_output(task)
    _check_output_names(model, tasks)
    for position, output in enumerate(keys(output_names(model))):
        _check_output(model, position, tasks[output])


def check_structure(model: object) -> None:
    """Checks that a model is a Functional or Sequential tf_keras model of Keras's own layers.

    Raises:
        CompressionError: What must hold, what was given, what to do.
    """
    _check_kind(model)
    assert isinstance(model, keras.Model)
    _check_layers(model)


def _check_kind(model: object) -> None:
    name = type(model).__name__
    packages = {cls.__module__.split(".")[0] for cls in type(model).__mro__}
    if not isinstance(model, keras.Model):
        if "keras" in packages:
            raise CompressionError(
                f"build_model must return a tf_keras model, got a Keras 3 model ({name}); set TF_USE_LEGACY_KERAS=1 "
                "and use `from tensorflow import keras`, or use `import tf_keras as keras`"
            )
        raise CompressionError(
            f"build_model must return a tf_keras model, got {name}; end it with `return keras.Model(inputs, outputs)`"
        )
    if not isinstance(model, keras.Sequential) and not model._is_graph_network:
        raise CompressionError(
            f"build_model must return a Functional or Sequential model, got the subclassed model {name}; build it "
            "with the functional API: keras.Model(inputs, outputs)"
        )
    if not model.built or not model.inputs:
        raise CompressionError(
            f"the model must know its input shape, got a {name} without one; begin with keras.Input(shape, name=...)"
        )


def _check_layers(model: keras.Model) -> None:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            if not isinstance(layer, keras.Sequential) and not layer._is_graph_network:
                raise CompressionError(
                    f"every layer must be one of Keras's own, got the subclassed model {type(layer).__name__} as layer "
                    f"{layer.name!r}; build it with the functional API"
                )
            _check_layers(layer)
        elif isinstance(layer, SavedModelLayer):
            continue
        elif type(layer).__module__.split(".")[0] not in ("tf_keras", "tensorflow_model_optimization"):
            raise CompressionError(
                f"every layer must be one of Keras's own, got {type(layer).__name__} as layer {layer.name!r}; write "
                "it with Keras layers and the functional API: a subclassed layer can be neither pruned nor quantized"
            )


def _check_sizes(model: keras.Model) -> None:
    for name, tensor in zip(model.input_names, model.inputs, strict=True):
        shape = tuple(tensor.shape)
        if shape[0] is not None:
            raise CompressionError(
                f"every input must take batches of any size, got the shape {shape} for {name}; write "
                "keras.Input(shape, name=...) without a batch size"
            )
        if None in shape[1:]:
            raise CompressionError(
                f"every input must have a fixed size but for the batch, got the shape {shape} for {name}; give "
                "keras.Input the size that the device uses"
            )


def _check_inputs(model: keras.Model, feature_names: Set[str]) -> None:
    unknown = [name for name in model.input_names if name not in feature_names]
    if unknown:
        raise CompressionError(
            f"every input must bear the name of a transformed feature ({', '.join(sorted(feature_names))}), got "
            f"{', '.join(unknown)}; write keras.Input(shape, name=...)"
        )


def _check_output_names(model: keras.Model, tasks: Mapping[str, Task]) -> None:
    names = output_names(model)
    if SOLE in tasks:
        if len(names) != 1:
            raise CompressionError(
                f"the model must have exactly one output, got {len(names)} ({', '.join(names)}); return one tensor, or "
                "give data.label and model.task a mapping with these names"
            )
    elif sorted(names) != sorted(tasks):
        raise CompressionError(
            f"the model must have the outputs {', '.join(tasks)}, which data.label names, got {', '.join(names)}; name "
            "the layer that makes each output: keras.layers.Dense(..., name=...)"
        )


def _check_output(model: keras.Model, position: int, task: Task) -> None:
    name, shape = output_names(model)[position], tuple(model.outputs[position].shape)
    fits = len(shape) == 2 and (shape[1] == 1 if task != "multiclass" else (shape[1] or 0) >= 2)
    if not fits:
        allowed = "(None, C) with C >= 2 classes" if task == "multiclass" else "(None, 1)"
        raise CompressionError(
            f"task {task} needs an output of shape {allowed}, got {shape} from layer {name!r}; change that layer "
            "or `task`"
        )
    wanted = _PROBABILITIES.get(task)
    if wanted is not None and wanted not in output_activation(model, position):
        raise CompressionError(
            f"task {task} needs probabilities, so the last layer must end in {wanted}, got "
            f"{output_activation(model, position) or 'none'} in layer {name!r}; set activation={wanted!r}, or "
            f"add keras.layers.Activation({wanted!r})"
        )


def output_activation(model: keras.Model, position: int = 0) -> str:
    """Name of the activation that makes an output, the first by default; empty when its layer has none.

    >>> output_activation(keras.Sequential([keras.layers.Dense(2, activation="softmax", input_shape=(3,))]))
    'softmax'
    """
    layer = output_layers(model)[position]
    if isinstance(layer, keras.layers.Softmax):
        return "softmax"
    # A bare `tf.nn.softmax(x)` becomes a TFOpLambda whose symbol is the function's dotted name.
    activation = getattr(layer, "activation", None) or getattr(layer, "symbol", "")
    while activation is not None and hasattr(activation, "activation"):
        activation = activation.activation
    return activation if isinstance(activation, str) else getattr(activation, "__name__", type(activation).__name__)
