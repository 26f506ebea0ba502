"""Names for channels, so that channels which can only be removed together end up in one slot."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Channels:
    """The last axis of a tensor.

    Attributes:
        labels: int `[channels]`; which channel is which. A label may occur in many tensors, and several times in one:
            `Flatten` repeats it for every position.
        constants: float64 `[channels]`; the value that a channel has at every position for every example, NaN for a
            channel that varies.
    """

    labels: np.ndarray
    constants: np.ndarray


class Labels:
    """All labels of a model: which of them are tied, and which must stay."""

    def __init__(self) -> None:
        self._parents: list[int] = []
        self._kept: list[tuple[np.ndarray, str]] = []

    def fresh(self, count: int) -> np.ndarray:
        """Labels that nothing else bears."""
        first = len(self._parents)
        self._parents.extend(range(first, first + count))
        return np.arange(first, first + count)

    def tie(self, first: np.ndarray, second: np.ndarray) -> None:
        """Says that the channels of two tensors can only be removed in pairs; both have the same length."""
        for one, other in zip(first.tolist(), second.tolist(), strict=True):
            low, high = sorted((self._root(one), self._root(other)))
            self._parents[high] = low

    def keep(self, labels: np.ndarray, reason: str) -> None:
        """Says that channels must stay, and for what."""
        self._kept.append((labels, reason))

    def slots(self) -> np.ndarray:
        """The slot of every label: int `[labels]`, counted from 0 in the order of the first label in each."""
        roots = [self._root(label) for label in range(len(self._parents))]
        return np.asarray(np.unique(roots, return_inverse=True)[1])

    def kept_slots(self) -> dict[int, str]:
        """Slots that must stay, with the last reason that was given."""
        slots = self.slots()
        return {slot: reason for labels, reason in self._kept for slot in slots[labels].tolist()}

    def _root(self, label: int) -> int:
        while self._parents[label] != label:
            # Halving the path keeps long chains of residual blocks short.
            self._parents[label] = self._parents[self._parents[label]]
            label = self._parents[label]
        return label
