"""CSV files with a header, quoted as RFC 4180 says, plain or gzip. Types are declared, or inferred from all rows."""

from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa
from pyarrow import csv

from components.ingest_spec import IngestSpec, SourceFile
from components.readers.columns import check_columns, records, type_of, typed, wider
from components.readers.unreadable import UnreadableFile

_BLOCK_BYTES = 4 * 2**20
"""What is held in memory at a time, and the longest row."""


def read_csv(file: SourceFile, spec: IngestSpec) -> Iterator[bytes]:
    """One example for every row.

    Args:
        file: The file.
        spec: With the type of every column in `table.types`; see `infer`.
    """
    for first_row, batch in _batches(file, spec):
        columns = {
            name: typed(name, batch.column(name), spec.table.types.get(name) or "string", first_row)
            for name in batch.schema.names
        }
        yield from records(columns, spec, first_row)


def infer(file: SourceFile, spec: IngestSpec) -> dict[str, str]:
    """The narrowest type of every column of one file; what is declared stays."""
    found: dict[str, str] = {}
    for _, batch in _batches(file, spec):
        for name in batch.schema.names:
            if name not in spec.table.types:
                found[name] = wider(found.get(name, "int"), type_of(batch.column(name)))
    return {**found, **spec.table.types}


def with_types(spec: IngestSpec, found: list[dict[str, str]]) -> IngestSpec:
    """The specification with one type for every column of all files."""
    types: dict[str, str] = dict(spec.table.types)
    for table in found:
        for name, type_ in table.items():
            if name not in spec.table.types:
                types[name] = wider(types.get(name, "int"), type_)
    return replace(spec, table=replace(spec.table, types=types))


def _batches(file: SourceFile, spec: IngestSpec) -> Iterator[tuple[int, pa.RecordBatch]]:
    """`(number of the first row, rows)`, all columns as text."""
    parse = csv.ParseOptions(delimiter=spec.table.delimiter, newlines_in_values=True)
    row = 1
    try:
        with pa.input_stream(file.path, compression="detect") as stream:
            # The names must be known before the types can be fixed.
            head = csv.open_csv(stream, csv.ReadOptions(block_size=_BLOCK_BYTES), parse).schema.names
        check_columns(head, spec)
        texts = csv.ConvertOptions(column_types=dict.fromkeys(head, pa.string()), strings_can_be_null=False)
        with pa.input_stream(file.path, compression="detect") as stream:
            for batch in csv.open_csv(stream, csv.ReadOptions(block_size=_BLOCK_BYTES), parse, texts):
                yield row, batch
                row += batch.num_rows
    except (pa.ArrowInvalid, pa.ArrowKeyError, UnicodeDecodeError, OSError) as error:
        raise UnreadableFile(f"it must be a CSV file with a header, sound after row {row - 1}: {error}") from error
