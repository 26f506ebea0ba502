"""What a configuration must hold so that it can run on a cluster."""

from pathlib import PurePosixPath

from pipeline.config import Config, Fault
from pipeline.config.kubeflow import KubeflowSection
from registry.storage import is_uri

REMOTE = ("s3://", "gs://")
"""Places that every pod reaches."""


def refuse(config: Config) -> KubeflowSection:
    """The section `kubeflow` of a configuration that can run on a cluster.

    Raises:
        UserError: With all faults, each at its line.
    """
    section = config.kubeflow
    if section is None:
        advice = "at least root and image; see docs/kubeflow.md"
        raise config.refuse([Fault(("kubeflow",), "must be given to run on a cluster", "nothing", advice)])
    faults = [*_place_faults(config, section), *_key_faults(config, section)]
    if faults:
        raise config.refuse(faults)
    return section


def _place_faults(config: Config, section: KubeflowSection) -> list[Fault]:
    """Data and registry must be where every pod finds the same."""
    faults = []
    must = "must be on an object store (s3://, gs://) or below the mount path of one of kubeflow.volumes"
    for path, place in ((("data", "path"), config.data.path), (("push", "to"), config.push.to)):
        if place is None:
            faults.append(Fault(path, must, "nothing, which means a folder of this machine"))
        elif not place.startswith(REMOTE) and not _mounted(place, section):
            faults.append(Fault(path, must, place))
    return faults


def _mounted(place: str, section: KubeflowSection) -> bool:
    return not is_uri(place) and any(
        PurePosixPath(place).is_relative_to(volume.mount_path) for volume in section.volumes
    )


def _key_faults(config: Config, section: KubeflowSection) -> list[Fault]:
    """The key that signs manifests comes from a secret."""
    name = config.push.sign_key_env
    held = [held for secret in section.secrets for held in secret.env]
    if name is None or name in held:
        return []
    must = "must name an environment variable of one of kubeflow.secrets"
    return [Fault(("push", "sign_key_env"), must, f"{name} beside {', '.join(held) or 'no secrets'}")]
