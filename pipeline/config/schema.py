"""The JSON Schema of the configuration file, for editors."""

from typing import Any

from pipeline.config.config import Config
from pipeline.config.names import MAX_NAME, VARIANT_NAME
from pipeline.config.variants import settings_class
from pipeline.steps import STEPS

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The schema that every valid file fulfils; rules across keys are left to `validate`."""
    schema = Config.model_json_schema(by_alias=True)
    definitions: dict[str, Any] = schema.pop("$defs")
    # How steps and rules are held in Python is not how they are written.
    for name in ("Step", "Settings", "Gate"):
        definitions.pop(name, None)
    for kind in STEPS:
        definitions |= _step_definitions(kind)
    schema["properties"]["variants"] = _variants()
    schema["properties"]["gate"] = _gate()
    _drop_titles(schema)
    _drop_titles(definitions)
    head = {"$schema": DIALECT, "title": "tfx-edge configuration"}
    return head | schema | {"$defs": dict(sorted(definitions.items()))}


def _step_definitions(kind: str) -> dict[str, Any]:
    own = settings_class(kind).model_json_schema(by_alias=True)
    nested: dict[str, Any] = own.pop("$defs", {})
    return nested | {settings_class(kind).__name__: own}


def _variants() -> dict[str, Any]:
    bare = [kind for kind in STEPS if not _required(kind)]
    written: dict[str, dict[str, Any]] = {}
    for kind, row in STEPS.items():
        reference: dict[str, Any] = {"$ref": f"#/$defs/{settings_class(kind).__name__}"}
        written[kind] = {"anyOf": [reference, {"type": "null"}]} if kind in bare else reference
        written[kind]["description"] = row.doc
    one_step = {"type": "object", "properties": written, "additionalProperties": False}
    return {
        "type": "object",
        "description": "named lists of steps, each ending in one `quantize`; lists that begin alike share the work",
        "minProperties": 1,
        "propertyNames": {"pattern": VARIANT_NAME, "maxLength": MAX_NAME},
        "additionalProperties": {
            "type": "array",
            "minItems": 1,
            "items": {"anyOf": [one_step | {"minProperties": 1, "maxProperties": 1}, {"enum": bare}]},
        },
    }


def _gate() -> dict[str, Any]:
    rule = {"$ref": "#/$defs/GateSection"}
    return {
        "description": "what a compressed model must keep: one rule, or a list of rules that must all hold",
        "anyOf": [rule, {"type": "array", "minItems": 1, "items": rule}],
    }


def _required(kind: str) -> bool:
    return any(field.is_required() for field in settings_class(kind).model_fields.values())


def _drop_titles(node: object) -> None:
    """Removes the titles that repeat each key."""
    if isinstance(node, dict):
        if isinstance(node.get("title"), str):
            del node["title"]
        for value in node.values():
            _drop_titles(value)
    elif isinstance(node, list):
        for value in node:
            _drop_titles(value)
