"""What to try after a variant did not make it: rules from facts of the summary, with the numbers that made them fire.

A rule returns nothing without its facts. What is advised was measured: docs/compression-results.md and docs/sizes.md.
"""

from collections.abc import Callable, Mapping
from typing import Any

from report.advice_case import FLOAT_MODES, Advice, Case
from report.worst_layer import WorstLayer, worst_layer

_INTEGER = ("int8", "int8_io")
_TRANSFORM = "transform/"
"""What the names of operators begin with that `export: {inputs: raw}` puts in front of a model."""


Rule = Callable[[Case], Advice | None]


def advise(
    summary: Mapping[str, Any], variant: Mapping[str, Any], details: Mapping[str, Any] | None = None
) -> list[Advice]:
    """Everything that the facts of a run suggest for a variant, in the order of the table.

    Args:
        summary: The run's.
        variant: One of its variants.
        details: What lies beside the summary; `None`: nothing, as for runs of older versions.
    """
    case = Case(summary, variant, (details or {}).get("layers", {}).get(variant["name"], ()))
    return [advice for rule in RULES if (advice := rule(case)) is not None]


def more_examples(case: Case) -> Advice | None:
    """The gate could not decide."""
    undecided = [gate for gate in case.variant["gates"] if gate["state"] == "not_enough_data"]
    if not undecided:
        return None
    have = (case.summary["n_examples"] or {}).get("eval")
    # A slice has fewer examples than the split: how many more are needed there, the split's count does not tell.
    needed = max((gate["needed_examples"] or 0 for gate in undecided), default=0)
    gate = max(undecided, key=lambda one: one["needed_examples"] or 0)
    where = f" in slice {gate['slice']}" if gate["slice"] else ""
    held = f"; the eval split holds {have:,}" if have is not None else ""
    if not needed:
        because = f"{gate['rule']} of {gate['metric']}{where} is too close to tell, and more alike would not help{held}"
        return Advice("more_examples", because, "treat it as a real drop, or allow more in the gate")
    because = f"{gate['rule']} of {gate['metric']}{where} needs about {needed:,} examples to decide{held}"
    return Advice("more_examples", because, "give eval a larger share, or collect more", "data:\n  splits: {eval: ...}")


def quantization_drop(case: Case) -> Advice | None:
    """Float is fine with the same steps, integers are not."""
    if not case.drop_rules or case.mode not in _INTEGER or any(step.startswith("qat") for step in case.prefix):
        return None
    gate, beside = case.drop_rules[0], case.in_float()
    if case.prefix and (beside is None or beside["status"] != "passed"):
        return None
    before = "the float model itself" if beside is None else f"{beside['name']} drops {_points(beside['drop'])}"
    worst = worst_layer(case.layers)
    because = (
        f"{case.mode} drops {_points(case.variant['drop'])}, at most {_points(gate['threshold'])} allowed; the same "
        f"steps in float do not: {before}. {_blame(case, worst)}"
    )
    name = case.variant["name"]
    qat = f"variants:\n  {name}_qat: [..., qat: {{epochs: 6}}, quantize: {{mode: {case.mode}}}]\n"
    if worst is not None:
        return Advice(
            "quantization_drop",
            because,
            f"keep {worst.name} in float (int16x8 does where its activations alone are to blame), or train on with "
            "8-bit rounding (qat)",
            f"{qat}  {name}_mixed: [..., quantize: {{mode: {case.mode}, layers: {{{worst.name}: float32}}}}]",
        )
    return Advice(
        "quantization_drop",
        because,
        "train on with 8-bit rounding (qat), or let max_validation_drop find the worst layers and keep them in float "
        "(layers: {NAME: int16x8} keeps one that you know)",
        f"{qat}  {name}_mixed: [..., quantize: {{mode: {case.mode}, "
        f"max_validation_drop: {max(gate['threshold'], 0) / 2:g}}}]",
    )


def _blame(case: Case, worst: WorstLayer | None) -> str:
    if worst is not None:
        return str(worst)
    measured = any(row["error"]["output"] is not None for row in case.layers)
    return "No layer stands out in error" if measured else "Which layer costs most was not measured"


def step_drop(case: Case) -> Advice | None:
    """The steps lose quality before anything is quantized."""
    beside = case.in_float()
    if not case.drop_rules or not case.prefix or beside is None or beside["status"] == "passed":
        return None
    because = f"{' -> '.join(case.prefix)} loses {_points(beside['drop'])} in float already ({beside['name']})"
    yaml = "- prune: {sparsity: ..., epochs: 20, teacher: baseline}" if _has(case, "prune ") else ""
    advice = "compress less, or fine-tune longer with the float model as teacher (teacher: baseline)"
    return Advice("step_drop", because, advice, yaml)


def unknown_drop(case: Case) -> Advice | None:
    """Nothing tells the steps' drop from that of the conversion."""
    if not case.drop_rules or not case.prefix or case.mode in FLOAT_MODES or case.in_float() is not None:
        return None
    because = (
        f"it drops {_points(case.variant['drop'])}, and no variant with the same steps stays in float, so that steps "
        "and conversion cannot be told apart"
    )
    yaml = f"variants:\n  {case.variant['name']}_float: [..., quantize: {{mode: float16}}]"
    return Advice("unknown_drop", because, "add one: its steps are shared, so that it costs only a conversion", yaml)


def champion_drop(case: Case) -> Advice | None:
    """Worse than the model in the field."""
    drop, champion = case.variant["drop_vs_champion"], case.summary["champion"]
    if champion is None or drop is None or drop <= 0 or case.variant["status"] == "passed":
        return None
    if case.reason("champion|version") is None:
        return None
    because = f"it is {_points(drop)} worse than version {champion['version']}, which is in the field, on the new data"
    advice = "keep the champion, train on more recent data, or begin with its weights (docs/champion.md)"
    return Advice("champion_drop", because, advice)


def broken_promise(case: Case) -> Advice | None:
    """The file does not hold what a step promised."""
    broken = (case.audit.get("promises") or {}).get("broken") or []
    if not broken:
        return None
    said = f"{broken[0]}" + (f" (and {len(broken) - 1} more)" if len(broken) > 1 else "")
    if "zero" in broken[0]:
        advice = "a later step or the conversion filled zeros: end pruning earlier, so that the target is reached"
        return Advice("broken_promise", said, advice, "- prune: {end_epoch: ...}   # a third of epochs")
    if broken[0].endswith("in float"):
        advice = "that layer has no integer kernel: replace it, or permit it to stay in float"
        return Advice("broken_promise", said, advice, "quantize: {mode: int8, layers: {NAME: float32}}")
    return Advice("broken_promise", said, "docs/audit.md tells what each promise means and which step makes it")


def float_operators(case: Case) -> Advice | None:
    """Operators that compute in float in an integer file."""
    islands = case.audit.get("float_operators") or []
    if case.audit.get("raw_inputs") is not None:  # the transform stays in float by intent
        islands = [island for island in islands if not island.partition(": ")[2].startswith(_TRANSFORM)]
    if case.mode not in _INTEGER or not islands:
        return None
    because = f"computed in float in the {case.mode} file: {', '.join(islands)}"
    return Advice("float_operators", because, "replace those layers by ones with integer kernels (docs/own-model.md)")


def unsupported_operators(case: Case) -> Advice | None:
    """Operators that the device lacks."""
    reason = case.reason("^every operator must be one of profile")
    select = case.audit.get("flex_operators") or []
    if reason is None and not select:
        return None
    because = reason or f"the file needs TensorFlow's own operators: {', '.join(select)}"
    return Advice("unsupported_operators", because, "replace the layers that need them; `plan --check` names them")


def over_latency(case: Case) -> Advice | None:
    """Too slow."""
    reason = case.reason(r"^9 of 10 invocations must take at most")
    if reason is None:
        return None
    depthwise = case.audit.get("operators", {}).get("DEPTHWISE_CONV_2D", 0)
    if case.mode == "dynamic" and depthwise:
        because = f"{reason}; {depthwise} depthwise convolutions compute with dynamic ranges"
        return Advice("over_latency", because, "use static ranges", "quantize: {mode: int8}")
    if case.mode not in _INTEGER:
        advice = "int8 was 2.3 times faster than float32 where it was measured (docs/compression-results.md)"
        return Advice("over_latency", reason, advice, "quantize: {mode: int8}")
    advice = "remove channels: half of them with int8 was 3.6 times faster than float32 (docs/compression-results.md)"
    return Advice("over_latency", reason, advice, "- prune_channels: {ratio: 0.5}\n- quantize: {mode: int8}")


def over_size(case: Case) -> Advice | None:
    """Too large; zeros and shared values shrink what is packed, fewer channels the file itself."""
    packed = case.reason("bytes after gzip, got")
    raw = case.reason("^the file must have at most [0-9,]+ bytes, got")
    if packed is not None and not all(_has(case, step) for step in ("prune ", "cluster", "qat")):
        advice = "prune, cluster and qat together: 20.6 times smaller at 0.28 points in docs/compression-results.md"
        yaml = "- prune: {sparsity: 0.9}\n- cluster: {clusters: 16}\n- qat: {}\n- quantize: {mode: int8}"
        return Advice("over_size", packed, advice, yaml)
    if raw is not None:
        advice = "zeros do not shrink the file itself: convert to int8, and remove channels"
        return Advice("over_size", raw, advice, "- prune_channels: {ratio: 0.5}\n- quantize: {mode: int8}")
    return None


def not_chosen(case: Case) -> Advice | None:
    """Passed, but another one was chosen."""
    name, selected = case.variant["name"], case.summary["selected"]
    if case.variant["status"] != "passed" or selected is None or selected == name:
        return None
    chosen = next(other for other in case.summary["variants"] if other["name"] == selected)
    pairs = [
        f"{label} {case.variant[key]:,} against {chosen[key]:,}"
        for key, label in (("gzip_bytes", "gzip bytes"), ("size_bytes", "bytes"))
        if case.variant[key] is not None and chosen[key] is not None
    ]
    pairs += [f"drop {v['drop']:+.4f}" for v in (case.variant,) if v["drop"] is not None and chosen["drop"] is not None]
    pairs[-1:] = (
        [f"{pairs[-1]} against {chosen['drop']:+.4f}"] if pairs and pairs[-1].startswith("drop") else pairs[-1:]
    )
    because = f"{selected} was chosen, {case.summary['selection_reason']}; " + ", ".join(pairs)
    return Advice(
        "not_chosen", because, "`select` decides among those that passed", "select: most_accurate   # or fastest"
    )


RULES: tuple[Rule, ...] = (
    more_examples,
    broken_promise,
    quantization_drop,
    step_drop,
    unknown_drop,
    champion_drop,
    float_operators,
    unsupported_operators,
    over_latency,
    over_size,
    not_chosen,
)
"""In the order in which people should read them."""


def _has(case: Case, step: str) -> bool:
    return any(name.startswith(step) for name in case.prefix)


def _points(drop: float) -> str:
    """A drop in the metric's own unit."""
    return f"{drop:.4f}"
