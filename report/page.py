"""One self-contained HTML file out of a template, its styles, its scripts and its data.

Nothing is loaded from elsewhere, and the page forbids it: its content security policy allows the very scripts and
styles that stand in it, by hash, and nothing else. Strings reach the page escaped: text and attributes by Jinja's
autoescape, data by `embed`.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from report import figures

_UNSAFE_IN_SCRIPTS = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


def render(
    template: str,
    context: Mapping[str, Any],
    *,
    data: Mapping[str, Any] | None = None,
    styles: Sequence[str] = (),
    scripts: Sequence[str] = (),
    connect: bool = False,
) -> str:
    """Fills a template that extends `base.html`.

    Args:
        template: Name of a file in `report/templates/`.
        context: What the template names.
        data: Id to a JSON value; each becomes a `<script type="application/json">` that scripts read.
        styles: CSS after the theme's, of ours.
        scripts: JavaScript at the end of the body, of ours or of a library.
        connect: Whether scripts may ask the server that the page came from; no other one ever.

    Returns:
        The whole HTML text. The same arguments give the same text.

    Raises:
        ValueError: Data hold NaN or infinity, or a script would end its own element.
    """
    head = [asset("theme.js")]
    sheets = [asset("theme.css"), *styles]
    return (
        _environment()
        .get_template(template)
        .render(
            **context,
            csp=_policy([*head, *scripts], sheets, connect=connect),
            head_scripts=[_inline(text, "script") for text in head],
            body_scripts=[_inline(text, "script") for text in scripts],
            sheets=[_inline(text, "style") for text in sheets],
            data={name: embed(value) for name, value in (data or {}).items()},
        )
    )


def fragment(template: str, context: Mapping[str, Any]) -> str:
    """Fills a template that is a part of a page, for a script of ours to put into its place.

    Args:
        template: Name of a file in `report/templates/`.
        context: What the template names.
    """
    return _environment().get_template(template).render(**context)


@cache
def asset(name: str) -> str:
    """Text of a file in `report/assets/`."""
    return (resources.files("report") / "assets" / name).read_text(encoding="utf-8")


def embed(value: object) -> Markup:
    r"""A JSON value as it may stand inside of a script element, whatever its strings hold.

    >>> embed({"name": "</script>"})
    Markup('{"name":"\\u003c/script\\u003e"}')

    Raises:
        ValueError: The value holds NaN or infinity, which JSON does not know.
    """
    # ASCII alone: that takes care of U+2028 and U+2029 too, which end a line in JavaScript and not in JSON.
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character, harmless in _UNSAFE_IN_SCRIPTS.items():
        text = text.replace(character, harmless)
    return Markup(text)


def prose(text: str) -> Markup:
    """A message of ours with its names in backticks set as code; whatever else it holds stays text.

    >>> prose("raise `time_limit_s`, <b>")
    Markup('raise <code>time_limit_s</code>, &lt;b&gt;')
    """
    parts = text.split("`")
    if len(parts) % 2 == 0:  # an odd number of backticks sets nothing off
        return escape(text)
    wrapped = (Markup("<code>{}</code>").format(part) if k % 2 else escape(part) for k, part in enumerate(parts))
    return Markup("").join(wrapped)


def breakable(name: str) -> Markup:
    """A long name that may go on in the next line after `_` and `/`.

    >>> breakable("angle/mean_error")
    Markup('angle/<wbr>mean_<wbr>error')
    """
    text = escape(name)
    for mark in "_/":
        text = text.replace(mark, Markup(f"{mark}<wbr>"))
    return text


def _inline(text: str, element: str) -> Markup:
    """Our own code as the content of an element; it is never made from data."""
    lowered = text.lower()
    if f"</{element}" in lowered or "<!--" in lowered:
        raise ValueError(f"code inside of <{element}> must not hold </{element} or <!--; write it in two parts")
    return Markup(text)


def _policy(scripts: Sequence[str], styles: Sequence[str], *, connect: bool) -> str:
    rules = {
        "default-src": ["'none'"],
        "script-src": [_source(text) for text in scripts],
        "style-src": [_source(text) for text in styles],
        "img-src": ["data:"],
        "connect-src": ["'self'" if connect else "'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    }
    return "; ".join(f"{name} {' '.join(sources)}" for name, sources in rules.items())


def _source(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(figures.FILTERS)
    environment.filters["prose"] = prose
    environment.filters["breakable"] = breakable
    return environment
