"""Artifacts between Kubeflow's description of them and TFX's objects."""

import math
from collections.abc import Mapping
from typing import Any

import tfx  # noqa: F401 - repairs names of packages that others import
from ml_metadata.proto import metadata_store_pb2
from tfx.types import Artifact, standard_artifacts
from tfx.types.artifact import CUSTOM_PROPERTIES_PREFIX
from tfx.types.experimental import simple_artifacts

from kubeflow.container.invocation import BadInvocation, RuntimeArtifact
from kubeflow.container.mounts import remote_values, to_local

_STANDARD = "tfx."


def to_tfx(described: RuntimeArtifact, number: int = 0) -> Artifact:
    """The TFX artifact, at the place where the launcher mounts it.

    Args:
        described: As the launcher names it.
        number: Id of the object; TFX knows numbers alone.

    Raises:
        BadInvocation: Its type is not one of TFX's.
        UnknownPlace: The launcher does not mount it.
    """
    artifact = _type(described)()
    artifact.uri = to_local(described.uri)
    if number:
        artifact.id = number
    declared = artifact.artifact_type.properties
    for key, value in described.metadata.items():
        name = key.removeprefix(CUSTOM_PROPERTIES_PREFIX)
        if key in declared and _fits(declared[key], value):
            setattr(artifact, key, int(value) if declared[key] == metadata_store_pb2.INT else value)
        else:
            _set_custom(artifact, name if name in declared else key, value)
    return artifact


def to_output(artifact: Artifact, name: str, names: Mapping[int, str]) -> dict[str, Any]:
    """What the launcher is told of an output.

    Args:
        artifact: The output.
        name: Kubeflow's name for it.
        names: Kubeflow's names of all artifacts, by the numbers that TFX had for them.
    """
    message = artifact.mlmd_artifact
    declared = artifact.artifact_type.properties
    metadata = {key: _value(value, names) for key, value in message.properties.items()}
    for key, value in message.custom_properties.items():
        metadata[CUSTOM_PROPERTIES_PREFIX + key if key in declared else key] = _value(value, names)
    # The launcher refuses to publish a null (backend/src/v2/metadata/converter.go).
    known = {key: remote_values(value) for key, value in metadata.items() if value is not None}
    return {"name": name, "uri": remote_values(artifact.uri), "metadata": known}


def _type(described: RuntimeArtifact) -> type[Artifact]:
    if described.title.startswith(_STANDARD):
        name = described.title.removeprefix(_STANDARD)
        for module in (standard_artifacts, simple_artifacts):
            found = getattr(module, name, None)
            if isinstance(found, type) and issubclass(found, Artifact):
                return found
    raise BadInvocation(
        f"the artifact at {described.uri} must have one of TFX's standard types, got {described.title or 'none'}; "
        "compile the pipeline with this version and submit it again"
    )


def _fits(kind: int, value: Any) -> bool:  # noqa: ANN401 - a JSON value
    """Whether a property that the type declares can hold a value."""
    types: dict[int, type | tuple[type, ...]] = {
        metadata_store_pb2.INT: (int, float),
        metadata_store_pb2.DOUBLE: (int, float),
        metadata_store_pb2.STRING: str,
        metadata_store_pb2.STRUCT: object,
    }
    return isinstance(value, types.get(kind, ()))


def _set_custom(artifact: Artifact, key: str, value: Any) -> None:  # noqa: ANN401 - a JSON value
    """Numbers come as floats: those that may have been whole are whole again.

    TFX's own entrypoint makes JSON values of them, which `get_int_custom_property` reads as 0 from protobuf 5 on.
    """
    if isinstance(value, str):
        artifact.set_string_custom_property(key, value)
    elif isinstance(value, int | float) and float(value).is_integer():
        artifact.set_int_custom_property(key, int(value))
    elif isinstance(value, float):
        artifact.set_float_custom_property(key, value)
    else:
        artifact.set_json_value_custom_property(key, value)


def _value(value: metadata_store_pb2.Value, names: Mapping[int, str]) -> Any:  # noqa: ANN401 - a JSON value
    kind = value.WhichOneof("value")
    if kind == "int_value":
        # An id of ours means nothing to Kubeflow, and is too long for a float.
        return names.get(value.int_value, float(value.int_value))
    if kind == "struct_value":
        return _decoded(value)
    number_or_text = getattr(value, kind) if kind else None
    if isinstance(number_or_text, float) and not math.isfinite(number_or_text):
        return str(number_or_text)
    return number_or_text


def _decoded(value: metadata_store_pb2.Value) -> Any:  # noqa: ANN401 - a JSON value
    holder = simple_artifacts.File()
    holder.mlmd_artifact.custom_properties["value"].CopyFrom(value)
    return holder.get_json_value_custom_property("value")
