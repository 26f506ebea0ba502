"""Models that were trained elsewhere: `.keras` and `.h5` files of tf_keras, and SavedModels."""

from pathlib import Path

import h5py
import tf_keras as keras

from compression import keras_models
from compression.errors import CompressionError
from compression.inline import inlined
from compression.model_file import check_model_file, refuse_keras_3
from compression.saved_model import load_signature


def load_pretrained(path: str | Path) -> keras.Model:
    """Reads a model that was trained elsewhere; it is not compiled.

    A SavedModel that Keras did not write, or that holds other layers than Keras's own, becomes a Functional model of
    one `SavedModelLayer`: `quantize` is the only step that can take it. Models inside of a Keras model are taken apart.

    Args:
        path: A `.keras` or `.h5` file of tf_keras, or the folder of a SavedModel.

    Raises:
        CompressionError: There is no model, or it is in another format, was saved by Keras 3, or holds layers that
            tf_keras does not know.
    """
    path = Path(path)
    check_model_file(path)
    if path.is_dir():
        return _load_folder(path)
    if path.suffix != ".keras":
        refuse_keras_3(path, _hdf5_keras_version(path))
    return inlined(_load_keras(path))


def _load_folder(path: Path) -> keras.Model:
    if (path / "keras_metadata.pb").is_file():
        try:
            model = _load_keras(path)
            keras_models.check_structure(model)
        except CompressionError:
            pass  # layers of the user's own: the signature computes the same
        else:
            return inlined(model)
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


def _hdf5_keras_version(path: Path) -> str:
    """The version of Keras that saved a file; empty when the file does not say."""
    with h5py.File(path) as file:
        return str(file.attrs.get("keras_version", ""))
