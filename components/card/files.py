"""The files of a model card in a version of the registry."""

import json

from components.card.contents import Facts, compose
from components.card.markdown import render

MARKDOWN, JSON = "card.md", "card.json"


def card_files(facts: Facts) -> dict[str, bytes]:
    """`card.md` and `card.json` by name; the same facts give the same bytes."""
    card = compose(facts)
    text = json.dumps(card, indent=2, allow_nan=False)
    return {MARKDOWN: render(card).encode(), JSON: f"{text}\n".encode()}
