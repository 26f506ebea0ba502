"""What can be said about the model before any data is read: it builds, and every step can take it."""

from tensorflow import keras

from components import model_module
from components.errors import InputError
from components.targets import to_text
from compression.channels.prune_channels import remove_channels
from compression.cluster import plan_clusters
from compression.errors import CompressionError
from compression.prune import plan_sparsity
from compression.qat import plan_layers
from compression.settings import ClusterSettings, DistillSettings, PruneChannelsSettings, PruneSettings, QatSettings
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.plan import Plan, describe


def check_model(config: Config, plan: Plan) -> None:
    """Imports the model module, builds the model and asks every training step whether it can take its layers.

    Raises:
        UserError: With the first fault of the module, or all faults of the steps.
    """
    try:
        module = model_module.load(config.model.module)
        model = module.build(config.model.hparams, task=to_text(config.tasks))
    except (InputError, CompressionError) as error:
        raise UserError(f"{config.where('model', 'module')}: {error}") from error
    faults = []
    networks: dict[str | None, keras.Model] = {None: model}
    for step in plan.steps:
        networks[step.id] = networks[step.parent]
        try:
            if isinstance(step.settings, DistillSettings) and step.settings.student == "build_student":
                hparams = {**config.model.hparams, **step.settings.hparams}
                networks[step.id] = module.student(hparams, task=to_text(config.tasks), features=set(model.input_names))
            elif isinstance(step.settings, PruneSettings):
                plan_sparsity(networks[step.id], step.settings)
            elif isinstance(step.settings, PruneChannelsSettings):
                networks[step.id] = remove_channels(networks[step.id], step.settings)
            elif isinstance(step.settings, ClusterSettings):
                plan_clusters(networks[step.id], step.settings)
            elif isinstance(step.settings, QatSettings):
                plan_layers(networks[step.id], step.settings)
        except (CompressionError, InputError) as error:
            faults.append(f"{config.where('variants', step.variants[0])}: {describe(step)}: {error}")
    if faults:
        raise UserError("\n".join(faults))
