"""The model module: what a user writes, reached by dotted name."""

import importlib
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tensorflow import keras

from components.errors import InputError
from components.targets import from_text
from compression.data import Augment
from compression.keras_models import check_model
from compression.search.space import Space, make_space

_FUNCTIONS = ("preprocessing_fn", "build_model", "build_student", "search_space", "augment")

TO_TRAIN = ("preprocessing_fn", "build_model")
"""What a module must define that builds the model; beside a pretrained one it need not build it."""


@dataclass(frozen=True)
class ModelModule:
    """The functions of a model module.

    Attributes:
        name: Dotted name.
        preprocessing_fn: Raw features to transformed features, in TensorFlow and TensorFlow Transform.
        build_model: Hyper-parameters to an uncompiled functional `tf_keras` model; `None` beside a model that was
            trained elsewhere.
        build_student: The same for the student of `distill`; `None` when the module has none.
        search_space: Hyper-parameters and the values that a search may give them; `None`: there is nothing to search.
        augment: Changes the features of each training batch (`compression.augmentation`); `None`: they stay.
    """

    name: str
    preprocessing_fn: Callable[..., dict[str, Any]]
    build_model: Callable[[Mapping[str, Any]], keras.Model] | None
    build_student: Callable[[Mapping[str, Any]], keras.Model] | None = None
    search_space: Callable[[], dict[str, list]] | None = None
    augment: Augment | None = None

    def build(self, hparams: Mapping[str, Any], *, task: str, features: Collection[str] | None = None) -> keras.Model:
        """Builds the model and checks that the pipeline can take it.

        Args:
            hparams: Handed to `build_model`.
            task: Fixes the output's shape; of several outputs as `components.targets` writes it.
            features: Names of the transformed features; `None` when they are not known yet.

        Raises:
            InputError: `build_model` raised.
            CompressionError: It returned something that is not a fitting functional `tf_keras` model.
        """
        return self._built("build_model", hparams, task, features)

    def student(self, hparams: Mapping[str, Any], *, task: str, features: Collection[str] | None = None) -> keras.Model:
        """Builds the student as `build` builds the model.

        Raises:
            InputError: The module has no `build_student`, or it raised.
            CompressionError: As `build`.
        """
        if self.build_student is None:
            raise InputError(
                f"model module {self.name} must define build_student(hparams) for the step distill; write it, or set "
                "`student: same`"
            )
        return self._built("build_student", hparams, task, features)

    def _built(
        self, function: str, hparams: Mapping[str, Any], task: str, features: Collection[str] | None
    ) -> keras.Model:
        try:
            model = getattr(self, function)(dict(hparams))
        except Exception as error:  # whatever the user's code raises
            raise InputError(f"{self.name}.{function} must build a model, but raised {_cause(error)}") from error
        check_model(model, task=from_text(task), feature_names=None if features is None else set(features))
        return model

    def space(self, fixed: Collection[str]) -> Space:
        """What a search may try.

        Args:
            fixed: Hyper-parameters that the configuration gives.

        Raises:
            InputError: There is no function `search_space`, or it raised.
            CompressionError: It returned something that is no space, or nothing is left to search.
        """
        name = f"{self.name}.search_space"
        if self.search_space is None:
            raise InputError(
                f"model module {self.name} must define search_space for a search; models/digits.py shows it"
            )
        try:
            declared = self.search_space()
        except Exception as error:  # whatever the user's code raises
            raise InputError(f"{name} must return a dict, but raised {_cause(error)}") from error
        return make_space(declared, fixed, name)


def load(name: str, needs: Sequence[str] = TO_TRAIN) -> ModelModule:
    """Imports the module.

    Args:
        name: Dotted name.
        needs: Functions that it must define.

    Raises:
        InputError: It does not exist, does not import, or lacks a function.
    """
    try:
        module = importlib.import_module(name)
    except SyntaxError as error:
        raise InputError(
            f"model module {name} must be valid Python: {error.msg} at {error.filename}:{error.lineno}"
        ) from error
    except Exception as error:  # whatever importing the user's code raises
        raise InputError(f"model module {name} must import, but raised {_cause(error)}") from error
    missing = [function for function in needs if not callable(getattr(module, function, None))]
    if missing:
        raise InputError(
            f"model module {name} must define {' and '.join(needs)}; it lacks {' and '.join(missing)}; "
            "models/digits.py shows how"
        )
    return ModelModule(name, *(getattr(module, function, None) for function in _FUNCTIONS))


def _cause(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    # The deepest frame outside of the import machinery is where the user has to look.
    own = [frame for frame in frames if "importlib" not in frame.filename and Path(frame.filename).exists()]
    where = f" at {own[-1].filename}:{own[-1].lineno}" if own else ""
    return f"{type(error).__name__}: {error}{where}"
