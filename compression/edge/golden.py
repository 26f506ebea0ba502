"""Golden pairs: real examples with a model's answers, so that a device can prove that it computes the same."""

import json
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from compression.edge import runner
from compression.edge.check import check_samples, read_model
from compression.edge.files import ANSWERS
from compression.errors import CompressionError
from compression.settings.profile import Kernels

COUNT = 10
FLOAT_TOLERANCE = 1e-3
"""Share of the largest expected value of an output. Another processor sums in another order, which costs about three
of seven digits; one step of an int8 model's dequantized output is at least four times as much and is caught."""

_FORMAT_VERSION = 1
_META = "meta"
_TIME_LIMIT_S = 60.0

_DAMAGE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    MemoryError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class Golden:
    """Examples and answers in the model's own types.

    Attributes:
        inputs: Arrays `[count, ...]` by input name, as they are copied into the interpreter.
        outputs: Arrays `[count, ...]` by output name.
        kernels: LiteRT's kernels that computed them.
        litert: Version of LiteRT that computed them.
    """

    inputs: Mapping[str, np.ndarray]
    outputs: Mapping[str, np.ndarray]
    kernels: Kernels
    litert: str

    def save(self, path: Path) -> None:
        """Writes an `.npz` file: `input/<name>`, `output/<name>`, and `meta` as JSON text; same pairs, same bytes."""
        meta = {
            "format_version": _FORMAT_VERSION,
            "kernels": self.kernels,
            "litert": self.litert,
            "float_tolerance": FLOAT_TOLERANCE,
            # The archive's checksums cover contents; a damaged name would only make an array disappear.
            "arrays": [*(f"input/{name}" for name in self.inputs), *(f"output/{name}" for name in self.outputs)],
        }
        arrays = {f"input/{name}": values for name, values in self.inputs.items()}
        arrays |= {f"output/{name}": values for name, values in self.outputs.items()}
        with path.open("wb") as file:
            text = np.array(json.dumps(meta, sort_keys=True))
            np.savez_compressed(file, allow_pickle=False, **{_META: text}, **arrays)

    @classmethod
    def load(cls, path: Path) -> "Golden":
        """Reads what `save` wrote.

        Raises:
            CompressionError: The file is missing or damaged (every part bears a checksum), or of another format.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            meta = json.loads(str(arrays.pop(_META)))
            version, kernels, litert = meta["format_version"], meta["kernels"], meta["litert"]
            if sorted(meta["arrays"]) != sorted(arrays):
                raise ValueError(f"arrays {', '.join(sorted(arrays))} instead of {', '.join(sorted(meta['arrays']))}")
        # What a damaged archive raises depends on where it is damaged.
        except _DAMAGE as error:
            raise CompressionError(f"{path} must hold golden pairs, got: {error}; restore it from a copy") from error
        if version != _FORMAT_VERSION:
            raise CompressionError(
                f"{path} must have format version {_FORMAT_VERSION}, got {version}; use the tools that wrote it"
            )
        return cls(_part(arrays, "input/"), _part(arrays, "output/"), kernels, litert)


def golden(
    model: Path,
    samples: Mapping[str, np.ndarray],
    count: int = COUNT,
    *,
    kernels: Kernels = "xnnpack",
    time_limit_s: float = _TIME_LIMIT_S,
) -> Golden:
    """The answers of a model to the first examples, one at a time, computed in a child process.

    Args:
        model: The TFLite file.
        samples: Real examples as the float model reads them, arrays `[examples, ...]` by name.
        count: Pairs at most; fewer when there are fewer examples or the model is very slow. At most 10.
        kernels: LiteRT's kernels.
        time_limit_s: Wall-clock limit in seconds.

    Raises:
        CompressionError: The model does not answer, or there are no examples.
    """
    check_samples(samples)
    first = {name: values[:count] for name, values in samples.items()}
    answered = _answers(read_model(model), first, kernels, raw=False, time_limit_s=time_limit_s)
    return Golden(*answered, kernels, metadata.version("ai-edge-litert"))


def verify_golden(model: Path, pairs: Golden | Path, *, time_limit_s: float = _TIME_LIMIT_S) -> list[str]:
    """Computes golden pairs anew with LiteRT.

    Integer outputs must be equal byte for byte, float outputs within `FLOAT_TOLERANCE`.

    Args:
        model: The TFLite file.
        pairs: Golden pairs, or the file that holds them.
        time_limit_s: Wall-clock limit in seconds.

    Returns:
        What differs, in words; empty when the model computes the same.
    """
    try:
        expected = Golden.load(pairs) if isinstance(pairs, Path) else pairs
        check_samples(expected.inputs)
        content = read_model(model)
        _, found = _answers(content, expected.inputs, expected.kernels, raw=True, time_limit_s=time_limit_s)
    except CompressionError as error:
        return [str(error)]
    if found.keys() != expected.outputs.keys():
        return [
            f"the model must have the outputs {', '.join(expected.outputs)}, got {', '.join(found)}; it is another one"
        ]
    return [
        fault
        for name, values in expected.outputs.items()
        if (fault := _difference(name, values, found[name])) is not None
    ]


def _difference(name: str, expected: np.ndarray, found: np.ndarray) -> str | None:
    if expected.dtype != found.dtype or expected.shape != found.shape:
        return (
            f"output {name!r} must be {expected.dtype} {expected.shape}, got {found.dtype} {found.shape}; "
            "the model is another one"
        )
    if expected.dtype.kind == "f":
        allowed = FLOAT_TOLERANCE * float(np.abs(expected).max(initial=0.0))
        # Written so that NaN on either side counts as a difference.
        unequal = ~(np.abs(expected.astype(np.float64) - found) <= allowed)
        rule = f"within {allowed:.3g}"
    else:
        unequal, rule = expected != found, "exactly"
    wrong = int(unequal.reshape(len(expected), -1).any(axis=1).sum())
    if not wrong:
        return None
    return (
        f"output {name!r} must be computed {rule} as when the model was checked, but {wrong} of {len(expected)} golden "
        "examples give something else; the model, the pairs or the runtime changed"
    )


def _answers(
    model: bytes, samples: Mapping[str, np.ndarray], kernels: Kernels, *, raw: bool, time_limit_s: float
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Inputs and outputs in the model's own types, by name."""
    request: dict[str, Any] = {"kernels": kernels, "threads": 1, "raw": raw, "time_limit_s": time_limit_s}
    with tempfile.TemporaryDirectory(prefix="edge-golden-") as name:
        folder = Path(name)
        runner.write_request(folder, model, samples, request)
        outcome = runner.run_child(folder, "answer", time_limit_s)
        if outcome.fault is not None:
            raise CompressionError(f"golden pairs need a model that answers: {outcome.fault}")
        names = outcome.results["answer"]
        with np.load(folder / ANSWERS) as file:
            inputs = {port: file[f"input/{i}"] for i, port in enumerate(names["inputs"])}
            outputs = {port: file[f"output/{i}"] for i, port in enumerate(names["outputs"])}
    return inputs, outputs


def _part(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}
