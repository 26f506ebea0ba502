"""How many examples data hold, counted without TensorFlow and without reading them; quick rather than exact."""

import ast
import gzip
import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

# Beyond either the rest is taken to be like what was seen; both take about a quarter of a second.
_MOST_RECORDS = 50_000
_MOST_UNPACKED_BYTES = 64 * 2**20
# A record that claims to be longer is no record.
_LONGEST_BYTES = 2**31
_HEADER_BYTES, _FOOTER_BYTES = 12, 4
_BLOCK_BYTES = 2**20
_GZIP = b"\x1f\x8b"


class Uncountable(Exception):
    """The files are not what they should be; ingest says how, with its own words."""


def count_records(paths: Sequence[Path], enough: int) -> int:
    """Records of TFRecord files, packed by gzip or not, by their length headers.

    Args:
        paths: The files.
        enough: Counting ends here.

    Returns:
        The number, or `enough` when there are as many. An estimate by size where files are large.

    Raises:
        Uncountable: A file is damaged, no TFRecord, or cannot be read.
    """
    counted = seen_bytes = 0
    try:
        total_bytes = sum(path.stat().st_size for path in paths)
        for path in paths:
            with path.open("rb") as file:
                packed = file.read(len(_GZIP)) == _GZIP
                file.seek(0)
                for end in _record_ends(gzip.GzipFile(fileobj=file) if packed else file):
                    counted += 1
                    if counted >= enough:
                        return enough
                    if counted >= _MOST_RECORDS or (packed and end > _MOST_UNPACKED_BYTES):
                        return min(enough, round(counted * total_bytes / (seen_bytes + file.tell())))
                if not packed and file.tell() > path.stat().st_size:
                    raise Uncountable(f"{path} ends within a record")
            seen_bytes += path.stat().st_size
    except (OSError, EOFError, zlib.error) as error:
        raise Uncountable(str(error)) from error
    return counted


def _record_ends(stream: BinaryIO | gzip.GzipFile) -> Iterator[int]:
    """Where each record ends, in unpacked bytes; https://www.tensorflow.org/tutorials/load_data/tfrecord."""
    end = 0
    while header := stream.read(_HEADER_BYTES):
        length = int.from_bytes(header[:8], "little")
        if len(header) < _HEADER_BYTES or length > _LONGEST_BYTES:
            raise Uncountable("a header of a record is damaged")
        stream.seek(length + _FOOTER_BYTES, os.SEEK_CUR)
        end += _HEADER_BYTES + length + _FOOTER_BYTES
        yield end


def count_csv_rows(paths: Sequence[Path], enough: int) -> int:
    """Rows of CSV files with a header, packed by gzip or not; line breaks within quotes are not counted.

    Args:
        paths: The files.
        enough: Counting ends here.

    Returns:
        The number, or `enough` when there are as many. An estimate by size where files are large.

    Raises:
        Uncountable: A file cannot be read.
    """
    counted = read_bytes = packed_bytes = 0
    try:
        total_bytes = sum(path.stat().st_size for path in paths)
        for path in paths:
            counted -= 1  # the header
            with path.open("rb") as file:
                packed = file.read(len(_GZIP)) == _GZIP
                file.seek(0)
                for lines, size in _line_ends(gzip.GzipFile(fileobj=file) if packed else file):
                    counted += lines
                    read_bytes += size
                    if counted >= enough:
                        return enough
                    if read_bytes >= _MOST_UNPACKED_BYTES:
                        return min(enough, round(counted * total_bytes / (packed_bytes + file.tell())))
            packed_bytes += path.stat().st_size
    except (OSError, EOFError, zlib.error) as error:
        raise Uncountable(str(error)) from error
    return max(0, counted)  # an empty file lacks its header too


def _line_ends(stream: BinaryIO | gzip.GzipFile) -> Iterator[tuple[int, int]]:
    """`(line ends, bytes)` block by block; the last line needs no end."""
    quoted, last = False, b"\n"
    while block := stream.read(_BLOCK_BYTES):
        # Every second part stands within quotes; a quote that is doubled makes an empty one.
        parts = block.split(b'"')
        yield sum(part.count(b"\n") for part in parts[quoted::2]), len(block)
        quoted ^= len(parts) % 2 == 0
        last = block[-1:]
    if last != b"\n":
        yield 1, 0


def count_parquet_rows(paths: Sequence[Path], enough: int) -> int:
    """Rows of Parquet files, by their footers; `enough` when there are as many.

    Raises:
        Uncountable: A file is no Parquet, or cannot be read.
    """
    # Takes a fifth of a second to import.
    import pyarrow as pa
    import pyarrow.parquet as pq

    counted = 0
    try:
        for path in paths:
            counted += pq.read_metadata(path).num_rows
            if counted >= enough:
                return enough
    except (pa.ArrowException, OSError) as error:
        raise Uncountable(str(error)) from error
    return counted


def count_rows(path: Path, array: str) -> int:
    """Rows of an array in an `.npz` file, by its header.

    Raises:
        Uncountable: There is no such array, or it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{array}.npy") as stream:
            magic = stream.read(8)
            if magic[:6] != b"\x93NUMPY":
                raise Uncountable(f"{array} is no array")
            # https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
            length = int.from_bytes(stream.read(2 if magic[6] == 1 else 4), "little")
            shape = ast.literal_eval(stream.read(length).decode())["shape"]
            return int(shape[0])
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, KeyError, ValueError, SyntaxError, IndexError) as error:
        raise Uncountable(f"{path}: {error}") from error
