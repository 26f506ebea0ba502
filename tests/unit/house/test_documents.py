"""What the documents say exists."""

import re
from pathlib import Path

import numpy as np
import pytest

from kubeflow.__main__ import KUBEFLOW
from kubeflow.check import RULES
from pipeline import errors
from pipeline.cli import COMMANDS
from pipeline.config import load

ROOT = Path(__file__).resolve().parents[3]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")),
]


def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


def benchmarks() -> set[str]:
    """What the pattern `bench-%` stands for."""
    texts = {path.stem: path.read_text() for path in (ROOT / "benchmarks").glob("*.py")}
    return {f"bench-{name}" for name, text in texts.items() if "__main__" in text}


def code(document: str) -> str:
    """All code in a document, inline and fenced."""
    text = (ROOT / document).read_text()
    prose = re.sub(FENCED, "", text)
    return "\n".join([*(body for _, body in re.findall(FENCED, text)), *re.findall(r"`([^`\n]+)`", prose)])


def block(document: str, language: str) -> str:
    """The one fenced block of a language."""
    (body,) = [body for kind, body in re.findall(FENCED, (ROOT / document).read_text()) if kind == language]
    return body


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_in_a_document_exists(document):
    # A placeholder in capitals, `make bench-NAME`, is no target.
    made = set(re.findall(r"^make ([a-z][a-z_-]*)(?![A-Za-z_-])", code(document), flags=re.MULTILINE))
    assert made <= targets() | benchmarks()
    called = set(re.findall(r"(?:python -m pipeline|tfx-edge) ([a-z][a-z-]*)", code(document)))
    assert called <= set(COMMANDS)
    assert set(re.findall(r"python -m kubeflow ([a-z][a-z-]*)", code(document))) <= set(KUBEFLOW.commands)
    assert made or called or document.startswith("docs/")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_a_document_links_to_exists(document):
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / document).read_text())
    missing = [link for link in links if not (ROOT / document).parent.joinpath(link).exists()]
    assert missing == []


@pytest.mark.parametrize("document", [*DOCUMENTS, "CHANGELOG.md", "configs/README.md"])
def test_every_heading_that_a_document_links_to_exists(document, documents):
    links = re.findall(r"\]\(([^)#:]*)#([^)]+)\)", documents.prose(document))
    missing = []
    for path, anchor in links:
        target = (ROOT / document).parent.joinpath(path).resolve() if path else ROOT / document
        if target.suffix == ".md" and anchor not in documents.anchors(str(target.relative_to(ROOT))):
            missing.append(f"{path}#{anchor}")
    assert missing == []


def test_anchors_are_named_as_github_names_them(documents):
    assert "before-training-plan---check" in documents.anchors("docs/own-model.md")
    assert "exit-codes" in documents.anchors("README.md")


def test_contributing_stays_short():
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) <= 60


def test_the_readme_tells_the_exit_codes():
    text = (ROOT / "README.md").read_text()
    codes = {str(kind.exit_code) for kind in vars(errors).values() if isinstance(kind, type)} | {"0", "130", "143"}
    assert codes <= set(re.findall(r"^\| (\d+) \|", text, flags=re.MULTILINE))


def test_the_pipeline_that_the_readme_shows_is_valid_and_its_model_builds(tmp_path):
    path = tmp_path / "shapes.yaml"
    path.write_text(block("README.md", "yaml"))
    config = load(path, {})
    assert list(config.variants) == ["float16", "int8", "pruned_int8"]
    functions: dict = {}
    exec(block("README.md", "python"), functions)
    model = functions["build_model"](config.model.hparams)
    assert model.input_names == ["image"]
    inputs = {"image": np.zeros([2, 32, 32], np.uint8), "label": np.zeros([2], np.int64)}
    features = functions["preprocessing_fn"](inputs)
    assert model(features["image"]).shape == (2, 3)


def test_the_licence_is_apache_2():
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text


def test_make_without_a_target_lists_the_targets():
    lines = (ROOT / "Makefile").read_text().splitlines()
    described = {line.split(":")[0] for line in lines if re.match(r"[a-z-]+:.*## ", line)}
    assert ".DEFAULT_GOAL := help" in lines
    assert described == targets()


def test_the_page_on_kubeflow_tells_every_rule():
    text = (ROOT / "docs" / "kubeflow.md").read_text()
    _, _, table = text.partition("## What is changed, and why")
    assert re.findall(r"^\| `([a-z-]+)` \|", table, flags=re.MULTILINE) == list(RULES)
