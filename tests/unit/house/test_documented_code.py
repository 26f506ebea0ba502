"""Every fenced block in the documents is held to its language: loaded, parsed, or executed elsewhere as well."""

import ast
import configparser
import copy
import importlib
import importlib.util
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pipeline import cli, preflight
from pipeline.config import load
from pipeline.config.document import read
from pipeline.errors import UserError

ROOT = Path(__file__).resolve().parents[3]
OWN = ("benchmarks", "components", "compression", "kubeflow", "models", "pipeline", "registry", "report")

PLAIN_PROGRAMS = {"apt-get", "cd", "curl", "docker", "export", "java", "kind", "kubectl", "openssl", "podman", "source"}
"""Programs that are not ours, in lines that are only looked at."""

REPLACED = {"model": "pretrained"}
"""Sections that are laid over the base key by key, unless they hold this key."""


def test_every_block_says_its_language(documents):
    known = {"bash", "console", "cpp", "ini", "json", "kotlin", "mermaid", "python", "sh", "swift", "text", "yaml"}
    assert [str(block) for block in documents.blocks() if block.language not in known] == []


# --- YAML: the real loader, over a whole configuration -----------------------------------------------------------


def whole(fragment: object, base: dict) -> dict:
    """A fragment of a configuration made whole; a step, a list of steps and a section may stand alone."""
    if isinstance(fragment, list):
        steps = (
            fragment if any("quantize" in step for step in fragment) else [*fragment, {"quantize": {"mode": "int8"}}]
        )
        fragment = {"variants": {"shown": steps}}
    assert isinstance(fragment, dict)
    made = copy.deepcopy(base)
    for key, value in fragment.items():
        laid_over = key in ("data", "model", "train", "runtime", "push") and isinstance(value, dict)
        if laid_over and REPLACED.get(key, "") not in value:
            made[key] = {**made.get(key, {}), **value}
        else:
            made[key] = value
    if "pretrained" in made["model"] and "train" not in fragment:
        made.pop("train", None)
    return made


def base_of(block, base: dict) -> dict:
    """What a fragment is laid over: the digits, or what its comment says that it belongs to."""
    if "# of a binary task" not in block.text:
        return base
    made = copy.deepcopy(base)
    made["model"]["task"] = "binary"
    del made["data"]["label_names"]
    return made


@pytest.fixture(scope="module")
def base() -> dict:
    return yaml.safe_load((ROOT / "configs" / "digits.yaml").read_text())


def test_every_configuration_loads(documents, base, tmp_path):
    """Each is read by the parser of the tool, so that keys given twice and tags are faults here too."""
    blocks = [block for block in documents.blocks("configs/README.md", *documents.names) if block.language == "yaml"]
    assert len(blocks) >= 25
    for block in blocks:
        if block.text.startswith("apiVersion:"):  # a manifest of Kubernetes
            list(yaml.safe_load_all(block.text))
            continue
        alone = tmp_path / "alone.yaml"
        # What our parser reads must be a mapping; a list of steps stands under a key.
        text = f"steps:\n{block.text}" if block.text.lstrip().startswith("- ") else block.text
        alone.write_text(text)
        document = read(alone)
        assert document.faults == [], f"{block}: {document.faults}"
        value = document.value["steps"] if text is not block.text else document.value
        path = tmp_path / "whole.yaml"
        path.write_text(yaml.safe_dump(whole(value, base_of(block, base)), sort_keys=False))
        try:
            load(path)
        except Exception as error:
            pytest.fail(f"{block}: {error}")


# --- shell: our own commands by the real parser, the names of others -----------------------------------------------


def commands(block) -> Iterator[str]:
    """The commands of a block: in a `console` those behind a prompt, lines that go on joined, comments left out."""
    text = block.text.replace("\\\n", " ")
    for line in text.splitlines():
        if block.language == "console":
            if not line.startswith("$ "):
                continue
            line = line[2:]
        line = re.sub(r"(^|\s)#.*$", "", line).strip()
        if line:
            yield line


def inline_commands(documents, name: str) -> list[str]:
    """What stands in the prose as a command line of ours."""
    found = re.findall(
        r"`((?:\.venv/bin/)?(?:python -m (?:pipeline|kubeflow)|tfx-edge) [^`\n]+)`", documents.prose(name)
    )
    # Options that may be left out stand in brackets.
    return [re.sub(r"\[[^\]]*\]", "", text) for text in found]


def check_command(line: str) -> None:
    words = shlex.split(re.sub(r" > [\w./-]+$", "", line))
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    if "<(" in line:  # a program whose output is read as a file
        inner = re.search(r"<\(([^)]*)\)", line)
        check_command(inner[1])
        return
    program, *arguments = words
    name = Path(program).name
    if name == "make":
        targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
        named = [word for word in arguments if "=" not in word]
        for target in named:
            bench = target.removeprefix("bench-")
            known = target in targets or (bench != target and (ROOT / "benchmarks" / f"{bench}.py").exists())
            assert known, f"make {target}"
    elif name == "tfx-edge":
        cli.parse(arguments)
    elif name.startswith("python"):
        check_python(arguments)
    else:
        assert name in PLAIN_PROGRAMS, f"{name} is no program that the documents may ask for"


def check_python(arguments: list[str]) -> None:
    if arguments[0] != "-m":
        assert arguments[0].startswith("scripts/"), arguments[0]
        assert (ROOT / arguments[0]).is_file(), arguments[0]
        return
    module = arguments[1]
    if module == "pipeline":
        cli.parse(arguments[2:])
    elif module == "kubeflow":
        cli.parse(arguments[2:], importlib.import_module("kubeflow.__main__").KUBEFLOW)
    elif module.split(".")[0] in OWN:
        assert (ROOT / module.replace(".", "/")).with_suffix(".py").exists(), module
    else:
        assert module in ("pytest", "pip"), module


def test_every_command_line_is_one(documents):
    lines = [
        (f"{block}: {line}", line)
        for block in documents.blocks()
        if block.language in ("sh", "bash", "console")
        for line in commands(block)
    ]
    lines += [(f"{name}: {line}", line) for name in documents.names for line in inline_commands(documents, name)]
    assert len(lines) >= 25
    for said, line in lines:
        try:
            check_command(line)
        except Exception as error:
            pytest.fail(f"{said}: {error}")


def test_the_shell_itself_reads_every_shell_block(documents):
    if shutil.which("bash") is None:
        pytest.skip("bash is absent")
    for block in documents.blocks():
        if block.language in ("sh", "bash"):
            done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True)
            assert done.returncode == 0, f"{block}: {done.stderr}"


def test_a_command_that_does_not_exist_would_be_found():
    for line in (
        "make nothing",
        "make bench-nothing",
        ".venv/bin/python -m pipeline rum configs/digits.yaml",
        ".venv/bin/tfx-edge run configs/digits.yaml --no-such-option",
        "python -m benchmarks.nothing",
        "rm -rf /",
    ):
        try:
            check_command(line)
        except (AssertionError, UserError):
            continue
        pytest.fail(f"{line} passed")


# --- Python: compiled, and what it imports of ours exists -----------------------------------------------------------


def missing_names(tree: ast.AST) -> list[str]:
    """What a program imports from our packages that is not there; nothing is imported to find out."""
    missing = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or (node.module or "").split(".")[0] not in OWN:
            continue
        base = ROOT / str(node.module).replace(".", "/")
        source = base.with_suffix(".py") if base.with_suffix(".py").exists() else base / "__init__.py"
        if not source.exists():
            missing.append(str(node.module))
            continue
        defined = names_of(ast.parse(source.read_text()))
        missing += [
            f"{node.module}.{alias.name}"
            for alias in node.names
            if alias.name not in defined and not (base / f"{alias.name}.py").exists()
        ]
    return missing


def names_of(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


def test_every_python_block_compiles_and_imports_what_exists(documents):
    blocks = [block for block in documents.blocks() if block.language == "python"]
    assert len(blocks) >= 12
    for block in blocks:
        try:
            tree = ast.parse(block.text)
        except SyntaxError as error:
            pytest.fail(f"{block}: {error}")
        assert missing_names(tree) == [], str(block)
        packages = {name.split(".")[0] for name in imported(tree)}
        assert [name for name in sorted(packages) if importlib.util.find_spec(name) is None] == [], str(block)


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield str(node.module)


def test_an_import_that_does_not_exist_would_be_found():
    assert missing_names(ast.parse("from compression.prune import no_such_thing")) == [
        "compression.prune.no_such_thing"
    ]
    assert missing_names(ast.parse("from components.nothing import x")) == ["components.nothing"]
    assert missing_names(ast.parse("from compression.prune import prune")) == []


def test_the_data_of_the_documentation_fit_the_configuration_beside_them(documents, tmp_path, monkeypatch):
    made, configuration = documents.blocks("docs/own-data.md")[:2]
    monkeypatch.chdir(tmp_path)
    exec(compile(made.text, str(made), "exec"), {})
    (tmp_path / "shapes.yaml").write_text(configuration.text)
    config = load(Path("shapes.yaml"))
    preflight.check(config)
    assert preflight.warnings(config) == []


# --- the rest -------------------------------------------------------------------------------------------------------


def test_every_json_and_ini_block_parses(documents):
    for block in documents.blocks():
        if block.language == "json":
            json.loads(block.text)
        elif block.language == "ini":
            parser = configparser.ConfigParser(interpolation=None)
            parser.read_string(block.text)


def test_a_page_per_task_is_in_the_index(documents):
    index = documents.text("docs/README.md")
    linked = set(re.findall(r"\]\(([^)#]+\.md)", index))
    pages = {name.removeprefix("docs/") for name in documents.names if name.startswith("docs/")} - {"README.md"}
    assert pages - linked == set()
