"""Writes TFRecord files of tf.Example without importing TensorFlow, which takes seconds.

The format: https://www.tensorflow.org/tutorials/load_data/tfrecord. The same examples always give the same bytes.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

_LENGTH_DELIMITED = 2
_WORD = 0xFFFFFFFF


def write_tfrecord(path: Path, examples: Iterable[Mapping[str, Sequence[int]]]) -> int:
    """Writes one record for each example and returns how many there were.

    Args:
        path: A file that is made or replaced.
        examples: Feature name -> whole numbers from 0 on.
    """
    count = 0
    with path.open("wb") as file:
        for example in examples:
            payload = encode_example(example)
            length = struct.pack("<Q", len(payload))
            file.write(length + _masked_crc(length) + payload + _masked_crc(payload))
            count += 1
    return count


def encode_example(features: Mapping[str, Sequence[int]]) -> bytes:
    """A serialized tf.Example of int64 features, in the order of their names.

    Raises:
        ValueError: A value is negative.
    """
    entries = b""
    for name in sorted(features):
        values = b"".join(_varint(value) for value in features[name])
        int64_list = _field(1, values)  # Int64List.value, packed
        feature = _field(3, int64_list)  # Feature.int64_list
        entries += _field(1, _field(1, name.encode()) + _field(2, feature))  # an entry of the map Features.feature
    return _field(1, entries)  # Example.features


def crc32c(data: bytes) -> int:
    """The Castagnoli checksum (RFC 3720, appendix B.4)."""
    crc = _WORD
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ _WORD


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    if value < 0:
        raise ValueError(f"a value must be 0 or more, got {value}")
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _masked_crc(data: bytes) -> bytes:
    # TFRecord rotates and shifts the checksum, because a checksum of data that holds checksums is weak.
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & _WORD)


def _table_entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_TABLE = [_table_entry(byte) for byte in range(256)]
