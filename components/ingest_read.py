"""The reading half of ingest: from files to records in their split and shard, with every fact about them."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import apache_beam as beam
import tensorflow as tf
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue
from google.protobuf.message import DecodeError

from components import contract, record_shuffle
from components.errors import InputError
from components.ingest_spec import IngestSpec, SourceFile
from components.readers import READERS, BadFile, UnreadableFile, csv, local_source

SHARD_BYTES = 128 * 2**20
"""Input bytes that one output file stands for at most."""

NO_SPAN = -1
"""Stands for `None` in keys that Beam groups by."""


ShardKey = tuple[str, int, int]
"""One output file: its split, its span (or `NO_SPAN`), and its number among the files of these."""


def shard_counts(spec: IngestSpec) -> dict[int, int]:
    """How many files hold a span's records of a split, by span; `NO_SPAN` for data without."""
    sizes: Counter[int] = Counter()
    for file in spec.files:
        sizes[_number(file.span)] += file.size_bytes
    return {span: 1 + size // SHARD_BYTES for span, size in sizes.items()}


def _number(span: int | None) -> int:
    return NO_SPAN if span is None else span


class ReadRecords(beam.DoFn):
    """File to `(shard, piece)` for what it spilled, and on the side `facts`: how often each was seen in a bundle."""

    def __init__(self, spec: IngestSpec, spill_folder: str) -> None:
        self._spec = spec
        self._shards = shard_counts(spec)
        self._spill_folder = spill_folder
        self._examples = self._bytes = 0

    def start_bundle(self) -> None:
        """Forgets what a bundle that failed had read."""
        self._facts: Counter[tuple[str, ...]] = Counter()
        self._spill = record_shuffle.Spill[ShardKey](self._spill_folder, record_shuffle.SPILL_BYTES)

    def process(self, file: SourceFile, types: Iterable[dict[str, str]] = ()) -> Iterator:
        """Reads one file; a damaged one becomes a fact, so that all damage is reported together."""
        spec = csv.with_types(self._spec, list(types)) if types else self._spec
        try:
            with local_source(file, spec) as path:
                for record in READERS[spec.format](replace(file, path=path), spec):
                    if isinstance(record, BadFile):
                        self._facts["unreadable_file", f"{file.path}/{record}"] += 1
                        continue
                    self._check_limits(record)
                    self._place(record, file)
                    if self._spill.full:
                        yield from self._spill.flush()
        except UnreadableFile as error:
            self._facts["unreadable", file.path, str(error)] += 1

    def finish_bundle(self) -> Iterator:
        """Hands on what is left."""
        for piece in self._spill.flush():
            yield _global(piece)
        for counted in self._facts.items():
            yield beam.pvalue.TaggedOutput("facts", _global(counted))

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

    def _place(self, record: bytes, file: SourceFile) -> None:
        try:
            example = tf.train.Example.FromString(record)
        except DecodeError:
            example = None
        fault = ("not_an_example", "") if example is None else contract.record_fault(example, self._spec)
        if fault:
            self._facts[(*fault, file.path)] += 1
            return
        # Map order in protobuf is arbitrary: only deterministic bytes may be hashed and sorted.
        canonical = example.SerializeToString(deterministic=True)
        digest = hashlib.sha256(canonical).digest()
        split = self._spec.split_of(file, self._decisive(example, digest), self._value(example))
        if split is None:
            return
        self._count(example, split, file)
        # The shard comes from other bytes of the digest than the bucket, so that every shard of a split fills.
        span = _number(file.span)
        shard = int.from_bytes(digest[8:16], "big") % self._shards[span]
        self._spill.add((split, span, shard), digest, canonical)

    def _count(self, example: tf.train.Example, split: str, file: SourceFile) -> None:
        self._facts["example", split] += 1
        if file.span is not None:
            self._facts["span", split, str(file.span)] += 1
        for name, task in self._spec.targets.items():
            if task in contract.CLASSIFICATION:
                label = example.features.feature[name].int64_list.value[0]
                self._facts["class", name, split, str(label)] += 1

    def _decisive(self, example: tf.train.Example, digest: bytes) -> bytes:
        """What a record's bucket follows from: its group, if there are groups, else its content."""
        if not self._spec.group_by:
            return digest
        return hashlib.sha256(str(contract.single_value(example, self._spec.group_by)).encode()).digest()

    def _value(self, example: tf.train.Example) -> str:
        return str(contract.single_value(example, self._spec.split_column)) if self._spec.split_column else ""


def _global(value: Any) -> WindowedValue:  # noqa: ANN401 - an element of any kind
    """As Beam wants what the end of a bundle hands on."""
    return WindowedValue(value, GlobalWindow().max_timestamp(), (GlobalWindow(),))
