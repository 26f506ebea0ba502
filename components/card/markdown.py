"""A model card as people read it: the same facts as its JSON, in Markdown."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from components.card.text import fenced, paragraphs, plain, table
from components.card.usage import LANGUAGES

NOT_STATED = "*Not stated.*"
"""What stands where the configuration says nothing; `card` in docs/model-card.md says how to state it."""

_TITLES = {
    "python": "Linux (Python)",
    "android": "Android (Kotlin)",
    "ios": "iOS (Swift)",
    "tflm": "Microcontroller (C++, TFLM)",
}


def render(card: Mapping[str, Any]) -> str:
    """The page.

    Args:
        card: As `components.card.contents.compose` makes it.
    """
    details = card["model_details"]
    parts = [f"# Model card: {plain(details['name'])}", _gist(card)]
    for title, section in _SECTIONS.items():
        parts += [f"## {title}", *section(card)]
    return "\n\n".join(parts) + "\n"


def _gist(card: Mapping[str, Any]) -> str:
    details, size = card["model_details"], card["size"]
    steps = ", ".join(details["steps"])
    return (
        f"Variant {plain(details['variant'])} ({plain(steps)}): {size['size_bytes']:,} bytes, "
        f"{size['gzip_bytes']:,} after gzip. The file is model.tflite beside this card, sha256 {size['sha256']}."
    )


def _model_details(card: Mapping[str, Any]) -> Iterator[str]:
    details = card["model_details"]
    task = details["task"]
    tasks = ", ".join(f"{output}: {name}" for output, name in task.items()) if isinstance(task, dict) else task
    rows = [
        ("Licence", details["license"] or "not stated"),
        ("Owners", ", ".join(details["owners"]) or "not stated"),
        ("Task", tasks),
        ("Why this variant", details["selection"]),
        ("Run", details["run_id"]),
        ("Seed", details["seed"]),
        ("Configuration (sha256)", details["config_sha256"]),
        *((f"{name.replace('_', ' ')} (sha256)", sha256) for name, sha256 in details["parents"].items()),
        ("Made with", ", ".join(f"{name} {version}" for name, version in details["tools"].items())),
    ]
    yield table(("fact", "value"), rows)
    yield "Compression, in this order:"
    yield "\n".join(f"{number}. {plain(step)}" for number, step in enumerate(details["steps"], start=1))


def _intended_use(card: Mapping[str, Any]) -> Iterator[str]:
    titles = {"intended_use": "Intended use", "intended_users": "Intended users", "out_of_scope": "Out of scope"}
    for name, title in titles.items():
        yield f"**{title}.** {_stated(card['intended_use'][name])}"


def _factors(card: Mapping[str, Any]) -> Iterator[str]:
    yield _stated(card["factors"]["factors"])
    slices = card["factors"]["slices"]
    yield f"Quality was looked at by {plain(', '.join(slices))}." if slices else "Quality was not looked at by slices."


def _data(card: Mapping[str, Any]) -> Iterator[str]:
    data = card["data"]
    yield _stated(data["description"])
    rows = [(part["split"], f"{part['examples']:,}", part["used_for"]) for part in data["splits"]]
    yield table(("split", "examples", "used for"), rows)
    if data["spans"]:
        spans = [(span["name"], span["version"] or "-", _counts(span["examples"])) for span in data["spans"]]
        yield table(("span", "version", "examples"), spans)


def _analyses(card: Mapping[str, Any]) -> Iterator[str]:
    analyses = card["quantitative_analyses"]
    yield (
        f"On {analyses['examples']:,} examples of the eval split, which nothing else has seen. A drop is the loss "
        "against the float model on the same examples; each bound of its interval holds with "
        f"{100 * card['metrics']['confidence']:.4g} % confidence."
    )
    rows = [("all", analyses["examples"], analyses["overall"])]
    rows += [(part["slice"], part["examples"], part["metrics"]) for part in analyses["slices"]]
    head = ("slice", "examples", "metric", "this model", "float model", "drop", "interval")
    yield table(
        head,
        (
            (slice_, f"{examples:,}", name, *_numbers(numbers))
            for slice_, examples, metrics in rows
            for name, numbers in metrics.items()
        ),
    )
    yield from _champion(analyses["champion"])
    rules = card["metrics"]["rules"]
    if rules:
        yield "The gate's rules:"
        shown = ((rule["slice"] or "all", _rule(rule), _number(rule["limit"]), rule["state"]) for rule in rules)
        yield table(("slice", "rule", "limit", "state"), shown)


def _champion(champion: Mapping[str, Any] | None) -> Iterator[str]:
    """Beside the version that was current before, where the gate asked for it."""
    for name, numbers in (champion or {}).get("metrics", {}).items():
        assert champion is not None
        yield (
            f"Against version {plain(champion['version'])}, current before: {plain(name)} "
            f"{_number(numbers.get('candidate'))} beside {_number(numbers.get('champion'))}, a drop of "
            f"{_number(numbers.get('drop'))} ({plain(_interval(numbers.get('drop_ci')))})."
        )


def _size_and_speed(card: Mapping[str, Any]) -> Iterator[str]:
    size, speed = card["size"], card["speed"]
    latency = speed["latency_ms"]
    measured = [f"{name} {value:.4g}" for name, value in latency.items() if value is not None]
    host = ", ".join(f"{name} {value}" for name, value in speed["host"].items())
    rows = [
        ("Bytes", f"{size['size_bytes']:,}"),
        ("Bytes after gzip", f"{size['gzip_bytes']:,}"),
        ("Share of weights that are zero", _number(size["weights_sparsity"])),
        ("Distinct weights", size["distinct_weights"]),
        ("Operators", ", ".join(f"{name} {count}" for name, count in size["operators"].items())),
        ("Operators in float", ", ".join(size["float_operators"]) or "none"),
        ("Multiply-accumulates for an example", _whole(speed["macs"])),
        ("Memory for activations, bytes", _whole(speed["arena_bytes"])),
        ("Latency for an example, ms", ", ".join(measured) or "not measured"),
        ("Measured on", host),
        ("Device profile", speed["profile"]),
    ]
    yield table(("fact", "value"), rows)
    if speed["arena_source"]:
        yield f"Memory: {plain(speed['arena_source'])}."
    yield "Latency was measured on the host above; another device has another one."


def _ports(card: Mapping[str, Any]) -> Iterator[str]:
    head = ("", "name", "type", "shape", "scale", "zero point")
    rows = [
        (side, port["name"], port["dtype"], _shape(port["shape"]), port["scale"] or "-", _zero_point(port))
        for side in ("inputs", "outputs")
        for port in card[side]
    ]
    yield table(head, ((row[0].removesuffix("s"), *row[1:]) for row in rows))
    yield (
        "A first dimension of -1 is the batch. With a scale, an integer q stands for the real number scale times (q - "
        "zero point)."
    )
    names = card["model_details"]["label_names"]
    for output, listed in names.items() if isinstance(names, dict) else [("", names)]:
        if listed:
            of = f" of {plain(output)}" if output else ""
            yield f"Classes{of}, from 0: {', '.join(plain(name) for name in listed)}."


def _usage(card: Mapping[str, Any]) -> Iterator[str]:
    yield (
        "golden.npz holds real examples with the answers of this model: a device that gives the same answers computes "
        "the same."
    )
    for platform, title in _TITLES.items():
        snippet = card["usage"][platform]
        yield f"### {title}"
        if snippet["code"] is None:
            yield f"No program: {plain(snippet['why_not'])}."
        else:
            yield fenced(LANGUAGES[platform], snippet["code"])


def _ethics(card: Mapping[str, Any]) -> Iterator[str]:
    yield _stated(card["ethical_considerations"])


def _caveats(card: Mapping[str, Any]) -> Iterator[str]:
    yield _stated(card["caveats"])


_SECTIONS: dict[str, Callable[[Mapping[str, Any]], Iterator[str]]] = {
    "Model details": _model_details,
    "Intended use": _intended_use,
    "Factors": _factors,
    "Data": _data,
    "Quantitative analyses": _analyses,
    "Size and speed": _size_and_speed,
    "Ethical considerations": _ethics,
    "Caveats and recommendations": _caveats,
    "Inputs and outputs": _ports,
    "How to run it": _usage,
}


def _stated(text: str | None) -> str:
    return paragraphs(text) if text else NOT_STATED


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _whole(value: int | None) -> str:
    return "not measured" if value is None else f"{value:,}"


def _numbers(numbers: Mapping[str, Any]) -> tuple[str, ...]:
    named = (_number(numbers.get(name)) for name in ("candidate", "baseline", "drop"))
    return (*named, _interval(numbers.get("drop_ci")))


def _interval(bounds: list[float | None] | None) -> str:
    low, high = bounds or (None, None)
    return f"{'unbounded' if low is None else _number(low)} to {'unbounded' if high is None else _number(high)}"


def _rule(rule: Mapping[str, Any]) -> str:
    return " ".join(filter(None, (rule["metric"], rule["rule"])))


def _shape(shape: list[int]) -> str:
    return " x ".join(map(str, shape)) or "scalar"


def _zero_point(port: Mapping[str, Any]) -> object:
    return port["zero_point"] if port["scale"] else "-"


def _counts(examples: Mapping[str, int]) -> str:
    return ", ".join(f"{split} {count:,}" for split, count in examples.items())
