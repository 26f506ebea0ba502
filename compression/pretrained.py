"""Models that were trained elsewhere: `.keras` and `.h5` files of tf_keras, and SavedModels."""

import json
import zipfile
from pathlib import Path

import h5py
import tf_keras as keras

from compression import keras_models
from compression.errors import CompressionError
from compression.saved_model import load_signature

SUFFIXES = (".keras", ".h5", ".hdf5")


def load_pretrained(path: str | Path) -> keras.Model:
    """Reads a model that was trained elsewhere; it is not compiled.

    A SavedModel that Keras did not write, or that holds other layers than Keras's own, becomes a Functional model of
    one `SavedModelLayer`: `quantize` is the only step that can take it.

    Args:
        path: A `.keras` or `.h5` file of tf_keras, or the folder of a SavedModel.

    Raises:
        CompressionError: There is no model, or it is in another format, was saved by Keras 3, or holds layers that
            tf_keras does not know.
    """
    path = Path(path)
    if path.is_dir():
        return _load_folder(path)
    if path.suffix not in SUFFIXES or not path.is_file():
        got = f"the file {path}" if path.is_file() else f"{path}, which does not exist"
        raise CompressionError(
            f"a pretrained model must be a {' or '.join(SUFFIXES)} file or the folder of a SavedModel, got {got}; "
            "save it in one of these formats"
        )
    version = _keras_version(path)
    if version.startswith("3"):
        raise CompressionError(
            f"a pretrained model must be one of tf_keras (Keras 2), but {path} was saved by Keras {version}; write "
            "model.export(FOLDER) where it was trained and name that folder: quantize can take it, other steps cannot"
        )
    return _load_keras(path)


def _load_folder(path: Path) -> keras.Model:
    if not (path / "saved_model.pb").is_file():
        raise CompressionError(
            f"the folder of a SavedModel must hold saved_model.pb, but {path} does not; name the folder that does"
        )
    if (path / "keras_metadata.pb").is_file():
        try:
            model = _load_keras(path)
            keras_models.check_structure(model)
        except CompressionError:
            pass  # layers of the user's own: the signature computes the same
        else:
            return model
    return load_signature(path)


def _load_keras(path: Path) -> keras.Model:
    try:
        with keras_models.quantize_scope():
            return keras.models.load_model(str(path), compile=False)
    except Exception as error:  # Keras raises about anything for a file that is damaged or holds unknown classes
        reason = next(iter(str(error).splitlines()), "no message")[:300]
        raise CompressionError(
            f"a pretrained model must load in tf_keras, but {path} raised {type(error).__name__}: {reason}; save "
            "layers of your own as part of a SavedModel: quantize can take that, other steps cannot"
        ) from error


def _keras_version(path: Path) -> str:
    """The version of Keras that saved a file; empty when the file does not say."""
    try:
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                return str(json.loads(archive.read("metadata.json")).get("keras_version", ""))
        with h5py.File(path) as file:
            return str(file.attrs.get("keras_version", ""))
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise CompressionError(
            f"a pretrained model must be a readable file, but {path} is damaged or of another format ({error}); save "
            "the model again"
        ) from error
