"""Champion: the model that the registry names, and what it came from, as artifacts of this run.

It never fails for want of a champion: each output has the property `present`, and a file that says in words what is
missing. What is there is copied, so that a run's artifacts stand by themselves.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import Artifact
from tfx.types.standard_artifacts import Model, TransformGraph
from tfx.utils import path_utils

from components import lineage, model_artifact
from components.champion_version import find_champion
from registry import Registry, RegistryError, Version
from registry.version import MODEL

STANDING_FILE = "champion.json"
PARENT_FILE = "parent.json"

NO_CHAMPION = "the registry holds no champion yet"
_SAVED_MODEL = ("saved_model.pb", "keras_metadata.pb")


@dataclass(frozen=True)
class Standing:
    """What is known of the champion.

    Attributes:
        version: Its number; `None` when the registry holds none.
        sha256: Of its file.
        inputs: `raw` when its file holds its transform, else `transformed`.
        label_names: Names of the classes, as its manifest has them.
        reason: Why there is none, in words; empty when there is one.
    """

    version: int | None
    sha256: str = ""
    inputs: str = "transformed"
    label_names: Any = None
    reason: str = ""


@dataclass(frozen=True)
class Parent:
    """One of the artifacts that the champion came from.

    Attributes:
        version: The champion's number; `None` when there is none.
        present: Whether it stands in the artifact beside this note.
        reason: Why not, in words; empty when it does.
    """

    version: int | None
    present: bool
    reason: str = ""


@component
def Champion(  # noqa: N802 - a component is named like a class
    champion: OutputArtifact[Model],
    float_model: OutputArtifact[Model],
    transform_graph: OutputArtifact[TransformGraph],
    registry: Parameter[str],
    resolved: Parameter[str] = "",
    code_sha256: Parameter[str] = "",
) -> None:
    """Reads the champion from the registry, and what its manifest's lineage names.

    Args:
        champion: Its file, as `Format-Serving/tflite`, and its `Standing`.
        float_model: The float Keras model that it was compressed from, and a note about it.
        transform_graph: The preprocessing that its inputs went through, and a note about it.
        registry: The registry.
        resolved: `{version, sha256}` as JSON of what `current.json` named when the run was planned, so that the cache
            knows it; `version` is null without a champion. Empty: look now.
        code_sha256: Makes a change of code known to the cache.

    Raises:
        RegistryError: The registry is damaged, or the version that was planned with is gone.
    """
    del code_sha256
    version = _find(Registry(registry), resolved)
    number = version.version if version else None
    standing = _standing(version)
    _write(champion, STANDING_FILE, asdict(standing))
    _mark(champion, number, present=version is not None)
    if version is not None:
        model_artifact.save_tflite(_content(version), champion, [])
    named = (version.manifest.get("lineage") or {}) if version else {}
    for artifact, name in ((float_model, "float_model"), (transform_graph, "transform_graph")):
        reason = _fetch(name, named.get(name), artifact.uri) if version else NO_CHAMPION
        _write(artifact, PARENT_FILE, asdict(Parent(number, reason is None, reason or "")))
        _mark(artifact, number, present=reason is None)


def _find(registry: Registry, resolved: str) -> Version | None:
    if not resolved:
        return find_champion(registry)
    number = json.loads(resolved)["version"]
    # A push since the run was planned does not change what it compares with.
    return None if number is None else registry.version(number)


def _content(version: Version) -> bytes:
    content = version.read(MODEL)
    if hashlib.sha256(content).hexdigest() != version.sha256:
        raise RegistryError(
            f"Version {version.version} must hold the model with sha256 {version.sha256} that its manifest names; its "
            "file has another. Restore it from a copy, or roll back to a sound version, and run again."
        )
    return content


def _standing(version: Version | None) -> Standing:
    if version is None:
        return Standing(None, reason=NO_CHAMPION)
    manifest = version.manifest
    inputs = (manifest.get("export") or {}).get("inputs", "transformed")
    return Standing(version.version, version.sha256, inputs, manifest.get("label_names"))


def _fetch(name: str, parent: Any, target: str) -> str | None:  # noqa: ANN401 - a value of a manifest
    """Copies a parent; why it cannot be used otherwise. The compressed model must never be taken for the float one."""
    reason = lineage.fetch(parent, target)
    if reason is None and name == "float_model":
        reason = _not_float(parent["uri"], target)
        if reason is not None:
            fileio.rmtree(target)
    return reason


def _not_float(uri: str, copied: str) -> str | None:
    artifact = Model()
    artifact.uri = copied
    if model_artifact.step_reports(artifact):
        return f"{uri} is the output of a compression step"
    serving = path_utils.serving_model_dir(copied)
    if not all(fileio.exists(f"{serving}/{file}") for file in _SAVED_MODEL):
        return f"{uri} holds no Keras model"
    return None


def _write(artifact: Artifact, name: str, content: dict[str, Any]) -> None:
    fileio.makedirs(artifact.uri)
    with fileio.open(f"{artifact.uri}/{name}", "w") as stream:
        stream.write(json.dumps(content))


def _mark(artifact: Artifact, version: int | None, *, present: bool) -> None:
    artifact.set_int_custom_property("present", int(present))
    artifact.set_int_custom_property("version", version or 0)


def read_standing(champion_uri: str) -> Standing:
    """What is known of the champion, from its artifact."""
    return Standing(**_read(f"{champion_uri}/{STANDING_FILE}"))


def read_parent(uri: str) -> Parent:
    """Whether one of its parents is there, from that parent's artifact."""
    return Parent(**_read(f"{uri}/{PARENT_FILE}"))


def _read(path: str) -> dict[str, Any]:
    with fileio.open(path) as stream:
        return json.loads(stream.read())
