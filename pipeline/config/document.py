"""From the text of a YAML file to plain values and the line of every key.

pydantic knows no lines and PyYAML drops duplicate keys, follows YAML 1.1 (`no` is false, `1e-3` a string) and expands
aliases without bound. So the file is parsed to PyYAML's nodes, and these are read here by YAML 1.2's core schema.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from pipeline.config.faults import Fault, KeyPath, report
from pipeline.errors import UserError

MAX_BYTES = 256 * 1024
MAX_VALUES = 10_000
MAX_DEPTH = 30

_TAG = "tag:yaml.org,2002:"


@dataclass
class Document:
    """A parsed file.

    Attributes:
        file: Its name, as the user gave it.
        text: What it holds.
        value: Mappings, lists and scalars.
        lines: Line of every key and list item, counted from 1.
        faults: What was wrong already here: duplicate keys, foreign tags, keys that are not strings.
        unreadable: Where a stand-in is in the place of a value that could not be read.
    """

    file: str
    text: str = ""
    value: object = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    unreadable: set[KeyPath] = field(default_factory=set)


class _TooMuch(yaml.MarkedYAMLError):
    """Nesting beyond the bound; `problem` holds the words for it."""


class _CoreLoader(yaml.SafeLoader):
    """PyYAML's composer with YAML 1.2's core scalars and a bound on the nesting."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _TooMuch(problem=f"deeper nesting than {MAX_DEPTH} levels", problem_mark=self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


_CoreLoader.yaml_implicit_resolvers = {}
for _kind, _pattern in {
    "null": r"(?:~|null|Null|NULL|)\Z",
    "bool": r"(?:true|True|TRUE|false|False|FALSE)\Z",
    "int": r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z",
    "float": r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z",
}.items():
    _CoreLoader.add_implicit_resolver(_TAG + _kind, re.compile(_pattern), None)


def read(path: Path) -> Document:
    """Reads a YAML file whose root is a mapping.

    Raises:
        UserError: The file cannot be read or is no YAML; anything milder is in the document's `faults`.
    """
    document = Document(str(path))
    document.text = _text(document, path)
    node = _compose(document, document.text)
    if not isinstance(node, yaml.MappingNode):
        got = "an empty file" if node is None else "a list" if isinstance(node, yaml.SequenceNode) else "a single value"
        line = 1 if node is None else node.start_mark.line + 1
        raise _fatal(document, "must be a mapping with keys such as name, data, model, variants, gate", got, line)
    document.lines[()] = node.start_mark.line + 1
    document.value = _Reader(document).value(node, ())
    return document


def _fatal(document: Document, must: str, got: str, line: int, advice: str | None = None) -> UserError:
    return report(document.file, [Fault((), must, got, advice, line)], {})


def _text(document: Document, path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        got = {
            FileNotFoundError: "no file of that name",
            IsADirectoryError: "a folder",
            PermissionError: "a file that may not be read",
        }.get(type(error), str(error.strerror))
        raise UserError(f"{path}: must be a readable YAML file; got {got}") from None
    if len(content) > MAX_BYTES:
        raise UserError(f"{path}: must be at most {MAX_BYTES // 1024} KiB; got a larger file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        got = f"the byte 0x{content[error.start]:02x}"
        raise _fatal(document, "must be UTF-8 text", got, line, "save the file as UTF-8") from None


def _compose(document: Document, text: str) -> yaml.Node | None:
    try:
        # The loader is given inside the try: its reader looks at the characters at once.
        return yaml.compose(text, Loader=_CoreLoader)
    except yaml.reader.ReaderError as error:
        got = f"the character U+{ord(text[error.position]):04X}"
        raise _fatal(document, "must be printable text", got, text.count("\n", 0, error.position) + 1) from None
    except _TooMuch as error:
        assert error.problem_mark is not None
        raise _fatal(document, "must be read as a whole", str(error.problem), error.problem_mark.line + 1) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        rows = text.splitlines()
        row = rows[line - 1] if line <= len(rows) else ""
        if "\t" in row[: len(row) - len(row.lstrip())] or "'\\t'" in str(error.problem):
            raise _fatal(document, "must be indented with spaces", "a tab", line, "replace the tab") from None
        problem = " ".join(str(part) for part in (error.context, error.problem) if part)
        raise _fatal(document, "must be valid YAML", f'"{row.strip()[:40]}" ({problem})', line) from None


class _Reader:
    """Builds the plain values of one document, at most `MAX_VALUES` of them."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.count = 0
        self.open: set[int] = set()

    def value(self, node: yaml.Node, path: KeyPath) -> object:
        """The value of a node; notes the lines of everything below."""
        line = node.start_mark.line + 1
        self.count += 1
        # An alias is the very node of its anchor: a node that is being read already holds itself.
        if self.count > MAX_VALUES or id(node) in self.open:
            got = f"more than {MAX_VALUES}" if self.count > MAX_VALUES else "an alias inside its own anchor"
            raise _fatal(self.document, f"must hold at most {MAX_VALUES} values, aliases written out", got, line)
        self.open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
                return self._list(node, path)
            return self._scalar(node, path)
        finally:
            self.open.discard(id(node))

    def _list(self, node: yaml.SequenceNode, path: KeyPath) -> list[object]:
        for index, item in enumerate(node.value):
            self.document.lines[(*path, index)] = item.start_mark.line + 1
        return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, object]:
        result: dict[str, object] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag != _TAG + "str" or not isinstance(key_node.value, str):
                got = key_node.value if isinstance(key_node, yaml.ScalarNode) else "a list or mapping"
                self._fault(path, "must have strings as keys", f"the key {got}", line, "put the key in quotes")
                continue
            here = (*path, key_node.value)
            if key_node.value in result:
                self._fault(here, "must be given once", f"it again after line {self.document.lines[here]}", line)
                continue
            self.document.lines[here] = line
            result[key_node.value] = self.value(value_node, here)
        return result

    def _scalar(self, node: yaml.Node, path: KeyPath) -> object:
        line = node.start_mark.line + 1
        text = node.value
        try:
            match node.tag.removeprefix(_TAG):
                case "str" if isinstance(text, str):
                    return text
                case "null":
                    return None
                case "bool":
                    return {"true": True, "false": False}[text.lower()]
                case "int":
                    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
                case "float":
                    return float(re.sub(r"\.(inf|nan)\Z", r"\1", text.lower()))
        except (ValueError, KeyError, AttributeError, TypeError):
            got = str(text)[:40]
            self._fault(path, f"must be readable as {node.tag.replace(_TAG, '!!')}", got, line)
            self.document.unreadable.add(path)
            return None
        self._fault(path, "must be without a tag of its own", node.tag.replace(_TAG, "!!"), line, "remove the tag")
        self.document.unreadable.add(path)
        return None

    def _fault(self, path: KeyPath, must: str, got: str, line: int, advice: str | None = None) -> None:
        self.document.faults.append(Fault(path, must, got, advice, line))
