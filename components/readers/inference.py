"""Types of the columns of CSV files, as a part of ingest's Beam job: one type must hold for all rows of all files."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import apache_beam as beam

from components.ingest_spec import IngestSpec, SourceFile
from components.places import local_copy
from components.readers import UnreadableFile, csv


def column_types(files: beam.PCollection, spec: IngestSpec) -> list[beam.pvalue.AsList]:
    """The types in each file, as a side input for whoever reads them; none for formats that know their types."""
    return [beam.pvalue.AsList(files | "Types" >> beam.ParDo(_Infer(spec)))] if spec.format == "csv" else []


class _Infer(beam.DoFn):
    """File to the types of its columns; of one that cannot be read to nothing, since reading it says so."""

    def __init__(self, spec: IngestSpec) -> None:
        self._spec = spec

    def process(self, file: SourceFile) -> Iterator[dict[str, str]]:
        """Reads one file."""
        with contextlib.suppress(UnreadableFile), local_copy(file.path) as path:
            yield csv.infer(replace(file, path=path), self._spec)
