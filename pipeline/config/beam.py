"""The section `runtime.beam` (and `kubeflow.beam`): which engine runs the nodes that read data, and with what."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from compression.settings import Settings
from pipeline.config.beam_options import (
    DataflowOptions,
    EngineOptions,
    FlinkOptions,
    LocalOptions,
    SparkOptions,
)
from pipeline.config.faults import Fault, KeyPath, SectionError, nearest, show
from pipeline.config.translate import validate

Runner = Literal["local", "flink", "spark", "dataflow"]

OPTIONS: dict[str, type[EngineOptions]] = {
    "local": LocalOptions,
    "flink": FlinkOptions,
    "spark": SparkOptions,
    "dataflow": DataflowOptions,
}
"""The options of each engine, by its name in the file."""

BEAM_NODES = ("ingest", "statistics", "drift", "transform", "baseline-answers", "champion-answers")
"""Ids of the nodes that run on the engine, beside the gates, which are named after their variants."""

GATE = "gate"
"""The kind of node that all gates are."""


def _plain(value: object) -> object:
    """Whether a mapping holds what becomes a flag; each engine's own model looks closer."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise SectionError(Fault((), "must be a mapping", show(value)))
    return value


Raw = Annotated[dict[str, Any], BeforeValidator(_plain), WithJsonSchema({"type": "object"})]


class ComponentEngine(Settings):
    """What differs for one node, or for all gates."""

    runner: Runner | None = Field(
        default=None,
        description="another engine for it, which takes none of the options above; default: the same engine",
    )
    options: Raw = Field(
        default={}, description="options of its engine; with the same engine they complete and replace those above"
    )


def _entry(value: object) -> object:
    """Checked here, because a mapping's keys are free and the unknown keys of its entries are not."""
    return value if isinstance(value, ComponentEngine) else validate(ComponentEngine, value)


class BeamSection(Settings):
    """Which engine runs ingest, statistics, drift, transform, answers and gates; see docs/beam-engines.md."""

    runner: Runner = Field(
        default="local",
        description="`local`: in the process of the run, on this machine; `flink`, `spark`: on a cluster, through "
        "Beam's job server; `dataflow`: on Google Cloud",
    )
    options: LocalOptions | FlinkOptions | SparkOptions | DataflowOptions = Field(
        default=LocalOptions(),
        description="the engine's options under the names that Beam gives them; `local` has none",
    )
    components: dict[str, Annotated[ComponentEngine, BeforeValidator(_entry)]] = Field(
        default={},
        description="what differs, by node: `ingest`, `statistics`, `drift`, `transform`, `baseline-answers`, "
        "`champion-answers`, `gate` for all gates, or the id of one such as `gate-int8`",
    )

    @model_validator(mode="before")
    @classmethod
    def _by_engine(cls, raw: object) -> object:
        """Options are checked by the engine's own model, so that an unknown one is held against the right names."""
        if not isinstance(raw, Mapping) or str(raw.get("runner", "local")) not in OPTIONS:
            return raw
        runner, given = raw.get("runner", "local"), raw.get("options", {})
        faults, made = _checked(runner, given, ("options",))
        components = raw.get("components")
        for name, entry in components.items() if isinstance(components, Mapping) else ():
            if isinstance(entry, Mapping) and entry.keys() <= {"runner", "options"}:
                faults += _component_faults(runner, given, name, entry)
        if faults:
            raise SectionError(*faults)
        return {**raw, "options": made}

    def engine(self, node_id: str) -> tuple[str, EngineOptions]:
        """The engine of a node and its options: those of the node over those of its kind over those of all.

        Args:
            node_id: Id of a node that runs on an engine.
        """
        runner, options = str(self.runner), self.options.given()
        kind = (GATE,) if node_id.startswith(f"{GATE}-") else ()
        for name in (*kind, node_id):
            entry = self.components.get(name)
            if entry is not None:
                options = {**(options if entry.runner in (None, runner) else {}), **entry.options}
                runner = entry.runner or runner
        return runner, validate(OPTIONS[runner], options)

    def unknown_nodes(self, variants: Mapping[str, object]) -> list[Fault]:
        """Entries of `components` that are for no node.

        Args:
            variants: The variants of the configuration, by name.
        """
        gates = [f"{GATE}-{name.replace('_', '-')}" for name in variants]
        known = [*BEAM_NODES, GATE, *gates]
        return [
            Fault(("components", name), f"must be one of {', '.join(known)}", name, nearest(name, known))
            for name in self.components
            if name not in known
        ]


def _component_faults(runner: str, given: object, name: object, entry: Mapping[str, Any]) -> list[Fault]:
    """Faults of an entry's options, completed as they will be."""
    own = str(entry.get("runner") or runner)
    options = entry.get("options", {})
    if own not in OPTIONS or not isinstance(options, Mapping):
        return []  # said by the entry's own model
    shared = given if own == runner and isinstance(given, Mapping) else {}
    faults, _ = _checked(own, {**shared, **options}, ("components", str(name), "options"))
    # What is wrong with the options of all is said there.
    return [fault for fault in faults if fault.path[-1] not in shared or fault.path[-1] in options]


def _checked(runner: str, options: object, path: KeyPath) -> tuple[list[Fault], object]:
    if runner == "local" and isinstance(options, Mapping) and options:
        must = "must be left out with runner: local, which takes none"
        return [Fault(path, must, ", ".join(map(str, options)))], options
    try:
        return [], validate(OPTIONS[runner], options)
    except SectionError as error:
        return [fault.under(path) for fault in error.faults], options
