"""The contract that every record keeps, whatever schema is inferred from the data.

Ingest counts facts while it reads; `faults` judges the counts and puts what is wrong into words.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import tensorflow as tf

from components.ingest_spec import IngestSpec

CLASSIFICATION = ("multiclass", "binary")

_FILES_SHOWN = 3

_RECORD_FAULTS = {
    "not_an_example": "records must be serialized tf.Example messages",
    "label_missing": "label {feature!r} must be present in every record with exactly one value",
    "label_type": "label {feature!r} must be {label_type}",
    "label_not_binary": "label {feature!r} must be 0 or 1 for a binary task",
    "label_negative": "label {feature!r} must not be negative",
    "group_missing": "feature {feature!r}, by which data.group_by groups, must have exactly one value in every record",
    "split_missing": "feature {feature!r}, by which data.splits divides, must have exactly one value in every record",
    "split_unknown": "feature {feature!r} must have a value that data.splits names for a split",
    "not_finite": "feature {feature!r} must hold finite numbers, no NaN and no infinity",
}


@dataclass(frozen=True)
class Facts:
    """What was seen while reading.

    Attributes:
        examples: Split to number of records.
        classes: Label feature to split to label value to number of records (classification only).
        record_faults: (kind, feature, path) to number of records.
        unreadable: Path to the reason why it could not be read.
        records: Number of records read, faulty ones included.
        spans: Span to split to number of records; empty for data without spans.
        unreadable_files: What is wrong with each image or recording that could not be read, sorted.
    """

    examples: dict[str, int] = field(default_factory=dict)
    classes: dict[str, dict[str, dict[int, int]]] = field(default_factory=dict)
    record_faults: dict[tuple[str, str, str], int] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    records: int = 0
    spans: dict[int, dict[str, int]] = field(default_factory=dict)
    unreadable_files: list[str] = field(default_factory=list)

    @classmethod
    def from_counts(cls, counts: Iterable[tuple[tuple[str, ...], int]]) -> "Facts":
        """Sorts counted facts, as `record_facts` names them, into their tables."""
        facts = cls()
        records = 0
        for (kind, *rest), count in sorted(counts):
            if kind == "example":
                facts.examples[rest[0]] = count
                records += count
            elif kind == "class":
                feature, split, label = rest
                facts.classes.setdefault(feature, {}).setdefault(split, {})[int(label)] = count
            elif kind == "span":
                split, span = rest
                facts.spans.setdefault(int(span), {})[split] = count
            elif kind == "unreadable_file":
                facts.unreadable_files.append(rest[0])
            elif kind == "unreadable":
                facts.unreadable[rest[0]] = rest[1]
            else:
                facts.record_faults[(kind, rest[0], rest[1])] = count
        return replace(facts, records=records)


def record_fault(example: tf.train.Example, spec: IngestSpec) -> tuple[str, str] | None:
    """The first thing wrong with a record, as (kind, feature), or `None`."""
    features = example.features.feature
    for name in sorted(features):
        # Doubles hold the sum of any number of floats: it is finite when and only when all of them are.
        if not math.isfinite(sum(features[name].float_list.value)):
            return "not_finite", name
    for name, task in spec.targets.items():
        fault = _label_fault(features[name], task) if name in features else "label_missing"
        if fault:
            return fault, name
    for name, fault in ((spec.group_by, "group_missing"), (spec.split_column, "split_missing")):
        if name and single_value(example, name) is None:
            return fault, name
    if spec.split_column:
        known = {value for share in spec.shares for value in share.values}
        if single_value(example, spec.split_column) not in known:
            return "split_unknown", spec.split_column
    return None


def single_value(example: tf.train.Example, name: str) -> str | None:
    """The one value of a feature, as text; `None` when it has none or several."""
    if name not in example.features.feature:
        return None
    value = example.features.feature[name]
    kind = value.WhichOneof("kind")
    values = getattr(value, kind).value if kind else ()
    if len(values) != 1:
        return None
    return (
        values[0].decode(errors="replace")
        if isinstance(values[0], bytes)
        else f"{values[0]:g}"
        if kind == "float_list"
        else str(values[0])
    )


def _label_fault(label: tf.train.Feature, task: str) -> str | None:
    kind = label.WhichOneof("kind")
    values = getattr(label, kind).value if kind else ()
    if len(values) != 1:
        return "label_missing"
    if kind not in (("int64_list",) if task in CLASSIFICATION else ("int64_list", "float_list")):
        return "label_type"
    if task == "binary" and values[0] not in (0, 1):
        return "label_not_binary"
    if task == "multiclass" and values[0] < 0:
        return "label_negative"
    return None


def faults(facts: Facts, spec: IngestSpec) -> list[str]:
    """Everything that breaks the contract, one sentence each; empty when the data may be trained on."""
    spans = {file.path: f"span {file.span}: {file.path}" for file in spec.files if file.span is not None}
    said = [f"{spans.get(path, path)}: {reason}" for path, reason in facts.unreadable.items()]
    for (kind, feature, path), count in facts.record_faults.items():
        label_type = "one integer" if spec.targets.get(feature) in CLASSIFICATION else "one number"
        rule = _RECORD_FAULTS[kind].format(feature=feature, label_type=label_type)
        said.append(f"{spans.get(path, path)}: {rule}; {count} record(s) break this")
    said += [*_file_faults(facts, spec), *_limit_faults(facts, spec)]
    if said:
        return said
    empty = [split for split in spec.splits if not facts.examples.get(split)]
    if empty:
        return [
            f"every split must hold examples; {', '.join(empty)} got none of {facts.records} records; "
            "give it a larger share in data.splits, or more data"
        ]
    classified = [feature for feature, task in spec.targets.items() if task in CLASSIFICATION]
    return [fault for feature in classified for fault in _class_faults(feature, facts.classes.get(feature, {}), spec)]


def _file_faults(facts: Facts, spec: IngestSpec) -> list[str]:
    allowed, bad = spec.max_unreadable, facts.unreadable_files
    if len(bad) <= allowed:
        return []
    shown = "; ".join(bad[:_FILES_SHOWN]) + ("; ..." if len(bad) > _FILES_SHOWN else "")
    return [
        f"at most {allowed} file(s) may be unreadable (data.{spec.format}.max_unreadable), but {len(bad)} are: "
        f"{shown}; remove or replace them, or allow more"
    ]


def _limit_faults(facts: Facts, spec: IngestSpec) -> list[str]:
    read = sum(facts.examples.values())
    if spec.limits.examples is None or read <= spec.limits.examples:
        return []
    return [f"there may be at most {spec.limits.examples:,} examples (data.limits.examples), but there are {read:,}"]


def _class_faults(feature: str, classes: Mapping[str, dict[int, int]], spec: IngestSpec) -> list[str]:
    train = classes.get("train", {})
    if len(train) < 2:
        return [f"train must hold at least two classes of {feature!r}, got {sorted(train)}"]
    return [
        f"every class of {split} must occur in train; class(es) {absent} of {feature!r} "
        f"({sum(classes[split][label] for label in absent)} {split} example(s)) do not"
        for split in spec.splits
        if (absent := sorted(classes.get(split, {}).keys() - train.keys()))
    ]
