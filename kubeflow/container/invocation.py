"""What the launcher asks of a container: TFX's arguments around Kubeflow's ExecutorInput. Needs no TFX.

What the open-source driver and launcher hand over differs from what TFX's own entrypoint expects: input artifacts have
no type (backend/src/v2/metadata/client.go stores no schema), outputs that no component declared are added
(`executor-logs`, backend/src/v2/driver/driver.go), and all places are remote.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import yaml

SYSTEM = "system."
"""How the titles of Kubeflow's own artifact types begin; no component of ours reads or writes them."""

_RUNNER = "--runner=FnApiRunner"
"""Beam's own default would try to download another runner's binary."""


class BadInvocation(ValueError):
    """What the container was given is not what Kubeflow gives."""


@dataclass(frozen=True)
class RuntimeArtifact:
    """An artifact as the launcher names it.

    Attributes:
        name: Id of an input, key of an output; Kubeflow's own name for it.
        title: Title of its type, such as `tfx.Examples`.
        uri: Where it stands, remote.
        metadata: Its properties; numbers are floats, whatever they were.
    """

    name: str
    title: str
    uri: str
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class Invocation:
    """One execution of one node.

    Attributes:
        executor: Import path of the executor's class.
        beam_args: Arguments for Beam, with a runner.
        inputs: Artifacts by input; an input whose producer made nothing is absent or empty.
        outputs: The node's own output artifacts.
        system: Outputs of Kubeflow's own types.
        parameters: Execution properties; whole numbers where the node declares them.
        output_file: Where the launcher looks for what the node says of its outputs.
    """

    executor: str
    beam_args: tuple[str, ...]
    inputs: Mapping[str, tuple[RuntimeArtifact, ...]]
    outputs: Mapping[str, RuntimeArtifact]
    system: Mapping[str, RuntimeArtifact]
    parameters: Mapping[str, Any]
    output_file: str

    @property
    def _place(self) -> tuple[str, ...]:
        """`(.., run, task, uuid)`: the folders that the driver puts a task's outputs into."""
        first = next(iter([*self.outputs.values(), *self.system.values()]), None)
        return PurePosixPath(first.uri).parts[:-1] if first else ()

    @property
    def task(self) -> str:
        """Id of the node."""
        return self._place[-2] if len(self._place) >= 3 else self.executor

    @property
    def run_id(self) -> str | None:
        """Id of the run; the driver tells it by place alone."""
        return self._place[-3] if len(self._place) >= 3 else None


def parse(argv: Sequence[str]) -> Invocation:
    """Reads the arguments.

    Raises:
        BadInvocation: They are not those of a compiled pipeline.
    """
    parser = argparse.ArgumentParser("python -m kubeflow.container", exit_on_error=False, add_help=False)
    parser.add_argument("--executor_class_path", required=True)
    parser.add_argument("--json_serialized_invocation_args", required=True)
    parser.add_argument("--json_serialized_inputs_spec_args", default="{}")
    try:
        args, rest = parser.parse_known_args(argv)
        given = json.loads(args.json_serialized_invocation_args)
        declared = json.loads(args.json_serialized_inputs_spec_args)
        return _invocation(args.executor_class_path, given, declared, rest)
    # argparse exits, whatever it was told, when an argument is missing.
    except (argparse.ArgumentError, SystemExit, json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise BadInvocation(
            "this command must be started by Kubeflow Pipelines with the arguments of a compiled pipeline, but they "
            f"gave {type(error).__name__}: {error}; compile the pipeline with this version and submit it again"
        ) from error


def _invocation(
    executor: str, given: Mapping[str, Any], declared: Mapping[str, Any], rest: Sequence[str]
) -> Invocation:
    inputs = given.get("inputs", {})
    types = declared.get("artifacts", {})
    found = {
        key: tuple(_artifact(item, _declared_title(types, key)) for item in value.get("artifacts", ()))
        for key, value in inputs.get("artifacts", {}).items()
    }
    outputs = {
        key: _artifact(value["artifacts"][0], "")
        for key, value in given["outputs"].get("artifacts", {}).items()
        if value.get("artifacts")
    }
    runner = () if any(arg.startswith("--runner") for arg in rest) else (_RUNNER,)
    return Invocation(
        executor,
        (*rest, *runner),
        found,
        {key: item for key, item in outputs.items() if not item.title.startswith(SYSTEM)},
        {key: item for key, item in outputs.items() if item.title.startswith(SYSTEM)},
        _parameters(inputs.get("parameterValues", {}), declared.get("parameters", {})),
        given["outputs"]["outputFile"],
    )


def _declared_title(types: Mapping[str, Any], key: str) -> str:
    return _title(types.get(key, {}).get("artifactType", {}))


def _artifact(item: Mapping[str, Any], declared: str) -> RuntimeArtifact:
    # What the component declares is what it can read; Kubeflow gives an empty schema, or that of a supertype.
    title = declared or _title(item.get("type", {}))
    metadata = {key: _unwrapped(value) for key, value in item.get("metadata", {}).items()}
    return RuntimeArtifact(item.get("name", ""), title, item["uri"], metadata)


def _title(type_: Mapping[str, Any]) -> str:
    """Title of an ArtifactTypeSchema; empty when it says nothing."""
    if type_.get("schemaTitle"):
        return str(type_["schemaTitle"])
    schema = yaml.safe_load(type_.get("instanceSchema") or "")
    return str(schema.get("title", "tfx.Artifact")) if schema else ""


def _unwrapped(value: Any) -> Any:  # noqa: ANN401 - a JSON value
    """A property as it was published: lists come wrapped (backend/src/v2/metadata/converter.go)."""
    if isinstance(value, Mapping) and len(value) == 1:
        (kind, inner), *_ = value.items()
        if (kind == "list" and isinstance(inner, list)) or (kind == "struct" and isinstance(inner, Mapping)):
            return inner
    return value


def _parameters(values: Mapping[str, Any], declared: Mapping[str, Any]) -> dict[str, Any]:
    """Whole numbers travel as floats, and come back as what the node declares."""
    kinds = {key: value.get("parameterType") for key, value in declared.items()}
    convert = {"NUMBER_INTEGER": int, "NUMBER_DOUBLE": float}
    return {key: convert.get(str(kinds.get(key)), _same)(value) for key, value in values.items()}


def _same(value: Any) -> Any:  # noqa: ANN401 - a JSON value
    return value
