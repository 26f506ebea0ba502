"""`run_fn` of the stock Trainer: reads data, builds the user's model, fits, exports. Users write none of it."""

import json
from pathlib import Path

import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.dsl.io import fileio

from components import model_module, warm_start
from components.hyperparameters import found_hparams
from components.pretrained import check_fixed
from components.progress import report_epoch
from components.targets import from_text
from components.transformed_data import transformed_split
from compression import keras_models
from compression.data import TrainingData
from compression.determinism import seed_everything
from compression.outputs import packed
from compression.reading import prepared
from compression.settings import TrainSettings
from compression.settings.reading import ReadingSettings
from compression.training import train

HISTORY_FILE = "history.json"


def run_fn(fn_args: FnArgs) -> None:
    """Trains the float baseline as `fn_args.custom_config` says, which `pipeline.search.recipe` makes.

    What a Tuner found, `fn_args.hyperparameters`, is added to `hparams`. With `fn_args.base_model`, what
    `components.champion` emits as `float_model`, the training goes on from the champion where that is possible.
    """
    config = fn_args.custom_config
    hparams = {**config["hparams"], **found_hparams(fn_args.hyperparameters)}
    seed_everything(config["seed"])
    transform = tft.TFTransformOutput(fn_args.transform_graph_path)
    features = set(transform.transformed_feature_spec()) - set(from_text(config["label"]).values())
    module = model_module.load(config["module"])
    model = module.build(hparams, task=config["task"], features=features)
    check_fixed(model, transform.transformed_feature_spec())
    start = warm_start.begin(model, fn_args.base_model) if fn_args.base_model else None
    splits = [
        transformed_split(patterns, transform, label=config["label"], features=model.input_names, task=config["task"])
        for patterns in (fn_args.train_files, fn_args.eval_files)
    ]
    data = TrainingData(
        *splits,
        task=packed(from_text(config["task"])),
        seed=config["seed"],
        reading=ReadingSettings.model_validate(config.get("reading", {})),
        augment=module.augment,
    )
    with prepared(data) as read:
        history = train(model, read, TrainSettings.model_validate(config["train"]), on_epoch=report_epoch)
    keras_models.save(model, fn_args.serving_model_dir)
    fileio.makedirs(fn_args.model_run_dir)
    with fileio.open(str(Path(fn_args.model_run_dir) / HISTORY_FILE), "w") as stream:
        stream.write(json.dumps(history))
    if start is not None:
        warm_start.write(start, fn_args.model_run_dir)
