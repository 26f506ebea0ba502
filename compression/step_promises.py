"""What each kind of step promises, from its settings and the kernels of its model."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from compression.kernels import Kernel
from compression.promises import InputsOutputs, IntegersOnly, Pattern, Promise, Sharing, Sparsity, Stored

_STORED: dict[str, tuple[tuple[str, ...], int]] = {
    "float32": (("float32",), 0),
    "float16": (("float16",), 0),
    # The converter leaves smaller tensors in float: they would save nothing.
    "dynamic": (("int8",), 1024),
    "int8": (("int8",), 0),
    "int8_io": (("int8",), 0),
    "int16x8": (("int8",), 0),
    # LiteRT reads 4 bits in some operators, in others 8.
    "int4": (("int4", "int8"), 0),
}
"""Mode of `quantize`, or precision of a layer -> types of the weights, and from how many weights of a tensor on."""


def promise_sparsity(
    kernels: Iterable[Kernel],
    targets: Mapping[str, float],
    weights: Collection[str],
    block_size: tuple[int, int] = (1, 1),
) -> list[Promise]:
    """Zeros after pruning.

    Args:
        kernels: All kernels of the model.
        targets: Share of zeros by layer, in [0, 1).
        weights: Names of the kernels that are pruned in these layers, such as `kernel`.
        block_size: Rows and columns of the blocks that are pruned as one.

    Returns:
        For a kernel of n weights n - max(1, round(n * (1 - target))) zeros: that is what rounding leaves of small
        kernels. With blocks the same of the number of blocks, all of which may be as large as blocks get.
    """
    promises: list[Promise] = []
    for kernel in _chosen(kernels, targets, weights):
        largest = block_size[0] * block_size[1]
        rows = kernel.values.shape[0] if largest > 1 else kernel.values.size
        columns = kernel.values.shape[-1] if largest > 1 else 1
        blocks = -(-rows // block_size[0]) * -(-columns // block_size[1])
        left = max(1, round(blocks * (1 - targets[kernel.layer]))) * largest
        zeros = max(0, kernel.values.size - left)
        promises.append(Sparsity(kernel.layer, kernel.weight, zeros, kernel.values.size))
    return promises


def promise_pattern(
    kernels: Iterable[Kernel], layers: Collection[str], weights: Collection[str], zeros: int, of: int
) -> list[Promise]:
    """`zeros` zeros among every `of` neighbours along the input channels, 2:4 for one; arguments as above."""
    return [Pattern(kernel.layer, kernel.weight, zeros, of) for kernel in _chosen(kernels, layers, weights)]


def promise_sharing(
    kernels: Iterable[Kernel], values: Mapping[str, int], weights: Collection[str], per: str
) -> list[Promise]:
    """Shared weights after clustering.

    A convolution promises for its channels only, also when its values are shared by the whole kernel: TFLite scales
    every channel of a convolution by a number of its own, so that k values become k in each channel.

    Args:
        kernels: All kernels of the model.
        values: Most distinct weights by layer, zero included.
        weights: Names of the kernels that are clustered in these layers.
        per: Whether a whole `tensor` or every output `channel` shares values.
    """
    return [
        Sharing(kernel.layer, kernel.weight, values[kernel.layer], "channel" if kernel.values.ndim > 2 else per)
        for kernel in _chosen(kernels, values, weights)
    ]


def promise_mode(
    kernels: Iterable[Kernel], mode: str, left_float: Collection[str] = (), precisions: Mapping[str, str] | None = None
) -> list[Promise]:
    """What a mode of `quantize` stands for.

    Args:
        kernels: All kernels of the model.
        mode: A mode of `quantize`; one that is not in the table promises nothing here.
        left_float: Layers that were left in float on purpose.
        precisions: Layers that have another precision than the mode's, on purpose.
    """
    own = precisions or {}
    promises: list[Promise] = []
    for kernel in kernels:
        precision = own.get(kernel.layer, mode)
        if precision in _STORED and kernel.layer not in left_float:
            promises.append(Stored(kernel.layer, kernel.weight, *_STORED[precision]))
    if mode == "int8_io":
        in_float = {*left_float, *(layer for layer, precision in own.items() if precision in ("float32", "int4"))}
        promises += [IntegersOnly(tuple(sorted(in_float))), InputsOutputs("int8")]
    return promises


def _chosen(kernels: Iterable[Kernel], layers: Collection[str], weights: Collection[str]) -> Iterator[Kernel]:
    for kernel in kernels:
        if kernel.layer in layers and kernel.weight.split("#")[0] in weights:
            yield kernel
