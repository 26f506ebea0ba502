"""What a user's data look like: features, their shapes and ranges, read without TensorFlow."""

import gzip
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import UserError

if TYPE_CHECKING:
    import numpy as np

_MOST_RECORDS = 20_000
_VARINT, _LENGTH, _FIXED32 = 0, 2, 5


@dataclass(frozen=True)
class Feature:
    """One feature.

    Attributes:
        shape: Of one example; empty for one number.
        whole: Whether the values are whole numbers.
        low: Smallest value that was seen.
        high: Largest value that was seen.
        distinct: How many values were seen.
    """

    shape: tuple[int, ...]
    whole: bool
    low: float
    high: float
    distinct: int


@dataclass(frozen=True)
class DataShape:
    """What is there.

    Attributes:
        format: `npz` or `tfrecord`.
        features: By name.
        arrays: Feature -> name of its array (npz alone), with `{split}` where there are train and test arrays.
        examples: How many were looked at.
    """

    format: str
    features: dict[str, Feature]
    arrays: dict[str, str]
    examples: int


def look_at(path: Path) -> DataShape:
    """Reads an npz file, or the first records of a folder of TFRecord files.

    Raises:
        UserError: It is neither, or cannot be read.
    """
    try:
        shape = _npz(path) if path.is_file() and path.suffix == ".npz" else _folder(path)
    except (OSError, ValueError, IndexError, struct.error, EOFError) as error:
        raise UserError(f"--data must name readable data, got {path}: {error}; check the file") from error
    if not shape.features:
        raise UserError(f"--data must hold numbers by feature, got none in {path}; text needs a module of your own")
    return shape


def _npz(path: Path) -> DataShape:
    import numpy as np

    with np.load(path, allow_pickle=False) as archive:
        held = {
            name: archive[name] for name in archive.files if archive[name].ndim and archive[name].dtype.kind in "biuf"
        }
    stems = [name.removesuffix("_train") for name in held if name.endswith("_train")]
    if stems and all(f"{stem}_test" in held for stem in stems):
        arrays = {stem: f"{stem}_{{split}}" for stem in stems}
        values = {stem: held[f"{stem}_train"] for stem in stems}
    else:
        arrays, values = {name: name for name in held}, held
    features = {name: _feature(array) for name, array in values.items()}
    return DataShape("npz", features, arrays, max(map(len, values.values()), default=0))


def _folder(path: Path) -> DataShape:
    import numpy as np

    if not path.is_dir():
        raise UserError(f"--data must name an .npz file or a folder of TFRecord files, got {path}")
    rows: dict[str, list[list[float]]] = {}
    kinds: dict[str, bool] = {}
    count = 0
    for file in sorted(entry for entry in path.iterdir() if entry.is_file() and entry.name[0] not in "._"):
        for record in _records(file):
            count += 1
            for name, whole, values in _example(record):
                kinds[name] = whole
                rows.setdefault(name, []).append(values)
            if count >= _MOST_RECORDS:
                break
    varying = [name for name, values in rows.items() if len({len(row) for row in values}) > 1]
    if varying:
        raise UserError(f"features must have one length in all examples, got others for {', '.join(varying)}")
    arrays = {name: np.array(values, dtype=np.int64 if kinds[name] else np.float64) for name, values in rows.items()}
    arrays = {name: array[:, 0] if array.shape[1] == 1 else array for name, array in arrays.items() if array.shape[1]}
    return DataShape("tfrecord", {name: _feature(array) for name, array in arrays.items()}, {}, count)


def _feature(array: "np.ndarray") -> Feature:
    import numpy as np

    whole = array.dtype.kind in "biu"
    # Distinct values are of interest for labels alone, which are one number.
    distinct = len(np.unique(array)) if array.ndim == 1 else 0
    return Feature(tuple(array.shape[1:]), whole, float(array.min()), float(array.max()), distinct)


def image_shape(feature: Feature) -> tuple[int, int, int] | None:
    """Height, width and channels when it can be an image; a flat square of whole numbers counts as one."""
    if len(feature.shape) == 3 and feature.shape[2] in (1, 3, 4):
        return feature.shape[0], feature.shape[1], feature.shape[2]
    if len(feature.shape) == 2 and min(feature.shape) >= 8:
        return feature.shape[0], feature.shape[1], 1
    if len(feature.shape) == 1 and feature.whole and feature.low >= 0:
        for channels in (1, 3):
            side = math.isqrt(feature.shape[0] // channels)
            if side >= 8 and side * side * channels == feature.shape[0]:
                return side, side, channels
    return None


def _records(path: Path) -> Iterator[bytes]:
    """The records of a TFRecord file, packed or not; checksums are left to ingest."""
    with path.open("rb") as probe:
        packed = probe.read(2) == b"\x1f\x8b"
    with gzip.open(path) if packed else path.open("rb") as file:
        while head := file.read(12):
            (length,) = struct.unpack("<Q", head[:8])
            record = file.read(length)
            if len(record) < length or len(file.read(4)) < 4:
                raise ValueError(f"{path.name} is no TFRecord file, or ends early")
            yield record


def _example(record: bytes) -> Iterator[tuple[str, bool, list[float]]]:
    """Name, whether whole numbers, and values of each numeric feature of a tf.Example."""
    for features in _lengths(record, 1):
        for entry in _lengths(features, 1):
            name = next(_lengths(entry, 1)).decode()
            for feature in _lengths(entry, 2):
                for values in _lengths(feature, 2):
                    yield name, False, _floats(values)
                for values in _lengths(feature, 3):
                    yield name, True, _integers(values)


def _lengths(data: bytes, wanted: int) -> Iterator[bytes]:
    return (value for number, value in _fields(data) if number == wanted and isinstance(value, bytes))


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Number and value of each protobuf field."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        kind = key & 7
        if kind == _VARINT:
            value, place = _varint(data, place)
            yield key >> 3, value
            continue
        if kind not in (_LENGTH, _FIXED32):
            raise ValueError("its records are no tf.Example")
        size, place = _varint(data, place) if kind == _LENGTH else (4, place)
        if place + size > len(data):
            raise ValueError("its records are no tf.Example")
        yield key >> 3, data[place : place + size]
        place += size


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place


def _floats(data: bytes) -> list[float]:
    values = b"".join(_lengths(data, 1))
    return list(struct.unpack(f"<{len(values) // 4}f", values))


def _integers(data: bytes) -> list[float]:
    values: list[float] = []
    for number, value in _fields(data):
        if number != 1:
            continue
        place = 0
        while isinstance(value, bytes) and place < len(value):
            one, place = _varint(value, place)
            values.append(one - 2**64 if one >= 2**63 else one)
        if isinstance(value, int):
            values.append(value - 2**64 if value >= 2**63 else value)
    return values
