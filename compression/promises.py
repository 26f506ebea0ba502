"""What a compression step promises, and whether the finished file keeps it.

A step that ran well proves nothing: the converter folds, splits, merges and rounds what training left. So every step
writes down what it promised, layer by layer, and the promises are held against the audit of the file.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from compression.audit import Audit, WeightTensor
from compression.errors import CompressionError
from compression.locate import layer_in


@dataclass(frozen=True)
class _OfKernel:
    """A promise about one kernel.

    Attributes:
        layer: Name of its layer.
        weight: Name within the layer, as in `compression.kernels`.
    """

    layer: str
    weight: str

    def broken(self, audit: Audit) -> list[str]:
        """Why the file does not keep it; empty when it does."""
        rows = [row for row in audit.weights if (self.layer, self.weight) in row.kernels]
        found = self._found(rows) if rows else f"no tensor of its {self.weight}: the converter removed or merged it"
        name = self.layer if self.weight == "kernel" else f"{self.layer} ({self.weight})"
        return [f"layer {name}: promised {self._promised}, the file holds {found}"] if found else []

    @property
    def _promised(self) -> str:
        """The promise in words."""
        raise NotImplementedError

    def _found(self, rows: Sequence[WeightTensor]) -> str | None:
        """What is there instead, in words; `None` when the promise is kept."""
        raise NotImplementedError


@dataclass(frozen=True)
class Sparsity(_OfKernel):
    """At least so many of a kernel's weights are zero; quantization can only add some.

    Attributes:
        zeros: Number of zeros.
        elements: Number of weights.
    """

    kind: ClassVar[str] = "sparsity"
    zeros: int
    elements: int

    @property
    def _promised(self) -> str:
        return f"{self.zeros / self.elements:.2%} zeros"

    def _found(self, rows: Sequence[WeightTensor]) -> str | None:
        # Equal parts of a kernel are stored once, so that shares are what can be compared.
        zeros, elements = sum(int(row.zeros.sum()) for row in rows), sum(row.elements for row in rows)
        kept = zeros * self.elements >= self.zeros * elements
        return None if kept else f"{zeros / elements:.2%}"


@dataclass(frozen=True)
class Pattern(_OfKernel):
    """At least so many zeros among every few neighbours, along the input channels.

    Attributes:
        zeros: Number of zeros.
        of: Number of neighbours; a row's last block may be shorter and then counts as filled up with zeros.
    """

    kind: ClassVar[str] = "pattern"
    zeros: int
    of: int

    @property
    def _promised(self) -> str:
        return f"{self.zeros} zeros in every {self.of} weights along the inputs"

    def _found(self, rows: Sequence[WeightTensor]) -> str | None:
        blocks = np.concatenate([_blocks(row, self.of) for row in rows])
        fewest = int(blocks.sum(axis=1).min())
        return None if fewest >= self.zeros else f"a block with {fewest}"


@dataclass(frozen=True)
class Sharing(_OfKernel):
    """At most so many distinct weights.

    Attributes:
        values: Number of distinct weights, zero included.
        per: In the whole `tensor`, or in every output `channel`.
    """

    kind: ClassVar[str] = "sharing"
    values: int
    per: str

    @property
    def _promised(self) -> str:
        return f"at most {self.values} distinct weights per {self.per}"

    def _found(self, rows: Sequence[WeightTensor]) -> str | None:
        found = max(row.distinct if self.per == "tensor" else row.distinct_per_channel for row in rows)
        return None if found <= self.values else str(found)


@dataclass(frozen=True)
class Stored(_OfKernel):
    """Weights are stored in one type, or in one of a few.

    Attributes:
        dtypes: `int8`, `float16`, ...
        from_elements: Smaller tensors may have another; the converter leaves these alone in some modes.
    """

    kind: ClassVar[str] = "stored"
    dtypes: tuple[str, ...]
    from_elements: int = 0

    @property
    def _promised(self) -> str:
        return f"weights in {' or '.join(self.dtypes)}"

    def _found(self, rows: Sequence[WeightTensor]) -> str | None:
        others = {row.dtype for row in rows if row.elements >= self.from_elements} - {*self.dtypes}
        return ", ".join(sorted(others)) or None


@dataclass(frozen=True)
class IntegersOnly:
    """Nothing is computed in float between the inputs and the outputs.

    Attributes:
        but: Layers that may be.
    """

    kind: ClassVar[str] = "integers_only"
    but: tuple[str, ...] = ()

    def broken(self, audit: Audit) -> list[str]:
        """Why the file does not keep it; empty when it does."""
        islands = [island.split(": ", 1) for island in audit.float_operators]
        return [
            f"{name}: promised integers alone, the file computes {op} in float"
            for op, name in islands
            if layer_in(name, self.but) is None
        ]


@dataclass(frozen=True)
class InputsOutputs:
    """All inputs and outputs have one type.

    Attributes:
        dtype: `int8`, ...
    """

    kind: ClassVar[str] = "inputs_outputs"
    dtype: str

    def broken(self, audit: Audit) -> list[str]:
        """Why the file does not keep it; empty when it does."""
        given = {"inputs": audit.input_dtypes, "outputs": audit.output_dtypes}
        return [
            f"promised {self.dtype} {ends}, the file has {', '.join(dtypes)}"
            for ends, dtypes in given.items()
            if set(dtypes) != {self.dtype}
        ]


Promise = Sparsity | Pattern | Sharing | Stored | IntegersOnly | InputsOutputs

_KINDS: dict[str, type[Promise]] = {
    kind.kind: kind for kind in (Sparsity, Pattern, Sharing, Stored, IntegersOnly, InputsOutputs)
}


def check(promises: Iterable[Promise], audit: Audit) -> list[str]:
    """The promises that the file does not keep, in words that name the layer; empty when it keeps all."""
    return list(dict.fromkeys(text for promise in promises for text in promise.broken(audit)))


def to_plain(promises: Iterable[Promise]) -> list[dict[str, Any]]:
    """Promises as values for JSON.

    >>> to_plain([InputsOutputs("int8")])
    [{'promise': 'inputs_outputs', 'dtype': 'int8'}]
    """
    return [{"promise": promise.kind, **asdict(promise)} for promise in promises]


def from_plain(plain: Iterable[Mapping[str, Any]]) -> list[Promise]:
    """The promises that `to_plain` wrote.

    Raises:
        CompressionError: A kind of promise that is not known.
    """
    promises = []
    for entry in plain:
        fields: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()
        }
        kind = fields.pop("promise")
        if kind not in _KINDS:
            raise CompressionError(f"a promise must be one of {', '.join(_KINDS)}, got {kind!r}; make the model anew")
        promises.append(_KINDS[kind](**fields))
    return promises


def _blocks(row: WeightTensor, size: int) -> np.ndarray:
    """Which weights are zero, as `[blocks, size]` along the last axis of the stored tensor."""
    zeros = row.zeros.reshape(-1, row.shape[-1])
    filled = np.pad(zeros, ((0, 0), (0, -zeros.shape[1] % size)), constant_values=True)
    return filled.reshape(-1, size)
