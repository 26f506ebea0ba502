"""What is generated from the configuration's types: JSON Schema and reference of keys."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from pipeline.config.document import read
from pipeline.config.reference import EXAMPLE, reference_markdown
from pipeline.config.schema import json_schema

CONFIGS = Path(__file__).parents[3] / "configs"


@pytest.fixture(scope="module")
def validator():
    return jsonschema.Draft202012Validator(json_schema())


def test_it_is_a_schema(validator):
    validator.check_schema(validator.schema)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_configurations_fulfil_it(validator, path):
    validator.validate(read(path).value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("seed: 1", "sede: 1"),
        ("seed: 1", "seed: -1"),
        ("name: digits", "name: Digits"),
        ("task: multiclass", "task: other"),
        ("label: label", "labels: label"),
        ("splits: {train: 6, validation: 1, eval: 3}", "splits: {train: 6, validation: 1}"),
        ("int8: [quantize: {mode: int8}]", "int8: [quantize: {mode: int9}]"),
        ("int8: [quantize: {mode: int8}]", "int8: [quantize: {mode: int8, layers: {conv: int7}}]"),
        ("int8: [quantize: {mode: int8}]", "int8: [quantize]"),
        ("int8: [quantize: {mode: int8}]", "int8: [squeeze: {}]"),
        ("int8: [quantize: {mode: int8}]", "Int8: [quantize: {mode: int8}]"),
        ("hparams: {filters: 16}", "hparams: {filters: {a: 1}}"),
    ],
)
def test_it_refuses_what_the_loader_refuses(configs, validator, old, new):
    text, _ = configs.changed(old, new)
    configs.path.write_text(text)
    assert configs.faults(text)
    assert not validator.is_valid(read(configs.path).value)


def test_no_type_of_the_inside_shows():
    assert not {"Step", "Settings"} & json_schema()["$defs"].keys()


def test_the_reference_is_up_to_date():
    command = ".venv/bin/python -m pipeline schema --markdown > configs/README.md"
    assert (CONFIGS / "README.md").read_text() == reference_markdown(), f"configs/README.md is old; run: {command}"


ELSEWHERE = {"pretrained", "columns", "fill", "ignore", "delimiter", "images", "audio"}
"""Keys that exclude others of the example: a model that was trained elsewhere, data of another format."""


def test_the_example_of_the_reference_loads_and_shows_all_of_data_model_and_train(configs, validator):
    configs.load(EXAMPLE)
    raw = yaml.safe_load(EXAMPLE)
    schema = json_schema()
    assert raw.keys() == schema["properties"].keys()
    for key in ("data", "model", "train", "runtime"):
        definition = schema["properties"][key]["$ref"].rpartition("/")[2]
        assert raw[key].keys() == schema["$defs"][definition]["properties"].keys() - ELSEWHERE


def test_every_key_of_the_schema_is_in_the_reference():
    text = reference_markdown()
    schema = json_schema()
    named = [schema, *schema["$defs"].values()]
    keys = {key for definition in named for key in definition.get("properties", {})}
    assert [key for key in sorted(keys) if f"`{key}`" not in text and f".{key}" not in text] == []
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert all(row.rstrip(" |").count(" | ") >= 3 and not row.endswith("|  |") for row in rows)


def test_the_schema_that_editors_read_is_the_one_that_the_loader_obeys():
    advice = "python -m pipeline schema -o configs/schema.json"
    assert json.loads((CONFIGS / "schema.json").read_text()) == json_schema(), advice


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_editors_find_the_schema_of_every_configuration(path):
    comment, _, name = path.read_text().splitlines()[0].partition("$schema=")
    assert comment == "# yaml-language-server: "
    assert (path.parent / name).is_file()
