"""Every message that docs/troubleshooting.md quotes is still one that the code can say."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
GAP = "\0"
"""Stands for a value that is put into a message."""

PROGRAM = ("components", "compression", "pipeline", "registry")


def spoken(node: ast.AST) -> str | None:
    """The text of a literal, its values as gaps; also of texts that are added to each other."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        # Templates for `str.format` have their gaps in braces.
        return re.sub(r"\{[^{}]*\}", GAP, node.value)
    if isinstance(node, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.Constant) else GAP for part in node.values)
        return "".join(str(part) for part in parts)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = spoken(node.left), spoken(node.right)
        return f"{GAP if left is None else left}{GAP if right is None else right}"
    return None


@cache
def messages() -> tuple[str, ...]:
    """All texts in the program but for docstrings."""
    found = []
    for package in PROGRAM:
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_text())
            bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            for node in ast.walk(tree):
                text = spoken(node) if id(node) not in bare else None
                if text:
                    found.append(text)
    return tuple(found)


def can_be_said(quoted: str) -> bool:
    """Whether a text of the program holds the quoted words in order, with values where the gaps are."""
    pieces = [re.escape(piece) for piece in re.split("…", quoted) if piece.strip()]
    pattern = re.compile(r".*?".join(pieces), flags=re.DOTALL)
    return any(pattern.search(text) for text in messages())


def quoted() -> list[str]:
    """What stands in the first column; a message that is put together of parts is quoted by parts."""
    cells = [line.split(" | ")[0] for line in PAGE.splitlines() if line.startswith("| `")]
    return [message for cell in cells for message in re.findall(r"`([^`]+)`", cell)]


@pytest.mark.parametrize("message", quoted())
def test_the_message_exists(message):
    assert can_be_said(message)
    # One that is nearly all gaps would be found anywhere.
    assert len(re.sub("…", "", message)) >= 12


def test_a_message_that_nobody_says_would_be_found():
    assert len(quoted()) >= 40
    assert not can_be_said("the workspace must be a folder that nobody can read")
    assert not can_be_said("must hold at least … elephants")
    assert can_be_said("must hold at least … examples")
