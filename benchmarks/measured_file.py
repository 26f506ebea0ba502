"""What the compression benchmark says of one finished file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import tf_keras as keras

from benchmarks.fashion import Images
from compression.audit import audit
from compression.data import Split
from compression.evaluate import evaluate
from compression.kernels import Kernel, kernels
from compression.predict import TFLitePredictor
from compression.promises import Promise, Sharing, Sparsity, check
from compression.step_promises import promise_mode
from compression.structure import is_shared


@dataclass(frozen=True)
class Measured:
    """One file of one seed; accuracies and sparsity in [0, 1].

    Attributes:
        kind: `baseline`, `naive` or `ours`.
        recipe: Name of the recipe.
        broken: Promises of the recipe that the file does not keep, in words.
        latency_ms: For one example on one thread.
    """

    kind: str
    recipe: str
    validation: float
    test: float
    size_bytes: int
    gzip_bytes: int
    sparsity: float
    distinct: int
    broken: tuple[str, ...]
    latency_ms: float = float("nan")


def measure(
    content: bytes,
    images: Images,
    *,
    kind: str,
    recipe: str,
    mode: str,
    weights: Sequence[Kernel],
    promises: Iterable[Promise],
) -> Measured:
    """Everything but the latency, which is measured for all files in turns.

    Args:
        content: A TFLite file.
        images: Validation is what recipes are chosen by, test is what is reported.
        kind: `baseline`, `naive` or `ours`.
        recipe: Name of the recipe.
        mode: The mode of `quantize` whose types the file should have.
        weights: Kernels of the model that was converted.
        promises: What the recipe says of its file beyond the types.
    """
    found = audit(content, weights)
    return Measured(
        kind,
        recipe,
        validation=_accuracy(content, images.training.validation),
        test=_accuracy(content, images.test),
        size_bytes=found.size_bytes,
        gzip_bytes=found.gzip_bytes,
        sparsity=found.sparsity,
        distinct=found.distinct_weights,
        broken=tuple(check([*promises, *promise_mode(weights, mode)], found)),
    )


def structure_of(model: keras.Model, per: str) -> list[Promise]:
    """Promises that the file keeps what the model holds: its zeros, and its shared weights where there are some.

    Args:
        model: The last model before `qat` or the conversion.
        per: Whether weights stay shared by the whole `tensor` or by every output `channel`.
    """
    promises: list[Promise] = []
    for kernel in kernels(model):
        values = kernel.values
        promises.append(Sparsity(kernel.layer, kernel.weight, int((values == 0).sum()), values.size))
        if is_shared(values):
            promises.append(Sharing(kernel.layer, kernel.weight, len(set(values.reshape(-1).tolist())), per))
    return promises


def _accuracy(content: bytes, split: Split) -> float:
    return evaluate(TFLitePredictor(content).predict, split, "accuracy", "multiclass")


def summarized(rows: Sequence[Measured], baselines: Sequence[Measured]) -> dict[str, Any]:
    """One line of the table: means over seeds, and the range of the drop.

    Args:
        rows: The same recipe for every seed.
        baselines: The float files of these seeds, in the same order.
    """
    count = len(rows)

    def mean(name: str) -> float:
        return sum(getattr(row, name) for row in rows) / count

    drops = [100 * (base.test - row.test) for row, base in zip(rows, baselines, strict=True)]
    smaller = [base.gzip_bytes / row.gzip_bytes for row, base in zip(rows, baselines, strict=True)]
    faster = [base.latency_ms / row.latency_ms for row, base in zip(rows, baselines, strict=True)]
    broken = sorted({text for row in rows for text in row.broken})
    return {
        "kind": rows[0].kind,
        "recipe": rows[0].recipe,
        "val %": 100 * mean("validation"),
        "test %": 100 * mean("test"),
        "drop": sum(drops) / count,
        "drop from": min(drops),
        "drop to": max(drops),
        "raw": round(mean("size_bytes")),
        "gzip": round(mean("gzip_bytes")),
        "smaller": sum(smaller) / count,
        "us": 1000 * mean("latency_ms"),
        "faster": sum(faster) / count,
        "zeros": mean("sparsity"),
        "distinct": max(row.distinct for row in rows),
        "audit": "kept" if not broken else f"{len(broken)} broken",
        "broken": broken,
    }
