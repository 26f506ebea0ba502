"""Environment variables that hold nothing secret."""

from collections.abc import Mapping

from kubeflow.spec.document import Spec, changed, containers

OURS = {
    # Must stand before the first import of TensorFlow, also in the workers of Beam.
    "TF_USE_LEGACY_KERAS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    # A pod's log must show how far a step came, also when it was killed.
    "PYTHONUNBUFFERED": "1",
}


def with_environment(spec: Spec, env: Mapping[str, str]) -> Spec:
    """Sets environment variables of all containers.

    Args:
        spec: The pipeline.
        env: Name -> value; replaces those of ours that have the same name.
    """
    spec = changed(spec)
    for _, container in containers(spec):
        container["env"] = [{"name": name, "value": value} for name, value in sorted({**OURS, **env}.items())]
    return spec
