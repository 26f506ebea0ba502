"""Class weights as people write them: by the names of classes, checked against labels and tasks."""

from collections.abc import Iterator, Mapping, Sequence

from compression.outputs import SOLE, by_output
from pipeline.config.faults import Fault, nearest, show

_HERE = ("train", "class_weights")


def numbered(weights: object, label_names: object) -> object:
    """The same with the number of each class that is given by name.

    Args:
        weights: `train.class_weights`.
        label_names: `data.label_names`.

    >>> numbered({"cat": 2.0, "1": 0.5}, ("cat", "dog"))
    {'0': 2.0, '1': 0.5}
    """
    if not isinstance(weights, dict):
        return weights
    if isinstance(label_names, dict):
        return {output: numbered(one, label_names.get(output)) for output, one in weights.items()}
    names = label_names if isinstance(label_names, list | tuple) else ()
    numbers = {name: str(number) for number, name in enumerate(names)}
    return {
        numbers.get(name, name): numbered(one, None) if isinstance(one, dict) else one for name, one in weights.items()
    }


def weight_faults(
    weights: object, label_names: object, outputs: Sequence[str], tasks: Mapping[str, object]
) -> Iterator[Fault]:
    """Where `train.class_weights` fits neither outputs, tasks nor the names of classes.

    Args:
        weights: `train.class_weights`; may be wrong itself.
        label_names: `data.label_names`.
        outputs: The outputs, the only one being `SOLE`; empty where they are not known.
        tasks: The task of each output.
    """
    if weights in (None, "none") or not outputs:
        return
    if isinstance(weights, str):
        regressions = [output for output in outputs if tasks.get(output) == "regression"]
        if regressions:
            advice = "" if outputs == [SOLE] else "give a mapping from each output that has classes to its weights"
            must = "must be left out for the task regression" + (f" of {', '.join(regressions)}" if advice else "")
            yield Fault(_HERE, must, show(weights), advice)
        return
    if not isinstance(weights, dict):
        return
    names: dict[str, object] = by_output(label_names)
    for output, one in ({SOLE: weights} if outputs == [SOLE] else weights).items():
        place = (*_HERE, output) if output else _HERE
        if output not in outputs:
            must = f"must be one of the outputs {', '.join(outputs)} of data.label"
            yield Fault(place, must, show(output), nearest(output, outputs))
        elif tasks.get(output) == "regression":
            yield Fault(place, "must be left out for the task regression", show(one), "remove it")
        elif isinstance(one, dict):
            known = names.get(output)
            yield from _class_faults(place, one, known if isinstance(known, list | tuple) else ())
        elif one not in ("none", "balanced"):
            yield Fault(place, "must be none, balanced or a mapping from class to weight", _shown(one))


def _class_faults(place: tuple[str, ...], weights: Mapping[object, object], names: Sequence[str]) -> Iterator[Fault]:
    numbers = [str(number) for number in range(len(names))]
    for name, weight in weights.items():
        text = str(name)
        if isinstance(weight, dict) or weight in ("none", "balanced"):
            got = "a mapping" if isinstance(weight, dict) else str(weight)
            yield Fault((*place, text), "must be a number, because data.label names one output", got)
        elif names and text not in names and text not in numbers:
            must = f"must be one of the classes {', '.join(names)} of data.label_names, or its number"
            yield Fault((*place, text), must, text, nearest(text, list(names)))
        elif text in names and str(names.index(text)) in map(str, weights) and text not in numbers:
            must = "must be given once, by name or by number"
            yield Fault((*place, text), must, f"{text} and {names.index(text)}")
        elif not names and not text.isdigit():
            must = "must be the number of a class, because data.label_names gives no names"
            yield Fault((*place, text), must, text)


def _shown(value: object) -> str:
    # Before and after a whole number has become a float it is the same fault.
    return f"{value:g}" if isinstance(value, float | int) else show(value)
