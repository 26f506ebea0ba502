"""Which kernels of a Keras model a stored weight tensor holds.

The converter names most tensors after the layer (`model/conv_1/Conv2D`), also after folding a batch normalization into
it. It loses the name of a recurrent layer that it fuses or unrolls, of a grouped convolution, and of kernels with equal
values, which it merges. So names decide where there are some, and the values themselves decide elsewhere.
"""

from collections.abc import Collection, Sequence

import numpy as np

from compression.kernels import Kernel
from compression.weight_operands import StoredWeight

_GATES = 4
"""A fused LSTM stores four matrices for the one of Keras."""

_ALIKE = 0.9
"""Least mean cosine of the channels of a kernel and of the tensor that holds it.

Rounding to 8 bits leaves 0.999 and more, to 4 bits 0.98; independent channels of n weights meet at about n ** -0.5.
"""


def locate(kernels: Sequence[Kernel], stored: Sequence[StoredWeight]) -> list[tuple[tuple[str, str], ...]]:
    """The kernels in each tensor, as `(layer, weight)`.

    Args:
        kernels: All kernels of the model that was converted.
        stored: All weight tensors of the file.
    """
    scopes = {kernel.scope for kernel in kernels}
    found: list[list[Kernel]] = [_by_name(weight, kernels, scopes) for weight in stored]
    located = {id(kernel) for each in found for kernel in each}
    free = [index for index, each in enumerate(found) if not each]
    for kernel in kernels:
        if id(kernel) not in located:
            for index in _by_values(kernel, stored, free):
                found[index].append(kernel)
    return [tuple((kernel.layer, kernel.weight) for kernel in each) for each in found]


def layer_in(name: str, layers: Collection[str]) -> str | None:
    """The first of some layers that a tensor's name leads through; `None` when it leads through none of them.

    The name is a path that begins with the model's name; parts that were fused are separated by `;`.

    >>> layer_in("model/relu/Relu;model/conv_11/Conv2D", {"conv_1", "conv_11"})
    'conv_11'
    """
    for path in name.split(";"):
        parts = path.split("/")
        # The model may bear the name of a layer.
        for part in (*parts[1:], parts[0]):
            if part in layers:
                return part
    return None


def _by_name(weight: StoredWeight, kernels: Sequence[Kernel], scopes: set[str]) -> list[Kernel]:
    """One kernel for every layer that the tensor or what is computed with it is named after."""
    named = {layer_in(name, scopes) for name in weight.names}
    found = []
    for scope in sorted(named - {None}, key=str):
        fitting = [kernel for kernel in kernels if kernel.scope == scope and kernel.values.size == weight.values.size]
        if fitting:
            found.append(max(fitting, key=lambda kernel: _likeness(kernel, weight)))
    return found


def _by_values(kernel: Kernel, stored: Sequence[StoredWeight], free: Sequence[int]) -> list[int]:
    """The tensors that hold a kernel, whole or as the gates of an LSTM; empty when none does."""
    whole = _most_alike(kernel, stored, free)
    if whole is not None:
        return [whole]
    if kernel.values.ndim != 2 or kernel.values.shape[1] % _GATES:
        return []
    gates = [
        _most_alike(Kernel(kernel.layer, kernel.weight, gate, kernel.scope), stored, free)
        for gate in np.split(kernel.values, _GATES, axis=1)
    ]
    # Equal gates are stored once.
    return [] if None in gates else sorted({gate for gate in gates if gate is not None})


def _most_alike(kernel: Kernel, stored: Sequence[StoredWeight], free: Sequence[int]) -> int | None:
    likeness = {index: _likeness(kernel, stored[index]) for index in free}
    best = max(likeness, key=lambda index: likeness[index], default=None)
    return best if best is not None and likeness[best] >= _ALIKE else None


def _likeness(kernel: Kernel, weight: StoredWeight) -> float:
    """Mean cosine, without sign, of the channels: folding a batch normalization scales each by a factor of its own.

    -1.0 when the shapes differ.
    """
    tensor = weight.by_channel.astype(np.float64) - _zero_points(weight)
    fitting = [layout for layout in _layouts(kernel, weight.op) if layout.shape == tensor.shape]
    return max((_mean_cosine(layout.astype(np.float64), tensor) for layout in fitting), default=-1.0)


def _mean_cosine(ours: np.ndarray, theirs: np.ndarray) -> float:
    dots = np.abs(np.sum(ours * theirs, axis=1))
    norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    both_zero = ~ours.any(axis=1) & ~theirs.any(axis=1)
    return float(np.mean(np.where(both_zero, 1.0, dots / np.where(norms > 0, norms, 1.0))))


def _zero_points(weight: StoredWeight) -> np.ndarray:
    points = weight.tensor.zero_points
    return points.reshape(-1, 1) if points.size else np.zeros((1, 1))


def _layouts(kernel: Kernel, op: str) -> list[np.ndarray]:
    """The kernel as `[channels, weights of a channel]`, as the operator may store it."""
    values = kernel.values
    if op == "DEPTHWISE_CONV_2D" and kernel.weight.startswith("depthwise"):
        return [values.reshape(-1, values.shape[-2] * values.shape[-1]).T]
    if op == "TRANSPOSE_CONV" and values.ndim == 4:
        return [np.moveaxis(values, -2, 0).reshape(values.shape[-2], -1)]
    if kernel.weight.startswith("embeddings"):
        return [values]
    last = np.moveaxis(values, -1, 0).reshape(values.shape[-1], -1)
    # The heads of an attention are output channels too.
    return [last] if values.ndim == 2 else [last, values.reshape(values.shape[0], -1).T]
