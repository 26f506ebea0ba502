"""Whether the eval split can hold enough examples for any variant to pass the gate, told before anything runs."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.source_files import FOLDERS_OF_CLASSES, class_files, data_files
from compression.settings.metrics import METRICS
from compression.statistics.bounds import MIN_EXAMPLES
from compression.statistics.decision import per_variant_confidence
from pipeline.config import Config
from pipeline.config.faults import KeyPath
from pipeline.config.gate import Thresholds
from pipeline.counting import Uncountable, count_csv_rows, count_parquet_rows, count_records, count_rows
from pipeline.sources import read_spans
from registry.storage import is_uri

# Of all eval examples only these tell something about the metric.
_TELLING = {
    "auc": " of the rarer class",
    "precision": " that are called positive",
    "recall": " with label 1",
    "f1": " that are called positive",
}


@dataclass(frozen=True)
class _Rule:
    """A threshold on the drop of a metric, where it stands, and the drop that it allows at most."""

    path: KeyPath
    metric: str
    max_drop: float

    @property
    def in_slice(self) -> bool:
        return "slices" in self.path


def eval_warnings(config: Config) -> list[str]:
    """What no variant could pass, because the eval split is too small; empty also where it cannot be counted.

    A rule for a slice is held against the whole split, which the slice is a part of.
    """
    rules = list(_rules(config))
    hopeless = [rule for rule in rules if not rule.max_drop and METRICS[rule.metric].higher_is_better]
    return [*_hopeless(config, hopeless), *_too_small(config, [rule for rule in rules if rule not in hopeless])]


def _rules(config: Config) -> Iterator[_Rule]:
    for path, rule in config.gate.placed():
        yield from _thresholds(path, rule.metric, rule)
        if rule.max_drop_vs_champion is not None:
            yield _Rule((*path, "max_drop_vs_champion"), rule.metric, rule.max_drop_vs_champion)
        for position, part in enumerate(rule.slices):
            yield from _thresholds((*path, "slices", position), rule.metric, part)


def _thresholds(path: KeyPath, metric: str, part: Thresholds) -> Iterator[_Rule]:
    if part.max_drop is not None:
        yield _Rule((*path, "max_drop"), metric, part.max_drop)
    elif part.max_drop_percent is not None:
        # Of a baseline that is at most 1: the most that the percentage can allow.
        yield _Rule((*path, "max_drop_percent"), metric, part.max_drop_percent / 100)


def _hopeless(config: Config, rules: list[_Rule]) -> list[str]:
    return [
        f"{config.where(*rule.path)}: must be above 0 for a variant that answers just as the baseline to pass, got "
        "0: no number of examples proves that nothing is lost; allow a small drop"
        for rule in rules
    ]


def _too_small(config: Config, rules: list[_Rule]) -> list[str]:
    if not rules:
        return []
    confidence, variants = config.gate.confidence, len(config.variants)
    each = per_variant_confidence(confidence, variants)
    enough = {rule: surely_enough(rule.max_drop, each, rule.metric) for rule in rules}
    try:
        held = eval_examples(config, max(enough.values()))
    except Uncountable:
        return []  # the data are damaged, which is for ingest to say
    doubtful = [rule for rule in rules if held < enough[rule]]
    if not doubtful:
        return []
    # Brings NumPy and SciPy, which takes a second.
    from compression.statistics.power import smallest_passing_n

    needed = [smallest_passing_n(rule.max_drop, confidence, variants, rule.metric) for rule in doubtful]
    pairs = zip(doubtful, needed, strict=True)
    return [_warning(config, rule, least, held) for rule, least in pairs if least is None or held < least]


def surely_enough(max_drop: float, confidence: float, metric: str) -> int:
    """At least `smallest_passing_n`, without its cost.

    Args:
        max_drop: Above 0 for a metric that lies in [0, 1].
        confidence: One-sided, for one variant.
        metric: A key of `METRICS`.
    """
    if max_drop >= 1 or not METRICS[metric].higher_is_better:
        return MIN_EXAMPLES
    # No difference seen in n examples bounds it by 1 - (1 - confidence)^(1/n); the gate's bounds need under twice that.
    return max(MIN_EXAMPLES, 2 * math.ceil(math.log(1 - confidence) / math.log1p(-max_drop)) + 9)


def eval_examples(config: Config, enough: int) -> int:
    """How many examples the eval split holds, as its share of the source.

    Args:
        config: The configuration.
        enough: More than so many need not be told apart.

    Raises:
        Uncountable: The data cannot be counted.
    """
    if is_uri(config.data.path):
        raise Uncountable("the data would have to be fetched first")
    if config.data.group_by or config.data.splits_by_column:
        raise Uncountable("they would have to be read first")
    part = config.data.splits.ranges()["eval"]
    in_all = math.ceil(enough * part.total / part.buckets)
    return _counted(config, _eval_roots(config), part.source or "", in_all) * part.buckets // part.total


def _counted(config: Config, roots: list[Path], source: str, enough: int) -> int:
    """How many examples one source holds; `enough` may stand for more."""
    form = config.data.format
    if form == "npz":
        label = next(iter(config.data.labels.values()))
        array = (config.data.arrays or {})[label].replace("{split}", source)
        return sum(count_rows(root, array) for root in roots)
    files = [Path(str(file)) for root in roots for file in data_files(form, root, source)]
    if form in FOLDERS_OF_CLASSES:
        return sum(len(class_files(form, folder)) for folder in files)
    count = {"csv": count_csv_rows, "parquet": count_parquet_rows}.get(form, count_records)
    return count(files, enough)


def _eval_roots(config: Config) -> list[Path]:
    """The folders or files that hold the eval split."""
    window = read_spans(config)
    if window is None:
        return [Path(config.data.path)]
    taken = window.deliveries[-1:] if config.data.eval_on == "newest" else window.deliveries
    return [delivery.path for delivery in taken]


def _warning(config: Config, rule: _Rule, least: int | None, held: int) -> str:
    where = "every slice that it makes" if rule.in_slice else "the eval split"
    has = "the whole eval split holds" if rule.in_slice else "it holds"
    if least is None:
        return f"{config.where(*rule.path)}: no number of examples is enough for it; allow more"
    variants, confidence = len(config.variants), f"confidence {config.gate.confidence:g}"
    who = f"one of {variants} variants" if variants > 1 else "the variant"
    percent = " (more where the baseline's value is below 1)" if rule.path[-1] == "max_drop_percent" else ""
    return (
        f"{config.where(*rule.path)}: {where} must hold at least {least} examples{_TELLING.get(rule.metric, '')}"
        f"{percent} for {who} to pass at {confidence}, even if it answers just as the baseline; {has} about {held}. "
        "Give eval a larger share of the data, collect more, allow a larger drop or try fewer variants"
    )
