"""What can be said about the model before any data is read: it builds, and every step can take it."""

from tensorflow import keras

from components import model_module
from components.errors import InputError
from components.pretrained_spec import PretrainedSpec
from components.targets import to_text
from compression import keras_models
from compression.channels.prune_channels import remove_channels
from compression.cluster import plan_clusters
from compression.errors import CompressionError
from compression.pretrained import load_pretrained
from compression.prune import plan_sparsity
from compression.qat import plan_layers
from compression.search.space import Point
from compression.search.space import describe as describe_point
from compression.settings import ClusterSettings, DistillSettings, PruneChannelsSettings, PruneSettings, QatSettings
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.plan import Plan, describe


def check_model(config: Config, plan: Plan) -> PretrainedSpec | None:
    """Builds or reads the model and asks every training step whether it can take its layers.

    With a search, the models at the extremes of its space are asked, one hyper-parameter at a time.

    Returns:
        What is known of a model that was trained elsewhere; `None` for one that will be trained.

    Raises:
        UserError: With the first fault of the module, its search space or the pretrained model, or all faults of the
            steps.
    """
    if config.model.pretrained is not None:
        return _check_pretrained(config, config.model.pretrained, plan)
    key, with_point = ("model", "module"), ""
    faults: list[str] = []
    try:
        module = model_module.load(str(config.model.module))
        points: list[Point] = [{}]
        if config.model.search is not None:
            key = ("model", "search")
            points = module.space(fixed=config.model.hparams).extremes()
        for point in points:
            with_point = f"with {describe_point(point)}: " if point else ""
            model = module.build({**config.model.hparams, **point}, task=to_text(config.tasks))
            faults += _step_faults(config, plan, module, model, point)
    except (InputError, CompressionError) as error:
        raise UserError(f"{config.where(*key)}: {with_point}{error}") from error
    if faults:
        raise UserError("\n".join(faults))
    return None


def _check_pretrained(config: Config, path: str, plan: Plan) -> PretrainedSpec:
    key = "module"
    try:
        named = config.model.module
        module = None if named is None else model_module.load(named, needs=["preprocessing_fn"])
        key = "pretrained"
        model = load_pretrained(path)
        keras_models.check_model(model, task=config.tasks)
    except (InputError, CompressionError) as error:
        raise UserError(f"{config.where('model', key)}: {error}") from error
    faults = _step_faults(config, plan, module, model, {})
    if faults:
        raise UserError("\n".join(faults))
    return PretrainedSpec.of(path, model)


def _step_faults(
    config: Config, plan: Plan, module: model_module.ModelModule | None, model: keras.Model, point: Point
) -> list[str]:
    with_point = f"with {describe_point(point)}: " if point else ""
    faults = []
    networks: dict[str | None, keras.Model] = {None: model}
    for step in plan.steps:
        networks[step.id] = networks[step.parent]
        try:
            if isinstance(step.settings, DistillSettings) and step.settings.student == "build_student":
                assert module is not None, "the configuration refuses a student without a module"
                hparams = {**config.model.hparams, **point, **step.settings.hparams}
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
            faults.append(f"{config.where('variants', step.variants[0])}: {describe(step)}: {with_point}{error}")
    return faults
