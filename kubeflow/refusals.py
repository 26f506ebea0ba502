"""What a configuration must hold so that it can run on a cluster."""

from pathlib import Path, PurePosixPath

from pipeline.config import Config, Fault
from pipeline.config.kubeflow import KubeflowSection
from pipeline.preflight import check_code
from registry.storage import is_uri

REMOTE = ("s3://", "gs://")
"""Places that every pod reaches."""

_PAIRS = {"AWS_ACCESS_KEY_ID": "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY": "AWS_ACCESS_KEY_ID"}


def refuse(config: Config) -> KubeflowSection:
    """The section `kubeflow` of a configuration that can run on a cluster.

    Looks at this machine only for what is compiled in or checked against: the model module, a given schema, a device
    profile, a pretrained model.

    Raises:
        UserError: With all faults, each at its line.
    """
    section = config.kubeflow
    if section is None:
        advice = "at least root and image; see docs/kubeflow.md"
        raise config.refuse([Fault(("kubeflow",), "must be given to run on a cluster", "nothing", advice)])
    faults = [*_place_faults(config, section), *_pretrained_faults(config, section), *_secret_faults(config, section)]
    if faults:
        raise config.refuse(faults)
    check_code(config)
    return section


def warnings(config: Config, section: KubeflowSection) -> list[str]:
    """What a cluster does not do, or may not be able to do, of a configuration that `refuse` takes."""
    found = []
    if any(getattr(config.hooks, name) for name in type(config.hooks).model_fields):
        found.append(f"{config.where('hooks')}: hooks are called by local runs alone; on a cluster nobody is told")
    beam = config.runtime.beam
    elsewhere = {beam.runner, *(entry.runner for entry in beam.components.values())} - {"local", None}
    if elsewhere and "beam" not in section.model_fields_set:
        found.append(
            f"{config.where('runtime')}: runtime.beam ({', '.join(sorted(map(str, elsewhere)))}) holds for local runs "
            "alone; on a cluster every node reads in its own pod unless kubeflow.beam names an engine"
        )
    held = {*section.env, *(name for secret in section.secrets for name in secret.env)}
    reads_s3 = any(str(place).startswith("s3://") for place in (config.data.path, config.push.to))
    if reads_s3 and "AWS_ACCESS_KEY_ID" not in held and section.service_account is None:
        found.append(
            f"{config.where('kubeflow')}: steps read s3:// with the rights of their node alone: neither "
            "kubeflow.secrets sets AWS_ACCESS_KEY_ID nor is there a kubeflow.service_account"
        )
    return found


def _place_faults(config: Config, section: KubeflowSection) -> list[Fault]:
    """Data and registry must be where every pod finds the same."""
    faults = []
    must = "must be on an object store (s3://, gs://) or below the mount path of one of kubeflow.volumes"
    for path, place in ((("data", "path"), config.data.path), (("push", "to"), config.push.to)):
        if place is None:
            faults.append(Fault(path, must, "nothing, which means a folder of this machine"))
        elif place.startswith("minio://"):
            advice = "write s3:// and set AWS_ENDPOINT_URL under kubeflow.env"
            faults.append(Fault(path, must, place, advice))
        elif not place.startswith(REMOTE) and not _mounted(place, section):
            faults.append(Fault(path, must, place))
    return faults


def _mounted(place: str, section: KubeflowSection) -> bool:
    pure = PurePosixPath(place)
    return (
        not is_uri(place)
        and ".." not in pure.parts
        and any(pure.is_relative_to(volume.mount_path) for volume in section.volumes)
    )


def _pretrained_faults(config: Config, section: KubeflowSection) -> list[Fault]:
    place = config.model.pretrained
    if place is None or not Path(place).is_absolute() or _mounted(place, section):
        return []
    must = "must be a path from the working directory, which the image holds too, or below a mount path"
    return [Fault(("model", "pretrained"), must, place)]


def _secret_faults(config: Config, section: KubeflowSection) -> list[Fault]:
    held = [name for secret in section.secrets for name in secret.env]
    beside = ", ".join(held) or "no secrets"
    faults = []
    name = config.push.sign_key_env
    if name is not None and name not in held:
        must = "must name an environment variable of one of kubeflow.secrets"
        faults.append(Fault(("push", "sign_key_env"), must, f"{name} beside {beside}"))
    for position, secret in enumerate(section.secrets):
        for given, other in _PAIRS.items():
            if given in secret.env and other not in held:
                here = ("kubeflow", "secrets", position, "env")
                faults.append(Fault(here, f"must set {other} too", f"{given} beside {beside}"))
    return faults
