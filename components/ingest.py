"""Ingest: reads every source file in one Beam job, checks the data contract and writes the splits.

The files it writes are a function of the records alone: a record's split and place follow from its span and the hash of
its canonical bytes, so neither the order of files nor the number of workers shows. Records that repeat are kept.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

import apache_beam as beam
import tensorflow as tf
from google.protobuf.message import DecodeError
from tfx.dsl.component.experimental.annotations import BeamComponentParameter, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import Examples

from components import contract
from components.cycles.cluster import NOTE_FILE, Note, Order, begin
from components.errors import InputError
from components.ingest_spec import IngestSpec, SourceFile
from components.places import local_copy
from components.readers import READERS, BadImage, UnreadableFile, csv
from components.readers.inference import column_types
from components.source_files import resolve
from components.spans import Pattern

SHARD_BYTES = 128 * 2**20
"""Input bytes that one output file stands for at most; a shard is sorted in memory."""

FACTS_FILE = "facts.json"
WINDOW_FILE = "window.json"

_NO_SPAN = -1
"""Stands for `None` in keys that Beam groups by."""

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
    facts_path = f"{examples.uri}/{FACTS_FILE}"
    with beam_pipeline as pipeline:
        files = pipeline | "Files" >> beam.Create(what.files)
        read = files | "Read" >> beam.ParDo(_ReadRecords(what), *column_types(files, what)).with_outputs(
            "facts", main="records"
        )
        _ = (
            read.records
            | "Group" >> beam.GroupByKey()
            | "Write" >> beam.Map(_write_shard, examples_uri=examples.uri, shards=_shards(what))
        )
        _ = (
            read.facts
            | "Count" >> beam.combiners.Count.PerElement()
            | "Gather" >> beam.combiners.ToList()
            | "WriteFacts" >> beam.Map(_write_facts, path=facts_path)
        )
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


def _shards(spec: IngestSpec) -> dict[int | None, int]:
    """How many files hold a span's records of a split, by span."""
    sizes: Counter[int | None] = Counter()
    for file in spec.files:
        sizes[file.span] += file.size_bytes
    return {span: 1 + size // SHARD_BYTES for span, size in sizes.items()}


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
        notes = asdict(spec.notes) | {"unreadable_images": counted.unreadable_images}
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


class _ReadRecords(beam.DoFn):
    """File to `((split, shard), (digest, record))`, with every fact about it on the side."""

    def __init__(self, spec: IngestSpec) -> None:
        self._spec = spec
        self._shards = _shards(spec)
        self._examples = self._bytes = 0

    def process(self, file: SourceFile, types: Iterable[dict[str, str]] = ()) -> Iterator:
        """Reads one file; a damaged one yields a fact, so that all damage is reported together."""
        spec = csv.with_types(self._spec, list(types)) if types else self._spec
        try:
            with local_copy(file.path) as path:
                for record in READERS[spec.format](replace(file, path=path), spec):
                    if isinstance(record, BadImage):
                        yield beam.pvalue.TaggedOutput("facts", ("unreadable_image", f"{file.path}/{record}"))
                        continue
                    self._check_limits(record)
                    yield from self._place(record, file)
        except UnreadableFile as error:
            yield beam.pvalue.TaggedOutput("facts", ("unreadable", file.path, str(error)))

    def _check_limits(self, record: bytes) -> None:
        """Ends the whole job as soon as this worker alone has read too much."""
        self._examples += 1
        self._bytes += len(record)
        for what, read in (("examples", self._examples), ("bytes", self._bytes)):
            most = getattr(self._spec.limits, what)
            if most is not None and read > most:
                raise InputError(
                    f"the data may hold at most {most:,} {what} (data.limits.{what}), and hold more; allow more, or "
                    "name less data in data.path"
                )

    def _place(self, record: bytes, file: SourceFile) -> Iterator:
        try:
            example = tf.train.Example.FromString(record)
        except DecodeError:
            example = None
        fault = ("not_an_example", "") if example is None else contract.record_fault(example, self._spec)
        if fault:
            yield beam.pvalue.TaggedOutput("facts", (*fault, file.path))
            return
        # Map order in protobuf is arbitrary: only deterministic bytes may be hashed and sorted.
        canonical = example.SerializeToString(deterministic=True)
        digest = hashlib.sha256(canonical).digest()
        split = self._spec.split_of(file, self._decisive(example, digest), self._value(example))
        if split is None:
            return
        yield beam.pvalue.TaggedOutput("facts", ("example", split))
        if file.span is not None:
            yield beam.pvalue.TaggedOutput("facts", ("span", split, str(file.span)))
        for name, task in self._spec.targets.items():
            if task in contract.CLASSIFICATION:
                label = example.features.feature[name].int64_list.value[0]
                yield beam.pvalue.TaggedOutput("facts", ("class", name, split, str(label)))
        # The shard comes from other bytes of the digest than the bucket, so that every shard of a split fills.
        shard = int.from_bytes(digest[8:16], "big") % self._shards[file.span]
        yield (split, _NO_SPAN if file.span is None else file.span, shard), (digest, canonical)

    def _decisive(self, example: tf.train.Example, digest: bytes) -> bytes:
        """What a record's bucket follows from: its group, if there are groups, else its content."""
        if not self._spec.group_by:
            return digest
        return hashlib.sha256(str(contract.single_value(example, self._spec.group_by)).encode()).digest()

    def _value(self, example: tf.train.Example) -> str:
        return str(contract.single_value(example, self._spec.split_column)) if self._spec.split_column else ""


def _write_shard(
    keyed: tuple[tuple[str, int, int], Iterable[tuple[bytes, bytes]]],
    examples_uri: str,
    shards: Mapping[int | None, int],
) -> None:
    (split, number, shard), records = keyed
    span = None if number == _NO_SPAN else number
    folder = artifact_split_uri(examples_uri, split)
    fileio.makedirs(folder)
    path = f"{folder}/{_shard_prefix(span)}{shard:05d}-of-{shards[span]:05d}.gz"
    with tf.io.TFRecordWriter(path, tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
        for _, record in sorted(records):
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
