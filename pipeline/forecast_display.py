"""A forecast for people: one block for each variant, at most 80 columns wide."""

from collections.abc import Iterator, Mapping
from itertools import chain, repeat
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.forecast import Forecast, StepForecast, VariantForecast

WIDTH = 80

_MOST_NAMES = 8

_NOTES = (
    "Bytes are those of the model before any training, really converted on random\n"
    "examples; after gzip they depend on the weights, and what stands here is an\n"
    "estimate. Quality is not foretold."
)


def show(forecast: Forecast) -> RenderableType:
    """The model, a block for each variant, and what the numbers are."""
    baseline = forecast.baseline
    parts: list[RenderableType] = [Text(_model(forecast.model)), Text("")]
    parts.append(_headline("baseline", baseline.size_bytes, baseline.gzip_bytes, works=not baseline.faults))
    parts += [Text(f"  {fault}", "red") for fault in baseline.faults]
    for variant in forecast.variants:
        headline = _headline(variant.name, variant.size_bytes, variant.gzip_bytes_estimate, works=variant.works)
        parts += [Text(""), headline, _steps(variant)]
    return Group(*parts, Text(""), Text(_NOTES, style="dim"))


def _model(facts: Mapping[str, Any]) -> str:
    reads, answers = (
        ", ".join(f"{name} {port['shape']}" for name, port in facts[key].items()) for key in ("inputs", "outputs")
    )
    kind = " (a SavedModel without Keras layers)" if facts["saved_model"] else ""
    return f"{facts['source']}{kind}: {facts['parameters']:,} parameters\nreads {reads}; answers {answers}"


def _headline(name: str, size: int | None, compressed: int | None, *, works: bool) -> Text:
    text = Text.assemble((f"{name}  ", "bold"))
    if not works:
        text.append("cannot work", "red")
    if size is not None:
        text.append(f"{'' if works else '; '}{size:,} bytes, after gzip about {compressed:,}")
    return text


def _steps(variant: VariantForecast) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.width = WIDTH
    grid.add_column(width=20)
    grid.add_column(ratio=1, overflow="fold")
    for step in variant.steps:
        for label, text in zip(chain([step.label], repeat("")), _said(step), strict=False):
            grid.add_row(Text(f"  {label}"), text)
    return grid


def _said(step: StepForecast) -> Iterator[Text]:
    if step.fault is not None:
        yield Text(step.fault, "red")
    takes = _by_words(step.takes)
    for words, layers in takes.items():
        everything = len(takes) == 1 and not step.leaves and len(layers) > _MOST_NAMES
        yield Text(f"{words}: {f'all {len(layers)} layers' if everything else _names(layers)}")
    yield from (Text(f"not {_names(layers)} ({why})", "yellow") for why, layers in _by_words(step.leaves).items())
    yield from (Text(f"try: {advice}", "cyan") for advice in step.advice)


def _by_words(layers: Mapping[str, str]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for layer, words in layers.items():
        grouped.setdefault(words, []).append(layer)
    return grouped


def _names(layers: list[str]) -> str:
    if len(layers) <= _MOST_NAMES:
        return ", ".join(layers)
    return f"{', '.join(layers[: _MOST_NAMES - 2])} and {len(layers) - _MOST_NAMES + 2} more"
