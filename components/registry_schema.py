"""The frozen schema on a cluster: what the model in the field promises about data, kept with its version."""

import json
import logging

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components.schema_gen import executor as schema_gen
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types.standard_artifacts import ExampleStatistics, Schema

from components.champion_version import find_champion
from components.edge_pusher import SCHEMA_FILE
from components.errors import InputError
from registry import Registry

_NOT_PROMISED = ("validation", "eval")
_log = logging.getLogger(__name__)


@component
def RegistrySchema(  # noqa: N802 - a component is named like a class
    statistics: InputArtifact[ExampleStatistics],
    schema: OutputArtifact[Schema],
    registry: Parameter[str],
    code_sha256: Parameter[str] = "",
) -> None:
    """Emits the schema that the current version was pushed with; before the first push it is inferred.

    Args:
        statistics: Of the data; the train split is what a schema is inferred from.
        schema: The schema, and the property `source`: `frozen` or `inferred`.
        registry: The registry.
        code_sha256: Makes a change of code known to the cache.

    Raises:
        InputError: What is kept with the version is no schema.
        RegistryError: The registry cannot be read.
    """
    del code_sha256
    text, why = _frozen(registry)
    if text is None:
        _log.warning("the schema is inferred: %s", why)
        # SchemaGen's own code, so that the first run on a cluster promises what one on this machine would.
        excluded = json.dumps(list(_NOT_PROMISED))
        schema_gen.Executor().Do(
            {"statistics": [statistics]}, {"schema": [schema]}, {"exclude_splits": excluded, "infer_feature_shape": 1}
        )
    else:
        fileio.makedirs(schema.uri)
        with fileio.open(f"{schema.uri}/{SCHEMA_FILE}", "w") as stream:
            stream.write(text)
    schema.set_string_custom_property("source", "inferred" if text is None else "frozen")


def _frozen(place: str) -> tuple[str | None, str]:
    """The schema of the champion; `None`, and why."""
    current = find_champion(Registry(place))
    if current is None:
        return None, "the registry holds no version yet"
    if SCHEMA_FILE not in current.names():
        return None, f"version {current.version} was pushed without one"
    text = current.read(SCHEMA_FILE).decode(errors="replace")
    try:
        text_format.Parse(text, schema_pb2.Schema())
    except text_format.ParseError as error:
        raise InputError(
            f"{current.place}/{SCHEMA_FILE} must be a tensorflow_metadata Schema in text format: {error}; restore it "
            "from a copy, roll back to a sound version, or give a schema as data.schema"
        ) from error
    return text, ""
