"""Components whose inputs depend on the plan: a model, an evaluation and two blessings per variant, each optional.

TFX's function components have a fixed list of inputs, and a union of channels does not compile for Kubeflow. So the
specification is made per pipeline; the executor finds a variant's artifacts by the name of the input.
Optional inputs are what lets the run go on when one variant fails.
"""

from collections.abc import Mapping
from typing import Any

from tfx.types import Artifact, BaseChannel, ComponentSpec, channel_utils
from tfx.types.component_spec import ChannelParameter, ExecutionParameter
from tfx.types.standard_artifacts import InfraBlessing, Model, ModelBlessing, ModelEvaluation

VARIANT_INPUTS: dict[str, type[Artifact]] = {
    "model": Model,
    "evaluation": ModelEvaluation,
    "blessing": ModelBlessing,
    "edge": InfraBlessing,
}


def make_spec(
    name: str,
    *,
    variants: Mapping[str, Mapping[str, BaseChannel]],
    inputs: Mapping[str, tuple[type[Artifact], BaseChannel]],
    outputs: Mapping[str, type[Artifact]],
    parameters: Mapping[str, str],
) -> ComponentSpec:
    """A specification with `VARIANT_INPUTS` for every variant.

    Args:
        name: Name of the specification's class.
        variants: Variant name to channels, keyed as `VARIANT_INPUTS`.
        inputs: Further inputs, type and channel by name; optional as well.
        outputs: Artifact types by name.
        parameters: Execution parameters, all text.
    """
    channels = {
        input_key(kind, variant): channels[kind] for variant, channels in variants.items() for kind in VARIANT_INPUTS
    }
    types = {input_key(kind, variant): VARIANT_INPUTS[kind] for variant in variants for kind in VARIANT_INPUTS}
    channels |= {key: channel for key, (_, channel) in inputs.items()}
    types |= {key: artifact_type for key, (artifact_type, _) in inputs.items()}
    spec_class = type(
        name,
        (ComponentSpec,),
        {
            "INPUTS": {key: ChannelParameter(type=kind, optional=True) for key, kind in types.items()},
            "OUTPUTS": {key: ChannelParameter(type=kind) for key, kind in outputs.items()},
            "PARAMETERS": {key: ExecutionParameter(type=str) for key in parameters},
        },
    )
    made = {key: channel_utils.as_channel([kind()]) for key, kind in outputs.items()}
    return spec_class(**channels, **made, **parameters)


def input_key(kind: str, variant: str) -> str:
    """Name of a variant's input."""
    return f"{kind}_{variant}"


def step_key(node_id: str) -> str:
    """Name of the input for the model of a step between the float model and the conversions.

    >>> step_key("prune-1a2b3c4d")
    'step_prune_1a2b3c4d'
    """
    return f"step_{node_id.replace('-', '_')}"


def single(input_dict: Mapping[str, list[Artifact]], key: str) -> Any:  # noqa: ANN401 - the artifact's own class
    """The one artifact of an optional input, or `None`."""
    artifacts = input_dict.get(key) or []
    return artifacts[0] if artifacts else None
