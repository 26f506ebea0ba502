"""What a path to a trained model must lead to, seen from outside: needs neither TensorFlow nor NumPy."""

import json
import zipfile
from pathlib import Path

from compression.errors import CompressionError

SUFFIXES = (".keras", ".h5", ".hdf5")

_HDF5 = b"\x89HDF\r\n\x1a\n"


def check_model_file(path: Path) -> None:
    """Checks that a path leads to a `.keras` or `.h5` file, or to the folder of a SavedModel.

    Raises:
        CompressionError: There is nothing, something else, a damaged file, or one that Keras 3 saved.
    """
    if path.is_dir():
        if not (path / "saved_model.pb").is_file():
            raise CompressionError(
                f"the folder of a SavedModel must hold saved_model.pb, got {path} without it; name the folder with it"
            )
        return
    if path.suffix not in SUFFIXES or not path.is_file():
        got = f"the file {path}" if path.is_file() else f"{path}, which does not exist"
        raise CompressionError(
            f"a pretrained model must be a {' or '.join(SUFFIXES)} file or the folder of a SavedModel, got {got}; "
            "save it in one of these formats"
        )
    try:
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                refuse_keras_3(path, str(json.loads(archive.read("metadata.json"))["keras_version"]))
        else:
            _check_hdf5(path)
    except (OSError, zipfile.BadZipFile, KeyError, TypeError, json.JSONDecodeError) as error:
        raise CompressionError(
            f"a pretrained model must be a readable {path.suffix} file, got {path}, damaged or something else "
            f"({error}); save the model again"
        ) from error


def refuse_keras_3(path: Path, version: str) -> None:
    """Raises a CompressionError for a file that tf_keras cannot read.

    Args:
        path: For the message.
        version: The version of Keras that saved it, such as `2.21.0`.
    """
    if version.startswith("3"):
        raise CompressionError(
            f"a pretrained model must be one of tf_keras (Keras 2), got {path}, saved by Keras {version}; write "
            "model.export(FOLDER) where it was trained and name that folder: quantize can take it, other steps cannot"
        )


def _check_hdf5(path: Path) -> None:
    with path.open("rb") as stream:
        if stream.read(len(_HDF5)) != _HDF5:
            raise OSError("its first bytes are not those of HDF5")
