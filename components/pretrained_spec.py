"""What is known of a model that was trained elsewhere before the graph is built: its content, and what it reads."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tensorflow import keras


@dataclass(frozen=True)
class InputSpec:
    """An input of a model: NumPy's name of its type, and the shape of one example."""

    dtype: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class PretrainedSpec:
    """A model that was trained elsewhere.

    Attributes:
        path: The file, or the folder of a SavedModel.
        sha256: Of its content, whatever it is called.
        inputs: The model's inputs by name.
    """

    path: str
    sha256: str
    inputs: dict[str, InputSpec]

    @classmethod
    def of(cls, path: str, model: keras.Model) -> "PretrainedSpec":
        """The spec of a model that was read from `path`."""
        inputs = {
            name: InputSpec(tensor.dtype.name, tuple(tensor.shape[1:]))
            for name, tensor in zip(model.input_names, model.inputs, strict=True)
        }
        return cls(path, content_sha256(Path(path)), inputs)

    def to_json(self) -> str:
        """As JSON; equal specs give equal text."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "PretrainedSpec":
        """What `to_json` wrote."""
        read = json.loads(text)
        inputs = {name: InputSpec(spec["dtype"], tuple(spec["shape"])) for name, spec in read["inputs"].items()}
        return cls(read["path"], read["sha256"], inputs)


def content_sha256(path: Path) -> str:
    """Hash of a file's content, or of the names and contents of all files in a folder."""
    if path.is_file():
        return _file_sha256(path)
    digest = hashlib.sha256()
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        digest.update(f"{file.relative_to(path).as_posix()}\0{_file_sha256(file)}\0".encode())
    return digest.hexdigest()


def _file_sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
