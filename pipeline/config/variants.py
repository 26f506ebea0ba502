"""The `variants` section: named lists of steps, each list ending in one `quantize`."""

import functools
import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from compression.settings import PruneSettings, QuantizeSettings, Settings
from compression.settings.quantize import INT8_MODES
from pipeline.config.faults import Fault, KeyPath, SectionError, nearest, show
from pipeline.config.names import MAX_NAME, VARIANT_NAME, WORDS, matches
from pipeline.config.translate import validate
from pipeline.steps import STEPS


@dataclass(frozen=True)
class Step:
    """One compression move of a variant.

    Attributes:
        kind: A key of `pipeline.steps.STEPS`.
        settings: Checked settings of the class that the table names.
    """

    kind: str
    settings: Settings

    def canonical(self) -> tuple[str, object]:
        """Kind and all settings as JSON values; equal for steps that do the same."""
        return self.kind, self.settings.model_dump(mode="json", by_alias=True)

    def identity(self) -> tuple[str, object]:
        """Kind and the settings that are not defaults: a key that comes with a new version changes nothing."""
        settings = self.settings.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        # The first pattern that matches counts, so the order of a mapping is part of what a step does.
        return self.kind, {
            key: list(value.items()) if isinstance(value, dict) else value for key, value in settings.items()
        }


Variants = dict[str, tuple[Step, ...]]

BASELINE = "baseline"
"""The float model's own nodes bear this name."""


@functools.cache
def settings_class(kind: str) -> type[Settings]:
    """The settings class that the table names for a kind of step."""
    module, _, name = STEPS[kind].settings.rpartition(".")
    found = getattr(importlib.import_module(module), name)
    assert isinstance(found, type)
    assert issubclass(found, Settings)
    return found


def read_variants(raw: object) -> Variants:
    """Checks the whole section.

    Raises:
        SectionError: With the faults of all variants, paths relative to the section.
    """
    if not isinstance(raw, dict):
        raise SectionError(Fault((), "must be a mapping from variant names to lists of steps", show(raw)))
    if not raw:
        raise SectionError(Fault((), "must hold at least one variant", "none"))
    faults: list[Fault] = []
    variants: Variants = {}
    for name, items in raw.items():
        if not matches(VARIANT_NAME, name) or len(name) > MAX_NAME:
            must = f"must have a name of {WORDS[VARIANT_NAME]}, at most {MAX_NAME} characters"
            faults.append(Fault((name,), must, show(name)))
        if name == BASELINE:
            faults.append(Fault((name,), f"must not be named {BASELINE}, as the float model is", show(name)))
        if not isinstance(items, list | tuple) or not items:
            advice = "start every step with a dash" if isinstance(items, dict) else None
            faults.append(Fault((name,), "must be a list of steps that ends in quantize", show(items), advice))
            continue
        read = [_read_step(item, (name, position), faults) for position, item in enumerate(items)]
        faults += _order_faults(name, read)
        variants[name] = tuple(step for _, step in read if step is not None)
    if not faults:
        faults = _repeated(variants)
    if faults:
        raise SectionError(*faults)
    return variants


def _read_step(item: object, path: KeyPath, faults: list[Fault]) -> tuple[str | None, Step | None]:
    """Kind and step, each as far as it can be read."""
    if isinstance(item, Step):
        return item.kind, item
    if isinstance(item, str):
        item = {item: None}
    if not isinstance(item, dict) or len(item) != 1:
        got = f"a mapping with the keys {', '.join(item)}" if isinstance(item, dict) and item else show(item)
        faults.append(Fault(path, "must be one step, written `kind: {settings}`", got, "start every step with a dash"))
        return None, None
    kind, raw = next(iter(item.items()))
    if kind not in STEPS:
        faults.append(Fault((*path, kind), f"must be one of {', '.join(STEPS)}", show(kind), nearest(kind, STEPS)))
        return None, None
    try:
        return kind, Step(kind, validate(settings_class(kind), {} if raw is None else raw))
    except SectionError as error:
        faults += [fault.under((*path, kind)) for fault in error.faults]
        return kind, None


def _order_faults(name: str, read: list[tuple[str | None, Step | None]]) -> list[Fault]:
    kinds = [kind for kind, _ in read]
    if None in kinds:
        return []  # an unknown step may have been meant as the missing one
    faults = []
    for position, kind in enumerate(kinds):
        before = kinds[:position]
        here = (name, position)
        if kind in before:
            faults.append(Fault(here, "must hold every kind of step once", f"{kind} again"))
        elif kind == "quantize" and position < len(kinds) - 1:
            faults.append(Fault(here, "must have quantize as the last step", f"{kinds[position + 1]} after it"))
        elif "quantize" not in before and (wrong := [other for other in before if other not in STEPS[str(kind)].after]):
            allowed = STEPS[str(kind)].after
            must = f"must stand after {' or '.join(allowed)}, or first" if allowed else "must be the first step"
            faults.append(Fault(here, must, f"{kind} after {wrong[-1]}"))
    faults += _pattern_faults(name, [step for _, step in read if step is not None])
    if "quantize" not in kinds:
        faults.append(
            Fault((name,), "must end in quantize", f"{kinds[-1]} as the last step", "add quantize: {mode: int8}")
        )
    last = read[-1][1]
    if "qat" in kinds and last and isinstance(last.settings, QuantizeSettings):
        faults += [fault.under((name, len(read) - 1, "quantize")) for fault in _qat_faults(last.settings)]
    return faults


def _qat_faults(settings: QuantizeSettings) -> list[Fault]:
    """What `quantize` cannot do after quantization-aware training."""
    faults = []
    if settings.mode not in INT8_MODES:
        must = f"must be one of {', '.join(sorted(INT8_MODES))} after qat, which trains for 8 bits"
        faults.append(Fault(("mode",), must, show(settings.mode)))
    for key in settings.changed("layers", "max_validation_drop"):
        must = "must be left out after qat, which trains every layer for the range it has"
        faults.append(Fault((key,), must, show(getattr(settings, key)), "name layers in the skip of qat instead"))
    return faults


def _pattern_faults(name: str, steps: list[Step]) -> list[Fault]:
    """Blocks and m:n patterns lie along the input channels: when some of those leave, they are patterns no more."""
    patterned = False
    for position, step in enumerate(steps):
        if isinstance(step.settings, PruneSettings):
            patterned = step.settings.m_by_n is not None or step.settings.block_size is not None
        if patterned and step.kind == "prune_channels":
            must = "must stand before a prune step with m_by_n or block_size, whose pattern it would break"
            return [Fault((name, position), must, "prune_channels after prune")]
    return []


def _repeated(variants: Mapping[str, tuple[Step, ...]]) -> list[Fault]:
    first: dict[str, str] = {}
    faults = []
    for name, steps in variants.items():
        other = first.setdefault(json.dumps([step.canonical() for step in steps]), name)
        if other != name:
            faults.append(Fault((name,), "must differ from every other variant", f"the same steps as {other}"))
    return faults
