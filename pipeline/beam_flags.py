"""From the section `runtime.beam` to the flags that Beam parses. Pure: needs neither Beam nor TFX."""

from pipeline.config.beam import BeamSection
from pipeline.config.beam_options import EngineOptions

RUNNERS = {
    # `DirectRunner` would first try to download another runner's binary.
    "local": "FnApiRunner",
    "flink": "FlinkRunner",
    "spark": "SparkRunner",
    "dataflow": "DataflowRunner",
}
"""Beam's name of each engine."""

_OFF = {"use_public_ips": "no_use_public_ips"}
"""Switches that are on unless another flag turns them off."""

_HELD_BY_WORKERS = "sdk_container_image"
"""With this option TFX trusts the workers to hold it, this process too; without, it packs itself into a source archive
for every job, which takes seconds."""


def flags(runner: str, options: EngineOptions) -> list[str]:
    """The flags of one engine.

    >>> from pipeline.config.beam_options import FlinkOptions, LocalOptions
    >>> flags("local", LocalOptions())
    ['--runner=FnApiRunner', '--sdk_container_image=the-workers-hold-all']
    >>> flags("flink", FlinkOptions(flink_master="[local]", parallelism=2))[:3]
    ['--runner=FlinkRunner', '--flink_master=[local]', '--parallelism=2']
    """
    made = [f"--runner={RUNNERS[runner]}"]
    given = options.given()
    for name, value in given.items():
        if isinstance(value, bool):
            made += [f"--{name}"] if value else [f"--{_OFF[name]}"] if name in _OFF else []
        elif isinstance(value, list):
            made += [f"--{name}={item}" for item in value]
        elif value is not None:
            made.append(f"--{name}={value}")
    if _HELD_BY_WORKERS not in given:
        image = given.get("environment_config") if given.get("environment_type") == "DOCKER" else None
        made.append(f"--{_HELD_BY_WORKERS}={image or 'the-workers-hold-all'}")
    return made


def node_flags(section: BeamSection, pipeline: str, node_id: str) -> list[str]:
    """The flags of one node.

    Args:
        section: `runtime.beam`, or `kubeflow.beam` for the pods of a cluster.
        pipeline: Name of the pipeline.
        node_id: Id of a node that runs on an engine.
    """
    runner, options = section.engine(node_id)
    # Dataflow wants a name that no other running job has, and finds one itself.
    named = [f"--job_name={pipeline}-{node_id}"] if runner in ("flink", "spark") else []
    return [*flags(runner, options), *named]


def shared_flags(section: BeamSection) -> list[str]:
    """The flags of every node for which `components` says nothing."""
    return flags(section.runner, section.options)
