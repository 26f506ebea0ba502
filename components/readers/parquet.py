"""Parquet files: numbers, booleans, texts, bytes, and lists of these."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from components.ingest_spec import IngestSpec, SourceFile
from components.readers.columns import TYPES, check_columns, records
from components.readers.unreadable import UnreadableFile

_ROWS = 4096


def read_parquet(file: SourceFile, spec: IngestSpec) -> Iterator[bytes]:
    """One example for every row; lists become features with several values."""
    row = 1
    try:
        with pq.ParquetFile(file.path) as table:
            held = table.schema_arrow
            check_columns(held.names, spec)
            wanted = [name for name in held.names if name not in spec.table.ignore]
            for name in wanted:
                _check_type(name, held.field(name).type)
            for batch in table.iter_batches(_ROWS, columns=wanted):
                yield from records({name: _column(name, batch, spec) for name in wanted}, spec, row)
                row += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise UnreadableFile(f"it must be a Parquet file, sound after row {row - 1}: {error}") from error


def _column(name: str, batch: pa.RecordBatch, spec: IngestSpec) -> pa.Array:
    column = batch.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    declared = spec.table.types.get(name)
    return column.cast(TYPES[declared]) if declared else column


def _check_type(name: str, type_: pa.DataType) -> None:
    inner = type_
    while pa.types.is_list(inner) or pa.types.is_large_list(inner) or pa.types.is_fixed_size_list(inner):
        inner = inner.value_type
    if pa.types.is_dictionary(inner):
        inner = inner.value_type
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_string)
    more = (pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary, pa.types.is_null)
    if not any(is_kind(inner) for is_kind in (*kinds, *more)):
        raise UnreadableFile(
            f"column {name} must hold numbers, booleans, texts, bytes or lists of these, but holds {type_}; convert "
            "it, or name it in data.ignore"
        )
