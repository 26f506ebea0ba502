"""Ingest: reads every source file in one Beam job, checks the data contract and writes the splits.

The files it writes are a function of the records alone: a record's split and place follow from its span and the hash of
its canonical bytes, so neither the order of files nor the number of workers shows. Records that repeat are kept.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import apache_beam as beam
import tensorflow as tf
from tfx.dsl.component.experimental.annotations import BeamComponentParameter, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import Examples

from components import contract
from components.cycles.cluster import NOTE_FILE, Note, Order, begin
from components.errors import InputError
from components.ingest_read import NO_SPAN, ReadRecords, ShardKey, shard_counts
from components.ingest_spec import SPILL_FOLDER, IngestSpec, SourceFile
from components.readers.inference import column_types
from components.record_shuffle import Piece, merged
from components.source_files import resolve
from components.spans import Pattern

FACTS_FILE = "facts.json"
WINDOW_FILE = "window.json"

_COMPRESSION = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=1)
"""Quick rather than tight: these files are read soon and kept for as long as the run is."""

_MAX_FAULTS_SHOWN = 8


@component(use_beam=True)
def Ingest(  # noqa: N802 - a component is named like a class
    examples: OutputArtifact[Examples],
    spec: Parameter[str],
    code_sha256: Parameter[str] = "",
    cycle: Parameter[str] = "",
    force: Parameter[str] = "no",
    beam_pipeline: BeamComponentParameter[beam.Pipeline] = None,
) -> None:
    """Emits `Examples` with the splits of `spec`.

    Args:
        examples: The splits, what was counted and read; with `cycle` also the properties `new` and `reason`, and no
            examples when nothing is new.
        spec: An `IngestSpec` as JSON; without files they are looked for now.
        code_sha256: Makes a change of code known to the cache.
        cycle: A `components.cycles.cluster.Order` as JSON: run only when something is new. Empty: run in any case.
        force: `yes`: run although nothing is new; else `no`.
        beam_pipeline: Reads the files.

    Raises:
        InputError: A file is unreadable or the data contract is broken; every fault is named with its count. With
            `cycle` the refusal is kept, so that the next run does not try the same again.
        RegistryError: The registry that keeps the cycles cannot be read or written.
    """
    del code_sha256
    what = IngestSpec.from_json(spec)
    if not what.files:
        what = resolve(what)
    note = _begin_cycle(examples, what, cycle, forced=_said_yes(force)) if cycle else None
    if note is not None and not note.decision.runs:
        return
    try:
        _read(examples, what, beam_pipeline)
    except InputError as error:
        if note is not None:
            note.refuse(str(error))
        raise


def _said_yes(force: str) -> bool:
    if force not in ("yes", "no"):
        raise InputError(f"the parameter force of a run must be yes or no, got {force!r}; give one of them, or none")
    return force == "yes"


def _begin_cycle(examples: Examples, spec: IngestSpec, cycle: str, *, forced: bool) -> Note:
    """Decides, and says so in the artifact's properties and in the note beside the splits."""
    note = begin(Order.from_json(cycle), spec, examples.uri, forced=forced)
    examples.set_int_custom_property("new", note.properties["new"])
    examples.set_string_custom_property("reason", note.properties["reason"])
    fileio.makedirs(examples.uri)
    with fileio.open(f"{examples.uri}/{NOTE_FILE}", "w") as stream:
        stream.write(note.to_json())
    return note


def read_note(examples_uri: str) -> Note | None:
    """The cycle that ingest began; `None` where it had none to begin."""
    path = f"{examples_uri}/{NOTE_FILE}"
    if not fileio.exists(path):
        return None
    with fileio.open(path) as stream:
        return Note.from_json(stream.read())


def _read(examples: Examples, what: IngestSpec, beam_pipeline: beam.Pipeline) -> None:
    spilled = f"{examples.uri}/{SPILL_FOLDER}"
    try:
        with beam_pipeline as pipeline:
            _add_stages(pipeline, what, examples.uri, spilled)
    finally:
        if fileio.exists(spilled):
            fileio.rmtree(spilled)
    faults = contract.faults(read_facts(examples.uri), what)
    if faults:
        more = len(faults) - _MAX_FAULTS_SHOWN
        raise InputError(
            "the data breaks the contract: "
            + "; ".join(faults[:_MAX_FAULTS_SHOWN])
            + (f"; and {more} more" if more > 0 else "")
        )
    examples.split_names = artifact_utils.encode_split_names(list(what.splits))
    _describe_window(examples, what)


def _add_stages(pipeline: beam.Pipeline, what: IngestSpec, uri: str, spilled: str) -> None:
    files = pipeline | "Files" >> beam.Create(what.files)
    read = files | "Read" >> beam.ParDo(ReadRecords(what, spilled), *column_types(files, what)).with_outputs(
        "facts", main="pieces"
    )
    _ = (
        read.pieces
        | "Group" >> beam.GroupByKey()
        | "Write" >> beam.Map(_write_shard, examples_uri=uri, shards=shard_counts(what))
    )
    _ = (
        read.facts
        | "Count" >> beam.CombinePerKey(sum)
        | "Gather" >> beam.combiners.ToList()
        | "WriteFacts" >> beam.Map(_write_facts, path=f"{uri}/{FACTS_FILE}")
    )


def _describe_window(examples: Examples, spec: IngestSpec) -> None:
    """What was read, span by span, beside the splits; and the newest span where TFX's own components note it."""
    counted = read_facts(examples.uri)
    by_span: dict[int, list[SourceFile]] = {}
    for file in spec.files:
        if file.span is not None:
            by_span.setdefault(file.span, []).append(file)
    pattern = Pattern.parse(spec.path)
    spans = [
        {
            "span": span,
            "name": pattern.name_of(span) if pattern else str(span),
            "version": files[0].version,
            "files": len({file.path for file in files}),
            "examples": counted.spans.get(span, {}),
        }
        for span, files in by_span.items()
    ]
    files = len({file.path for file in spec.files})
    with fileio.open(f"{examples.uri}/{WINDOW_FILE}", "w") as stream:
        notes = asdict(spec.notes) | {"unreadable_files": counted.unreadable_files}
        stream.write(json.dumps({"spans": spans, "files": files, "notes": notes}))
    if spec.newest is not None:
        examples.span, examples.version = spec.newest, by_span[spec.newest][0].version or 0


def read_window(examples_uri: str) -> dict[str, Any]:
    """`{spans: [{span, name, version, files, examples: {split: n}}], files, notes}` of ingest's output.

    There may be no spans; `files` is the number of all files that were read.
    """
    with fileio.open(f"{examples_uri}/{WINDOW_FILE}") as stream:
        return json.loads(stream.read())


def span_pattern(examples_uri: str, split: str, span: int) -> str:
    """A glob for the files that hold the examples of one span in one split of ingest's output."""
    return f"{artifact_split_uri(examples_uri, split)}/{_shard_prefix(span)}*.gz"


def read_facts(examples_uri: str) -> contract.Facts:
    """The facts that ingest counted, kept beside the splits."""
    with fileio.open(f"{examples_uri}/{FACTS_FILE}") as stream:
        return contract.Facts.from_counts((tuple(fact), count) for fact, count in json.loads(stream.read()))


def _write_shard(keyed: tuple[ShardKey, Iterable[Piece]], examples_uri: str, shards: Mapping[int, int]) -> None:
    (split, number, shard), pieces = keyed
    span = None if number == NO_SPAN else number
    folder = artifact_split_uri(examples_uri, split)
    fileio.makedirs(folder)
    path = f"{folder}/{_shard_prefix(span)}{shard:05d}-of-{shards[number]:05d}.gz"
    with tf.io.TFRecordWriter(path, _COMPRESSION) as writer:
        for record in merged(pieces):
            writer.write(record)


def _shard_prefix(span: int | None) -> str:
    """How the names of a span's files begin; they sort by span."""
    return "data_tfrecord-" if span is None else f"data_tfrecord-span{span:010d}-"


def artifact_split_uri(examples_uri: str, split: str) -> str:
    """Folder of a split, where TFX's own components look for it."""
    return f"{examples_uri}/Split-{split}"


def _write_facts(counts: list, path: str) -> None:
    with fileio.open(path, "w") as stream:
        stream.write(json.dumps(sorted([list(fact), count] for fact, count in counts)))
