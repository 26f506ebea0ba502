"""pydantic's errors in our message grammar, all of them at once."""

import copy
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pipeline.config.faults import Fault, KeyPath, SectionError, nearest, show, unknown_key
from pipeline.config.names import MAX_NAME, WORDS
from pipeline.config.per_output import ONE, SEVERAL

Model = TypeVar("Model", bound=BaseModel)

# What pydantic adds to places.
_NO_KEYS = ("[key]", ONE, SEVERAL)

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")

_MUST: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "missing": lambda _: "must be given",
    "int_type": lambda _: "must be an integer",
    "int_from_float": lambda _: "must be an integer",
    "float_type": lambda _: "must be a number",
    "finite_number": lambda _: "must be a finite number",
    "string_type": lambda _: "must be a string",
    "bool_type": lambda _: "must be true or false",
    "tuple_type": lambda _: "must be a list",
    "list_type": lambda _: "must be a list",
    "dict_type": lambda _: "must be a mapping",
    "model_type": lambda _: "must be a mapping",
    "too_short": lambda ctx: f"must hold at least {ctx['min_length']} entries",
    "string_too_short": lambda _: "must not be empty",
    "string_too_long": lambda ctx: f"must be at most {ctx['max_length']} characters long",
    "string_pattern_mismatch": lambda ctx: f"must be {WORDS[ctx['pattern']]}",
    "literal_error": lambda ctx: f"must be one of {', '.join(_words(ctx))}",
    "greater_than": lambda ctx: f"must be greater than {_number(ctx['gt'])}",
    "greater_than_equal": lambda ctx: f"must be at least {_number(ctx['ge'])}",
    "less_than": lambda ctx: f"must be less than {_number(ctx['lt'])}",
    "less_than_equal": lambda ctx: f"must be at most {_number(ctx['le'])}",
}


def validate(model: type[Model], raw: object) -> Model:
    """Makes a model from plain values.

    Unknown keys would hide what else is wrong beside them: they are taken for the nearest key that is still free, or
    left out, and the rest is checked again.

    Raises:
        SectionError: With every fault, its path relative to `raw`.
    """
    faults: list[Fault] = []
    renamed: dict[KeyPath, KeyPath] = {}
    while True:
        try:
            made = model.model_validate(raw)
            break
        except ValidationError as error:
            details = error.errors(include_url=False)
            unknown = [_location(detail) for detail in details if detail["type"] == "extra_forbidden"]
            if not unknown:
                faults += [_restore(fault, renamed) for detail in details for fault in _faults(detail)]
                break
        raw = copy.deepcopy(raw)
        for path in unknown:
            allowed = _keys(model, path[:-1])
            fault = unknown_key(path, allowed)
            faults.append(_restore(fault, renamed))
            _repair(raw, path, fault.advice, allowed, renamed)
    if faults:
        raise SectionError(*faults)
    return made


def _repair(raw: Any, path: KeyPath, advice: str | None, allowed: list[str], renamed: dict[KeyPath, KeyPath]) -> None:  # noqa: ANN401
    for part in path[:-1]:
        raw = raw[part]
    value = raw.pop(path[-1])
    meant = next((key for key in allowed if advice == f"did you mean {key}?"), None)
    if meant is not None and meant not in raw:
        raw[meant] = value
        renamed[(*path[:-1], meant)] = path


def _restore(fault: Fault, renamed: Mapping[KeyPath, KeyPath]) -> Fault:
    """Gives keys that were taken for another the name back that they bear in the file."""
    path = fault.path
    for length in range(len(path), 0, -1):
        if path[:length] in renamed:
            path = renamed[path[:length]] + path[length:]
    return Fault(path, fault.must, fault.got, fault.advice, fault.line)


def _location(detail: ErrorDetails) -> KeyPath:
    return tuple(part for part in detail["loc"] if part not in _NO_KEYS)


def _faults(detail: ErrorDetails) -> list[Fault]:
    path, given = _location(detail), detail["input"]
    ctx = detail.get("ctx", {})
    if detail["type"] == "value_error":
        cause = ctx["error"]
        if isinstance(cause, SectionError):
            return [fault.under(path) for fault in cause.faults]
        # The rules in compression.settings raise one sentence: "X must hold, got Y; do Z".
        must, _, rest = str(cause).partition(", got ")
        return [Fault(path, must, *rest.partition("; ")[::2])]
    if detail["type"] == "too_short" and len(given) >= ctx["min_length"]:
        return []  # entries that are wrong, and reported, were not counted
    must = _MUST[detail["type"]](ctx) if detail["type"] in _MUST else f"must be right ({detail['msg']})"
    got = "nothing" if detail["type"] == "missing" else show(given)
    advice = None
    if detail["type"] == "literal_error":
        advice = nearest(given, _words(ctx))
    elif detail["type"] in ("int_type", "float_type") and isinstance(given, str) and _NUMBER.fullmatch(given):
        advice = "remove the quotes"
    elif detail["type"] == "string_type" and isinstance(given, int | float):
        advice = "put it in quotes"
    elif detail["type"] == "string_too_long" and ctx["max_length"] == MAX_NAME:
        advice = "the name becomes part of paths"
    return [Fault(path, must, got, advice)]


def _words(ctx: Mapping[str, Any]) -> list[str]:
    """The allowed values out of pydantic's `'a', 'b' or 'c'`."""
    return re.findall(r"'([^']*)'", ctx["expected"])


def _number(value: float) -> str:
    return f"{value:g}" if abs(value) < 1e6 else str(value)


def _keys(model: type[BaseModel], path: KeyPath) -> list[str]:
    """The keys that the model at `path` inside `model` knows, as they stand in the file."""
    for part in path:
        if isinstance(part, int):
            continue  # an entry of a list, whose model was found through the list's type
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        found = _model_in(fields[str(part)].annotation)
        assert found is not None, f"{part} of {model.__name__} holds no model"
        model = found
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
