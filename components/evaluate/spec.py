"""What the gate is told: rules, slices, confidence; one piece of text in a component's parameter."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from compression.outputs import by_output, of_output, parted
from compression.settings import Settings
from compression.settings.metrics import METRICS

CANDIDATE = "candidate"
BASELINE = "baseline"

Task = Literal["multiclass", "binary", "regression"]


class Rule(Settings):
    """What a candidate must keep of one metric.

    Attributes:
        metric: A key of `METRICS`; of one of several outputs `output/metric`.
        max_drop: Largest loss of quality against the baseline, in the metric's unit; must hold with confidence.
        max_drop_percent: The same in percent of the baseline's value.
        min_value: Smallest value of the candidate, for metrics where higher is better.
        max_value: Largest value of the candidate, for metrics where lower is better.
        max_drop_vs_champion: Largest loss of quality against the champion, in the metric's unit; judged on raw
            examples and by itself, see `against_champion`.
    """

    metric: str
    max_drop: float | None = None
    max_drop_percent: float | None = None
    min_value: float | None = None
    max_value: float | None = None
    max_drop_vs_champion: float | None = None

    @model_validator(mode="after")
    def _checked(self) -> "Rule":
        if parted(self.metric)[1] not in METRICS:
            raise ValueError(f"metric must be one of {', '.join(sorted(METRICS))}, got {self.metric!r}")
        if all(value is None for value in (self.max_drop, self.max_drop_percent, self.min_value, self.max_value)):
            raise ValueError("a rule must hold a threshold: max_drop, max_drop_percent, min_value or max_value")
        return self


class SliceRule(Settings):
    """Some examples, and the rules that must hold for them.

    Attributes:
        features: Columns of the transformed examples; every combination of their values is a slice of its own.
        values: Columns and the value that they must have.
        rules: Rules for every slice made so; without any the slices are reported but not judged.
        min_examples: A slice with fewer examples is not judged by its values: it is "not enough data", and blocked.
    """

    features: tuple[str, ...] = ()
    values: dict[str, str | int | float] = Field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    min_examples: Annotated[int, Field(ge=1)] = 1

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that tell whether an example belongs to it."""
        return (*self.features, *self.values)

    def covers(self, slice_key: tuple[tuple[str, str | int | float], ...]) -> bool:
        """Whether a slice of the results is one of those made by this rule."""
        values = dict(slice_key)
        return set(values) == set(self.columns) and all(
            _same(values[name], value) for name, value in self.values.items()
        )


def _same(one: str | float, other: str | float) -> bool:
    try:
        return float(one) == float(other)
    except ValueError:
        return str(one) == str(other)


class GateSpec(Settings):
    """Everything that the gate depends on besides its input artifacts.

    Attributes:
        task: What the labels mean; of several outputs by name.
        label: Column of the label; of several outputs by name.
        rules: Rules for all examples together, which must all hold.
        metrics: Further metrics to report, named as in rules.
        slices: Slices of the examples; the overall slice is always there.
        split: Split of the examples.
        confidence: One-sided confidence that a push passes rightly, for all variants together.
        variants: How many variants may be pushed; each is judged at `1 - (1 - confidence) / variants`.
        min_examples: As for slices, for all examples.
        seed: Of the bootstrap.
        flips_kept: Number of flipped answers in the list.
        batch_size: Examples that are read and compared at a time.
        threads: Threads of LiteRT; 0 for one per core.
    """

    task: Task | dict[str, Task]
    label: str | dict[str, str]
    rules: tuple[Rule, ...]
    metrics: tuple[str, ...] = ()
    slices: tuple[SliceRule, ...] = ()
    split: str = "eval"
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    variants: Annotated[int, Field(ge=1)] = 1
    min_examples: Annotated[int, Field(ge=1)] = 1
    seed: int = 0
    flips_kept: Annotated[int, Field(ge=0)] = 100
    batch_size: Annotated[int, Field(ge=1)] = 2048
    threads: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _checked(self) -> "GateSpec":
        tasks: dict[str, Task] = by_output(self.task)
        if tasks.keys() != by_output(self.label).keys():
            raise ValueError("task and label must be of the same outputs; name all of them in both")
        known = {
            of_output(output, name): None
            for output, task in tasks.items()
            for name, row in sorted(METRICS.items())
            if task in row.class_names
        }
        for name in self.all_metrics:
            if name not in known:
                raise ValueError(f"task {self.task} knows the metrics {', '.join(known)}, got {name!r}")
        if any(not rule.columns for rule in self.slices):
            raise ValueError("a slice must name features or values; rules for all examples stand in `rules`")
        return self

    def parts(self) -> dict[str, "GateSpec"]:
        """Every output by itself, with names as if there were no other; the only output is the whole."""
        labels: dict[str, str] = by_output(self.label)
        return {output: self._part(output, task, labels[output]) for output, task in by_output(self.task).items()}

    def _part(self, output: str, task: Task, label: str) -> "GateSpec":
        own = {
            "task": task,
            "label": label,
            "rules": _rules_of(output, self.rules),
            "metrics": tuple(plain for of, plain in map(parted, self.metrics) if of == output),
            "slices": tuple(part.model_copy(update={"rules": _rules_of(output, part.rules)}) for part in self.slices),
        }
        return self.model_copy(update=own)

    def against_champion(self) -> "GateSpec":
        """The comparison with the champion in the place of the baseline: each `max_drop_vs_champion` is a `max_drop`.

        What has no such rule is measured all the same, so that every metric of the gate has the champion's value.
        """
        rules = tuple(
            Rule(metric=rule.metric, max_drop=rule.max_drop_vs_champion)
            for rule in self.rules
            if rule.max_drop_vs_champion is not None
        )
        changed = {"rules": rules, "metrics": self.all_metrics, "slices": (), "flips_kept": 0}
        return self.model_copy(update=changed)

    @property
    def level(self) -> float:
        """One-sided confidence at which this variant is judged (Bonferroni over the variants)."""
        return 1 - (1 - self.confidence) / self.variants

    @property
    def judged(self) -> tuple[SliceRule, ...]:
        """The overall slice and the others, those without rules included."""
        return (SliceRule(rules=self.rules, min_examples=self.min_examples), *self.slices)

    @property
    def all_metrics(self) -> tuple[str, ...]:
        """Names of all metrics that are computed, in a fixed order."""
        return tuple(dict.fromkeys((*(rule.metric for rule in self.all_rules()), *self.metrics)))

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that slices need."""
        return tuple(dict.fromkeys(name for rule in self.slices for name in rule.columns))

    def all_rules(self) -> Iterator[Rule]:
        """Rules of the overall slice, then those of the others."""
        yield from self.rules
        for part in self.slices:
            yield from part.rules


def _rules_of(output: str, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    named = ((rule, *parted(rule.metric)) for rule in rules)
    return tuple(rule.model_copy(update={"metric": metric}) for rule, of, metric in named if of == output)
