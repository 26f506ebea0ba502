"""The documents, taken apart."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Block:
    """A fenced block of code: where it begins, its language, its text without the indentation of the fence."""

    document: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


class Documents:
    """README.md, CONTRIBUTING.md and all of docs/."""

    names = (
        "README.md",
        "CONTRIBUTING.md",
        *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")),
    )

    @staticmethod
    def text(name: str) -> str:
        return (ROOT / name).read_text()

    @classmethod
    def blocks(cls, *names: str) -> list[Block]:
        """The fenced blocks; a fence that is never closed fails."""
        found = []
        for name in names or cls.names:
            opened: tuple[int, str, str, str] | None = None
            lines: list[str] = []
            for number, line in enumerate(cls.text(name).splitlines(), start=1):
                fence = re.match(r"^( *)(`{3,})(.*)$", line)
                if opened is None and fence:
                    opened, lines = (number, fence[1], fence[2], fence[3].strip()), []
                elif opened is not None and fence and fence[2] == opened[2] and not fence[3].strip():
                    text = "".join(f"{each.removeprefix(opened[1])}\n" for each in lines)
                    found.append(Block(name, opened[0], opened[3], text))
                    opened = None
                else:
                    lines.append(line)
            assert opened is None, f"{name}: the fence in line {opened and opened[0]} is not closed"
        return found

    @classmethod
    def prose(cls, name: str) -> str:
        """The text without its fenced blocks."""
        return re.sub(r"^( *)(`{3,}).*?\n.*?^\1\2$", "", cls.text(name), flags=re.MULTILINE | re.DOTALL)

    @classmethod
    def anchors(cls, name: str) -> set[str]:
        """What a link may point to in a document: GitHub's names of its headings."""
        found: dict[str, int] = {}
        anchors = set()
        for title in re.findall(r"^#{1,6} (.+)$", cls.prose(name), flags=re.MULTILINE):
            shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
            slug = re.sub(r"[^\w\- ]", "", shown.lower()).strip().replace(" ", "-")
            count = found.get(slug, 0)
            found[slug] = count + 1
            anchors.add(f"{slug}-{count}" if count else slug)
        return anchors


@pytest.fixture(scope="session")
def documents():
    return Documents
