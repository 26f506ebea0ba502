"""What a Tuner found, as hyper-parameters for a model module."""

import json
from collections.abc import Mapping
from typing import Any

from tfx.types.standard_artifacts import HyperParameters
from tfx.utils import io_utils


def found_hparams(config: Mapping[str, Any] | None) -> dict[str, Any]:
    """The values in a KerasTuner configuration, which the Trainer hands on; empty without a Tuner."""
    return dict(config["values"]) if config else {}


def read_hparams(best: HyperParameters | None) -> dict[str, Any]:
    """The same from the Tuner's artifact `best_hyperparameters`."""
    if best is None:
        return {}
    return found_hparams(json.loads(io_utils.read_string_file(io_utils.get_only_uri_in_dir(best.uri))))
