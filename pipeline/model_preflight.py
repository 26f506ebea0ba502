"""What can be said about the model before any data is read: it builds, and every step can take it."""

from components import model_module
from components.errors import InputError
from compression.channels.prune_channels import plan_channels
from compression.errors import CompressionError
from compression.prune import prunable_layers
from compression.qat import plan_layers
from compression.settings import PruneChannelsSettings, PruneSettings, QatSettings
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.plan import Plan, describe


def check_model(config: Config, plan: Plan) -> None:
    """Imports the model module, builds the model and asks every training step whether it can take its layers.

    Raises:
        UserError: With the first fault of the module, or all faults of the steps.
    """
    try:
        model = model_module.load(config.model.module).build(config.model.hparams, task=config.model.task)
    except (InputError, CompressionError) as error:
        raise UserError(f"{config.where('model', 'module')}: {error}") from error
    faults = []
    for step in plan.steps:
        try:
            if isinstance(step.settings, PruneSettings):
                prunable_layers(model, step.settings.skip)
            elif isinstance(step.settings, PruneChannelsSettings):
                plan_channels(model, step.settings)
            elif isinstance(step.settings, QatSettings):
                plan_layers(model, step.settings, preserve_sparsity="prune" in step.history)
        except CompressionError as error:
            faults.append(f"{config.where('variants', step.variants[0])}: {describe(step)}: {error}")
    if faults:
        raise UserError("\n".join(faults))
