"""How much sparsity each layer gets."""

from collections.abc import Mapping

import numpy as np

from compression.layer_names import first_match
from compression.settings import PruneSettings


def layer_targets(kernels: Mapping[str, np.ndarray], settings: PruneSettings) -> dict[str, float]:
    """The share of zeros that each layer's kernel ends with, in [0, 1).

    Args:
        kernels: The kernels to prune, by layer name.
        settings: `sparsity` or `m_by_n`, `distribution` and `layers`.

    Raises:
        CompressionError: A pattern in `layers` matches no layer.
    """
    own = first_match(settings.layers, list(kernels), key="layers")
    rest = {name: kernel for name, kernel in kernels.items() if name not in own}
    if settings.distribution == "lamp":
        return own | lamp(rest, settings.target)
    return own | dict.fromkeys(rest, settings.target)


def lamp(kernels: Mapping[str, np.ndarray], sparsity: float) -> dict[str, float]:
    """Sparsity of each layer when the weights of lowest LAMP score go (Lee et al. 2021, arXiv:2010.07611, equation 4).

    A weight's score is its square divided by the sum of the squares of all weights of its layer that are no smaller.
    The largest weight of a layer scores 1, so that no layer is ever emptied.

    Args:
        kernels: Kernels by layer name.
        sparsity: Share of zeros over all of them, in (0, 1).

    >>> targets = lamp({"a": np.array([1.0, 1.0, 1.0, 1.0]), "b": np.array([0.1, 0.1, 0.1, 9.0])}, 0.5)
    >>> targets["b"]  # the first weights of `a` score 1/4, 1/3, 1/2, 1, those of `b` nearly 0
    0.75
    """
    scores = {name: _lamp_scores(kernel) for name, kernel in kernels.items()}
    everything = np.sort(np.concatenate(list(scores.values()))) if scores else np.zeros(0)
    removed = round(sparsity * everything.size)
    if removed == 0:
        return dict.fromkeys(scores, 0.0)
    threshold = everything[removed - 1]
    return {name: float(np.sum(score <= threshold)) / score.size for name, score in scores.items()}


def _lamp_scores(kernel: np.ndarray) -> np.ndarray:
    squares = np.sort(np.square(kernel.astype(np.float64).reshape(-1)))
    no_smaller = np.cumsum(squares[::-1])[::-1]
    scores: np.ndarray = np.divide(squares, no_smaller, out=np.zeros_like(squares), where=no_smaller > 0)
    return scores
