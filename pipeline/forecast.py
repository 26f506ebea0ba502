"""`plan --check`: what every variant would become, found out on the untrained model."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from compression import keras_models
from compression.determinism import seed_everything
from compression.preview.advice import advise_operators, advise_refused, advise_step
from compression.preview.conversion import ConversionPreview, preview_conversion
from compression.settings import QuantizeSettings
from pipeline.config import Config
from pipeline.model_preflight import Foreseen, Start, foresee, starts, step_faults
from pipeline.plan import Plan, StepNode, VariantPlan, describe


@dataclass(frozen=True)
class StepForecast:
    """One step of a variant.

    Attributes:
        kind: A key of `pipeline.steps.STEPS`.
        label: The step in a few words.
        takes: What becomes of each layer that it works on.
        leaves: Why each other layer stays as it is.
        fault: Why it cannot be taken, or why the file would be blocked; `None` when it can.
        advice: What may be done about each obstacle.
    """

    kind: str
    label: str
    takes: Mapping[str, str]
    leaves: Mapping[str, str]
    fault: str | None
    advice: tuple[str, ...]


@dataclass(frozen=True)
class VariantForecast:
    """One variant.

    Attributes:
        name: Its name.
        works: Whether all steps can be taken and a file comes out that keeps its promises.
        steps: Its steps; those after one that cannot be taken are left out.
        size_bytes: The file's size, `None` without a file.
        gzip_bytes_estimate: The file after gzip -9, with the weights of a model that was not trained.
        missing_operators: Operators that TFLite lacks.
    """

    name: str
    works: bool
    steps: tuple[StepForecast, ...]
    size_bytes: int | None
    gzip_bytes_estimate: int | None
    missing_operators: tuple[str, ...]


@dataclass(frozen=True)
class Forecast:
    """Everything that can be said before training.

    Attributes:
        model: Facts of the model: source, hparams, parameters, inputs, outputs.
        baseline: The float32 file.
        variants: One row per variant.
        faults: One line per reason why a variant cannot work, with its place in the configuration.
    """

    model: Mapping[str, Any]
    baseline: ConversionPreview
    variants: tuple[VariantForecast, ...]
    faults: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def make_forecast(config: Config, plan: Plan) -> Forecast:
    """Builds or reads the model, previews every step, and converts every variant in child processes.

    With a search, steps are asked at the extremes of its space, and files are made of its default point.

    Raises:
        UserError: There is no model that could be looked at.
    """
    # The same weights, and with them the same sizes after gzip, in every call.
    seed_everything(config.seed)
    found = starts(config)
    start = found[0]
    seen = foresee(config, plan, start, weights=True)
    converter = _Converter(config, start, seen)
    baseline = converter.convert((), QuantizeSettings(mode="float32"))
    variants = tuple(_variant(config, plan, variant, seen, converter) for variant in plan.variants)
    faults = [*_baseline_faults(config, baseline), *_variant_faults(config, variants)]
    for other in found[1:]:
        faults += step_faults(config, plan, other, foresee(config, plan, other))
    return Forecast(_facts(config, start), baseline, variants, tuple(faults))


class _Converter:
    """Conversions of the models that steps would leave; those that are the same are done once."""

    def __init__(self, config: Config, start: Start, seen: Mapping[str, Foreseen]) -> None:
        self._config = config
        self._start = start
        self._seen = seen
        self._done: dict[tuple[str | None, str], ConversionPreview] = {}

    def convert(self, before: tuple[StepNode, ...], settings: QuantizeSettings) -> ConversionPreview:
        """The file that `quantize` would make after some steps."""
        key = (
            before[-1].id if before else None,
            settings.model_dump_json(exclude={"calibration_examples", "time_limit_s"}),
        )
        if key not in self._done:
            model = self._seen[before[-1].id].after if before else self._start.model
            reports = [self._report(step) for step in before]
            self._done[key] = preview_conversion(model, settings, self._config.tasks, reports)
        return self._done[key]

    def _report(self, step: StepNode) -> dict[str, Any]:
        preview = self._seen[step.id].preview
        assert preview is not None
        return {"step": step.kind, "promises": [], "left_float": list(preview.left_float)}


def _variant(
    config: Config, plan: Plan, variant: VariantPlan, seen: Mapping[str, Foreseen], converter: _Converter
) -> VariantForecast:
    nodes = {step.id: step for step in plan.steps}
    before = tuple(nodes[step_id] for step_id in variant.interior)
    steps: list[StepForecast] = []
    for node in before:
        preview = seen[node.id].preview
        if preview is None:
            advice = advise_refused(node.kind, seen[node.id].model)
            steps.append(StepForecast(node.kind, describe(node), {}, {}, seen[node.id].fault, advice))
            return VariantForecast(variant.name, False, tuple(steps), None, None, ())
        advice = advise_step(node.kind, preview.network, preview.leaves)
        steps.append(StepForecast(node.kind, describe(node), preview.takes, preview.leaves, None, advice))
    made = converter.convert(before, variant.quantize)
    fault = "; ".join(made.faults) or None
    advice = (*advise_operators(made.missing_operators), *_about_size(config, made.size_bytes))
    steps.append(StepForecast("quantize", describe(variant.steps[-1]), made.takes, made.leaves, fault, advice))
    return VariantForecast(
        variant.name, fault is None, tuple(steps), made.size_bytes, made.gzip_bytes, made.missing_operators
    )


def _about_size(config: Config, size_bytes: int | None) -> Iterator[str]:
    budget = config.edge.max_size_bytes
    if budget is not None and size_bytes is not None and size_bytes > budget:
        yield f"prune_channels or a smaller model, because edge.max_size_bytes allows {budget:,} bytes"


def _baseline_faults(config: Config, baseline: ConversionPreview) -> Iterator[str]:
    key = "pretrained" if config.model.pretrained is not None else "module"
    for fault in baseline.faults:
        yield f"{config.where('model', key)}: the baseline in float32: {fault}"


def _variant_faults(config: Config, variants: Iterable[VariantForecast]) -> Iterator[str]:
    for variant in variants:
        for step in variant.steps:
            if step.fault is not None:
                yield f"{config.where('variants', variant.name)}: {step.label}: {step.fault}"


def _facts(config: Config, start: Start) -> dict[str, Any]:
    model = start.model
    return {
        "source": config.model.pretrained or config.model.module,
        "hparams": {**config.model.hparams, **start.point},
        "parameters": model.count_params(),
        "saved_model": keras_models.is_opaque(model),
        "inputs": _ports(model.input_names, model.inputs),
        "outputs": _ports(model.output_names, model.outputs),
    }


def _ports(names: Iterable[str], tensors: Iterable[Any]) -> dict[str, dict[str, Any]]:
    pairs = zip(names, tensors, strict=True)
    return {name: {"dtype": tensor.dtype.name, "shape": list(tensor.shape[1:])} for name, tensor in pairs}
