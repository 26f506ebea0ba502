"""What a model card says, and that text of others stays text in it."""

import json
import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from components.card.contents import Facts
from components.card.files import card_files
from components.card.markdown import NOT_STATED
from compression.interface import Interface

HOSTILE = [
    "<script>alert(1)</script>",
    "a | b | c",
    "`code` ``more``",
    "![x](http://evil.example/x.png) [y](javascript:alert(1))",
    "one\n# two\n\n```\n~~~\nthree",
    "</td></table><img src=x onerror=alert(1)>",
    "- a\n- b\n1. c\n> d\n***\nTitle\n===",
    "&lt;b&gt; &amp; \\<i> \\| \\` \\",
    "http://evil.example www.evil.example me@evil.example <http://evil.example>",
    "\u202egnp.exe \x00\x1b[31m\u2028end",
]
STATED = ("intended_use", "intended_users", "out_of_scope", "factors", "data_description", "ethical_considerations")


def markdown(facts: Facts) -> str:
    return card_files(facts)["card.md"].decode()


def tokens(text: str) -> list:
    parsed = MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough").parse(text)
    return [token for outer in parsed for token in (outer, *(outer.children or []))]


def shape(text: str) -> list[str]:
    """What kinds of things a page is made of, without their text."""
    return [token.type for token in tokens(text) if token.type not in ("text", "text_special", "softbreak")]


def shown(text: str) -> str:
    """What a reader sees."""
    return "".join(token.content for token in tokens(text) if token.type in ("text", "text_special"))


def hostile_facts(make_facts, text: str) -> Facts:
    """The text wherever names and descriptions of others stand."""
    facts = make_facts()
    line = " ".join(text.split())
    selection = {**facts.selection, "selected": line, "reason": line}
    selection["slices"] = [{**selection["slices"][0], "slice": line, "values": {line: line}}]
    selection["checks"] = [{**selection["checks"][0], "slice": line, "metric": line}]
    selection["gate"] = {**selection["gate"], "metrics": {line: selection["gate"]["metrics"]["accuracy"]}}
    selection["champion"] = {"version": 3, "metrics": {line: {}}}
    selection["edge"] = {**selection["edge"], "host": {"cpu": line}, "arena_source": line, "profile": line}
    (given,), (taken,) = facts.conversion["inputs"], facts.conversion["outputs"]
    audit = {"operators": {line: 1}, "float_operators": [line]}
    return make_facts(
        stated={**dict.fromkeys((*STATED, "caveats"), line), "license": line, "owners": [line]},
        pipeline={**facts.pipeline, "name": line, "steps": {line: [line]}, "label_names": [line, line], "task": line},
        selection=selection,
        conversion={"inputs": [{**given, "name": text}], "outputs": [{**taken, "name": text + "o"}], "audit": audit},
        spans=[{"name": line, "version": line, "examples": {line: 1}}],
        tools={line: line},
        run_id=line,
        interface=Interface((text,), (text + "o",), ("CONV_2D",), ()),
    )


def test_it_says_what_is_known(make_facts):
    text = shown(markdown(make_facts()))
    for fact in (
        "Variant small (prune 50%, quantize int8_io): 5,800 bytes, 2,533 after gzip",
        "Reads digits.",
        "A <a@b.c>",
        "1,078",
        "2026-11-01",
        "train 700, eval 300",
        "540 examples",
        "97.5 % confidence",
        "0.01 to unbounded",
        "sex=f",
        "Against version 3, current before: accuracy 0.9 beside 0.8, a drop of -0.1",
        "p50 0.5, p90 0.75",
        "Some CPU",
        "-1 x 8 x 8 x 1",
        "zero, one",
    ):
        assert fact in text
    assert "load_average" not in text


def test_the_json_holds_the_same(make_facts):
    card = json.loads(card_files(make_facts())["card.json"])
    assert card["model_details"]["license"] == "Apache-2.0"
    assert card["quantitative_analyses"]["slices"][0]["metrics"]["accuracy"]["drop_ci"] == [0.01, None]
    assert card["inputs"][0] == {
        "name": "image",
        "shape": [-1, 8, 8, 1],
        "dtype": "int8",
        "scale": 0.5,
        "zero_point": -3,
    }
    assert card["model_details"]["parents"] == {"float_model": "f" * 64}
    assert set(card["usage"]) == {"python", "android", "ios", "tflm"}


def test_the_documentation_names_every_key_of_the_json(make_facts):
    page = (Path(__file__).parents[3] / "docs" / "model-card.md").read_text()
    table = page.split("## `card.json`")[1].split("## Programs")[0]
    named = {key for row in table.splitlines() if row.startswith("| `") for key in re.findall(r"`(\w+)`", row[:60])}
    assert set(json.loads(card_files(make_facts())["card.json"])) <= named | {"schema_version"}


def test_what_nobody_stated_is_said_to_be_so(make_facts):
    files = card_files(make_facts(stated={}))
    text = files["card.md"].decode()
    assert "| Licence | not stated |" in text
    assert text.count(NOT_STATED) == 7
    card = json.loads(files["card.json"])
    assert (card["model_details"]["license"], card["intended_use"]["intended_use"]) == (None, None)


def test_the_same_facts_give_the_same_bytes(make_facts):
    assert card_files(make_facts()) == card_files(make_facts())


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_others_is_shown_and_never_obeyed(make_facts, text):
    # The same page with harmless words in place of the text is made of the same things.
    page, harmless = markdown(hostile_facts(make_facts, text)), markdown(hostile_facts(make_facts, "word"))
    assert shape(page) == shape(harmless)
    kinds = set(shape(page))
    assert not kinds & {"html_block", "html_inline", "link_open", "image", "code_inline", "blockquote_open", "s_open"}
    assert not any(mark in page for mark in ("\x1b", "\x00", "\u202e", "\u2028"))
    assert "<script" not in page.split("## How to run it")[0]


def test_paragraphs_of_a_description_stay_paragraphs(make_facts):
    page = markdown(make_facts(stated={"caveats": "one\ntwo\n\n# three"}))
    assert "one two\n\n&#35; three" in page


@pytest.mark.parametrize("text", HOSTILE)
def test_the_python_of_a_hostile_name_is_python(make_facts, text):
    card = json.loads(card_files(hostile_facts(make_facts, text))["card.json"])
    code = card["usage"]["python"]["code"]
    compile(code, "card", "exec")
    assert ascii(text) in code


def test_several_outputs_have_classes_and_tasks_of_their_own(make_facts):
    pipeline = {**make_facts().pipeline, "task": {"digit": "multiclass", "odd": "binary"}}
    pipeline["label_names"] = {"digit": ["zero", "one"]}
    text = shown(markdown(make_facts(pipeline=pipeline)))
    assert "digit: multiclass, odd: binary" in text
    assert "Classes of digit, from 0: zero, one." in text
