"""The sizes of a finished file beyond raw and gzip, which stand in its audit."""

from collections.abc import Iterable

import numpy as np


def entropy_bytes(tensors: Iterable[np.ndarray]) -> int:
    """A lower bound for coding the stored weights one by one: order-0 Shannon entropy, in bytes.

    A code that gives every weight a word of its own, chosen by how often each value occurs in its tensor, needs at
    least so many bytes (Shannon 1948); a Huffman code comes within one bit per weight. The code's own table, biases,
    scales and the graph are not in it. A zero counts as any other value, so that sparsity and sharing both lower it. A
    coder that looks at neighbours, as gzip does, may go below it where weights follow a pattern.

    Args:
        tensors: Weights as they are stored, any dtype; each has a code of its own.

    >>> entropy_bytes([np.repeat([0, 1], [12, 4])])  # 16 weights of 0.811 bits each
    2
    """
    return int(np.ceil(sum(_entropy_bits(values) for values in tensors) / 8))


def _entropy_bits(values: np.ndarray) -> float:
    _, counts = np.unique(values, return_counts=True)
    return float(-np.sum(counts * np.log2(counts / values.size)))
