"""YAML itself: scalars by version 1.2, bounds, and files that are none."""

import math

import pytest

from pipeline.config.document import MAX_BYTES, MAX_VALUES, read
from pipeline.errors import UserError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1.0e-3", 1e-3),
        (".5", 0.5),
        ("5.", 5.0),
        ("-12", -12),
        ("0o17", 15),
        ("0x1F", 31),
        ("017", 17),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("0b11", "0b11"),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("Off", "Off"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("2020-01-01", "2020-01-01"),
        ('"1"', "1"),
        ("'true'", "true"),
        ("!!str 1", "1"),
        ("!!float 1", 1.0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("=", "="),
    ],
)
def test_scalars(tmp_path, text, value):
    path = tmp_path / "a.yaml"
    path.write_text(f"key: {text}\n")
    found = read(path).value["key"]
    assert found == value
    assert type(found) is type(value)


def test_merge_keys_and_words_as_keys_are_plain_keys(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("on: 1\n<<: {a: 1}\nno: 2\n")
    assert read(path).value == {"on": 1, "<<": {"a": 1}, "no": 2}


def test_lines_of_keys_and_items(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("# note\na:\n  - 1\n  - b: &x [2]\n    c: *x\n")
    document = read(path)
    assert document.value == {"a": [1, {"b": [2], "c": [2]}]}
    assert document.lines == {
        (): 2,
        ("a",): 2,
        ("a", 0): 3,
        ("a", 1): 4,
        ("a", 1, "b"): 4,
        ("a", 1, "b", 0): 4,
        ("a", 1, "c"): 5,
        ("a", 1, "c", 0): 4,
    }


LAUGHS = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", ":1: must be a mapping with keys such as name, data, model, variants, gate; got an empty file"),
        (
            b"# only this\n",
            ":1: must be a mapping with keys such as name, data, model, variants, gate; got an empty file",
        ),
        (b"\n- a\n", ":2: must be a mapping with keys such as name, data, model, variants, gate; got a list"),
        (b"text\n", ":1: must be a mapping with keys such as name, data, model, variants, gate; got a single value"),
        (b"a: 1\nb: \xff\n", ":2: must be UTF-8 text; got the byte 0xff; save the file as UTF-8"),
        ("a: 1\n".encode("utf-16"), ":1: must be UTF-8 text; got the byte 0xff; save the file as UTF-8"),
        (b"a: 1\nb: \x07\n", ":2: must be printable text; got the character U+0007"),
        (b"a:\n\tb: 1\n", ":2: must be indented with spaces; got a tab; replace the tab"),
        (b"a: [1, 2\nb: 3\n", ":2: must be valid YAML; got \"b: 3\" (while parsing a flow sequence expected ',' or"),
        (b"a: 1\n---\nb: 2\n", ':2: must be valid YAML; got "---" (expected a single document'),
        (b"a: *b\n", ':1: must be valid YAML; got "a: *b" (found undefined alias'),
        (
            b"a: &x [*x]\n",
            ":1: must hold at most 10000 values, aliases written out; got an alias inside its own anchor",
        ),
        (LAUGHS.encode(), f" must hold at most {MAX_VALUES} values, aliases written out; got more than {MAX_VALUES}"),
        (b"a: " + b"[" * 2000, ":1: must be read as a whole; got deeper nesting than 30 levels"),
        (b"a: 1 # " + b"x" * MAX_BYTES, ": must be at most 256 KiB; got a larger file"),
    ],
    ids=lambda part: repr(part[:25]) if isinstance(part, bytes) else "",
)
def test_files_that_are_none(tmp_path, content, message):
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}:")
    assert "\n" not in str(caught.value)


def test_a_byte_order_mark_does_no_harm(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read(path).value == {"a": 1}
