"""The label feature, or the task, of each output as one parameter of a component: a plain word, or JSON for several."""

import json
from collections.abc import Mapping

from compression.outputs import SOLE, packed


def to_text(values: Mapping[str, str]) -> str:
    """One word of a model with one output as it is; equal mappings give equal text, which the cache key needs.

    >>> to_text({"": "multiclass"}), to_text({"parity": "odd", "digit": "label"})
    ('multiclass', '{"digit": "label", "parity": "odd"}')
    """
    given = packed(values)
    return given if isinstance(given, str) else json.dumps(given, sort_keys=True)


def from_text(text: str) -> dict[str, str]:
    """The inverse of `to_text`.

    >>> from_text("multiclass"), from_text('{"digit": "label", "parity": "odd"}')
    ({'': 'multiclass'}, {'digit': 'label', 'parity': 'odd'})
    """
    return json.loads(text) if text.startswith("{") else {SOLE: text}
