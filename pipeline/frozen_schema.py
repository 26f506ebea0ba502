"""The frozen schema: what the first model that was pushed promises about data, kept in the workspace for later runs.

    WORKSPACE/schema.pbtxt     a text-format schema below a few lines of comment

The comment notes which data it was inferred from. As long as neither they nor the schema changed, a run infers it again
(the same, from the cache) instead of importing it: an imported schema is another artifact, after which TFX would train
everything anew.
"""

import hashlib
import re
from pathlib import Path

from components.ingest_spec import IngestSpec
from components.spans import Pattern
from pipeline.config import Config
from pipeline.durable import replace_text
from pipeline.errors import UserError

FILE = "schema.pbtxt"
_MARK = re.compile(r"^# inferred from data ([0-9a-f]{64}), schema ([0-9a-f]{64})$", re.MULTILINE)
_HEADER = """\
# What data must look like: frozen when the first model was pushed. Runs stop before training when data do not fit it.
# Edit it, or infer it anew with: tfx-edge data-schema update CONFIG
# inferred from data {data}, schema {schema}
"""


def place(config: Config) -> Path:
    """Where the frozen schema of a configuration stands, or would."""
    return config.workspace / FILE


def freezes(config: Config) -> bool:
    """Whether a configuration's schema is frozen: its data come in spans or are guarded, and it names no schema."""
    if config.data.schema_path is not None:
        return False
    return config.data.guard is not None or Pattern.parse(config.data.path) is not None


def given_schema(config: Config, spec: IngestSpec) -> str | None:
    """The schema that a run imports; `None`: it is inferred.

    Args:
        config: The configuration.
        spec: What is ingested.

    Raises:
        UserError: The frozen schema cannot be read.
    """
    if config.data.schema_path is not None:
        return Path(config.data.schema_path).read_text()
    if not freezes(config) or not place(config).exists():
        return None
    text = read(config)
    mark = _MARK.search(text)
    same = mark is not None and (mark[1], mark[2]) == (data_sha256(spec), body_sha256(text))
    return None if same else body(text)


def source(config: Config) -> str:
    """Where the schema of a run comes from: `given`, `frozen` or `inferred`."""
    if config.data.schema_path is not None:
        return "given"
    return "frozen" if freezes(config) and place(config).exists() else "inferred"


def read(config: Config) -> str:
    """The frozen schema, comments included.

    Raises:
        UserError: It cannot be read.
    """
    # Both bring no TensorFlow along.
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    try:
        text = place(config).read_text()
        text_format.Parse(text, schema_pb2.Schema())
        return text
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise UserError(
            f"{place(config)} must be a schema in text form, but reading it gave: {error}; restore it from "
            f"{FILE}.previous, or remove it: the next model that is pushed freezes a new one"
        ) from error


def write(config: Config, schema: str, data: str) -> None:
    """Writes a schema, whole.

    Args:
        config: The configuration.
        schema: In text form, without comments.
        data: Hash of the data that it was inferred from; empty when runs shall import it in any case.
    """
    header = _HEADER.format(data=data or "0" * 64, schema=body_sha256(schema))
    replace_text(place(config), header + body(schema))


def body(text: str) -> str:
    """A schema without comments: what the node gets, so that a comment re-runs nothing."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("#")).strip() + "\n"


def body_sha256(text: str) -> str:
    """Hash of a schema without its comments."""
    return hashlib.sha256(body(text).encode()).hexdigest()


def data_sha256(spec: IngestSpec) -> str:
    """Hash of what is ingested."""
    return hashlib.sha256(spec.to_json().encode()).hexdigest()
