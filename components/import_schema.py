"""A schema that the user gives instead of the inferred one."""

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types.standard_artifacts import Schema

from components.errors import InputError


@component
def ImportSchema(schema: OutputArtifact[Schema], text: Parameter[str]) -> None:  # noqa: N802
    """Emits the schema in `text` (a text-format `tensorflow_metadata.v0.Schema`).

    The text, not the file's name, is the parameter: a changed file re-runs what depends on it.

    Raises:
        InputError: The text is no schema.
    """
    try:
        text_format.Parse(text, schema_pb2.Schema())
    except text_format.ParseError as error:
        raise InputError(f"data.schema must be a tensorflow_metadata Schema in text format: {error}") from error
    fileio.makedirs(schema.uri)
    with fileio.open(f"{schema.uri}/schema.pbtxt", "w") as stream:
        stream.write(text)
