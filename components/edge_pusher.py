"""Edge pusher: the selected model becomes the registry's current version."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import Artifact, BaseChannel, ComponentSpec, channel_utils
from tfx.types.artifact_utils import get_single_instance
from tfx.types.component_spec import ChannelParameter, ExecutionParameter
from tfx.types.standard_artifacts import Examples, Model, PushedModel, Schema, TransformGraph

from components import fan_in, lineage, model_artifact
from components.edge_check import GOLDEN_FILE
from components.ingest import read_window
from components.selector import read_selection
from registry import PushedVersion, Registry, RegistryError
from registry.signing import Sign, signer

TOOLS = (
    "tfx",
    "tensorflow",
    "tf-keras",
    "tensorflow-model-optimization",
    "tensorflow-model-analysis",
    "apache-beam",
    "ai-edge-litert",
)
PUSHED_FILE = "pushed.json"
SCHEMA_FILE = "schema.pbtxt"
LINEAGE = ("float_model", "transform_graph")
"""What a pushed model came from."""


def tool_versions() -> dict[str, str]:
    """Versions of the packages that made the model."""
    return {name: metadata.version(name) for name in TOOLS}


class _Spec(ComponentSpec):
    INPUTS: ClassVar = {
        "selected": ChannelParameter(type=Model),
        "float_model": ChannelParameter(type=Model, optional=True),
        "transform_graph": ChannelParameter(type=TransformGraph, optional=True),
        "examples": ChannelParameter(type=Examples, optional=True),
        "schema": ChannelParameter(type=Schema, optional=True),
    }
    OUTPUTS: ClassVar = {"pushed": ChannelParameter(type=PushedModel)}
    PARAMETERS: ClassVar = {
        "registry": ExecutionParameter(type=str),
        "facts": ExecutionParameter(type=str),
        "keep": ExecutionParameter(type=str),
        "sign_key_env": ExecutionParameter(type=str),
        "code_sha256": ExecutionParameter(type=str),
    }


class _Executor(BaseExecutor):
    """Pushes when the selector selected; "nothing selected" is a normal result."""

    def Do(self, input_dict: dict, output_dict: dict, exec_properties: dict[str, Any]) -> None:  # noqa: N802 - TFX's name
        """Pushes, and writes down what was pushed or why nothing was."""
        selected = get_single_instance(input_dict["selected"])
        pushed = get_single_instance(output_dict["pushed"])
        folder = Path(pushed.uri)
        folder.mkdir(parents=True, exist_ok=True)
        selection = read_selection(selected)
        version, reason = None, None
        if selection["selected"] is not None:
            manifest = self._manifest(selected, selection, json.loads(exec_properties["facts"]))
            manifest["lineage"] = {
                name: lineage.describe(artifact)
                for name in LINEAGE
                if (artifact := fan_in.single(input_dict, name)) is not None
            }
            examples = fan_in.single(input_dict, "examples")
            manifest["spans"] = read_window(examples.uri)["spans"] if examples else []
            made = Registry(exec_properties["registry"]).push(
                model_artifact.tflite_path(selected),
                manifest,
                {GOLDEN_FILE: Path(selected.uri) / GOLDEN_FILE, **_schema(input_dict)},
                sign=_signer(exec_properties["sign_key_env"]),
                keep=json.loads(exec_properties["keep"]),
            )
            if made.withdrawn:
                reason = (
                    f"not pushed: it is the same model as version {made.version}, which was rolled back from; "
                    f"`registry promote` makes that one current"
                )
            else:
                version = made
                shutil.copyfile(model_artifact.tflite_path(selected), folder / model_artifact.TFLITE_FILE)
                pushed.set_string_custom_property("pushed_destination", version.place)
                pushed.set_string_custom_property("pushed_version", str(version.version))
        pushed.set_int_custom_property("pushed", int(version is not None))
        (folder / PUSHED_FILE).write_text(json.dumps({"version": _as_dict(version), "reason": reason}))

    def _manifest(self, selected: Model, selection: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
        conversion = model_artifact.conversion(model_artifact.step_reports(selected))
        variant = selection["selected"]
        described = {
            "variant": variant,
            "steps": facts["steps"][variant],
            "label_names": facts["label_names"],
            "inputs": conversion["inputs"],
            "outputs": conversion["outputs"],
            "gate": selection["gate"],
        }
        return {
            **described,
            # What two runs with the same result share: pushing it twice makes one version.
            "identity": hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest(),
            "name": facts["name"],
            "selection": selection["reason"],
            "export": {"inputs": "raw" if "raw_inputs" in conversion else "transformed"},
            "edge": selection["edge"],
            "champion": selection["champion"],
            "run_id": getattr(self._context, "pipeline_run_id", None),
            "tools": tool_versions(),
        }


class EdgePusher(BaseComponent):
    """Pushes the selected model to the registry; emits the standard `PushedModel`.

    Args:
        selected: A selector's output.
        parents: Channels `float_model` and `transform_graph`, which the manifest names for later cycles,
            `examples`, whose spans it names, and `schema`, which is kept with the version.
        registry: Folder of the registry.
        facts: `{name, steps: {variant: [..]}, label_names}` for the manifest.
        keep: How many versions stay; `None`: all.
        sign_key_env: The environment variable with the key that signs manifests; `None`: they are not signed. The key
            itself is read when the node runs, and recorded nowhere.
        code_sha256: Makes a change of code known to the cache.
    """

    SPEC_CLASS = _Spec
    EXECUTOR_SPEC = ExecutorClassSpec(_Executor)

    def __init__(
        self,
        selected: BaseChannel,
        parents: Mapping[str, BaseChannel] | None = None,
        *,
        registry: str,
        facts: dict[str, Any],
        code_sha256: str,
        keep: int | None = None,
        sign_key_env: str | None = None,
    ) -> None:
        super().__init__(
            spec=_Spec(
                selected=selected,
                **(parents or {}),
                pushed=channel_utils.as_channel([PushedModel()]),
                registry=registry,
                facts=json.dumps(facts),
                keep=json.dumps(keep),
                sign_key_env=sign_key_env or "",
                code_sha256=code_sha256,
            )
        )


def _schema(input_dict: Mapping[str, list[Artifact]]) -> dict[str, Path]:
    """The schema as a file of the version, where there is one: what later runs on a cluster hold their data against."""
    schema = fan_in.single(input_dict, "schema")
    return {} if schema is None else {SCHEMA_FILE: Path(schema.uri) / SCHEMA_FILE}


def _signer(environment_name: str) -> Sign | None:
    if not environment_name:
        return None
    key = os.environ.get(environment_name)
    if not key:
        raise RegistryError(
            f"The environment variable {environment_name} must hold the key that signs manifests; it is not set. Set "
            "it, or leave push.sign_key_env out."
        )
    return signer(key)


def read_pushed(pushed: PushedModel) -> dict[str, Any]:
    """What a pusher did.

    Returns:
        `version`, which is `{version, path, sha256}` or `None`, and the `reason` why a selected model was not pushed.
    """
    return json.loads((Path(pushed.uri) / PUSHED_FILE).read_text())


def _as_dict(version: PushedVersion | None) -> dict[str, Any] | None:
    if version is None:
        return None
    return {"version": version.version, "path": version.place, "sha256": version.sha256}
