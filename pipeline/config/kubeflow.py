"""The section `kubeflow`: where a compiled pipeline keeps its artifacts, in which image it runs, and with what."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from compression.settings import Settings
from pipeline.config.beam import BeamSection
from pipeline.config.faults import Fault, KeyPath, SectionError, show
from pipeline.config.kubeflow_client import ClientKeys
from pipeline.config.names import K8S_NAME, LABEL_KEY, LABEL_VALUE, SECRET_KEY, VOLUME_NAME
from pipeline.config.push import EnvironmentName, place_without_secrets
from pipeline.config.translate import validate

_ROOT = re.compile(r"(s3|minio|gs)://[a-z0-9][a-z0-9._-]{1,61}[a-z0-9](/[^/\s]+)*/?")
# name[:tag][@sha256:digest]; a colon before the last slash belongs to a port.
_IMAGE = re.compile(
    r"[a-z0-9][a-z0-9._:/-]*?(?P<tag>:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?P<digest>@sha256:[0-9a-f]{64})?"
)
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(m|[kMGTP]|[KMGTP]i)?")
_SECRET_NAME = re.compile(r"SECRET|PASSWORD|PASSWD|(^|_)TOKEN(_|$)|PRIVATE_KEY|API_?KEY|ACCESS_KEY")
_CREDENTIALS = re.compile(r"://[^/\s]*@|-----BEGIN")
_UNITS = {"": Decimal(1), "m": Decimal("0.001")}
_UNITS |= {unit: Decimal(1000) ** power for power, unit in enumerate("kMGTP", 1)}
_UNITS |= {f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTP", 1)}

DEFAULT = "default"
"""The key of `steps` that holds for all of them."""

RESERVED = ("KFP_", "TFX_EDGE_", "TF_USE_LEGACY_KERAS")
"""How names of environment variables begin that are ours or Kubeflow's to set."""


def _root(uri: str) -> str:
    place_without_secrets(uri)
    if not _ROOT.fullmatch(uri):
        must = "must be a folder on an object store: s3://, minio:// or gs://, a bucket, and names between single /"
        raise SectionError(Fault((), must, show(uri), "Kubeflow's pods share no disk"))
    return uri.rstrip("/")


def _image(name: str) -> str:
    found = _IMAGE.fullmatch(name)
    if found is None:
        must = "must be the name of an image such as registry.example/team/tfx-edge:1.4"
        raise SectionError(Fault((), must, show(name)))
    if found["tag"] in (None, ":latest") and found["digest"] is None:
        advice = "what latest names changes under a schedule"
        raise SectionError(Fault((), "must have a tag other than latest, or a digest", show(name), advice))
    return name


def _quantity(value: object) -> object:
    """Numbers as Kubernetes writes them, as text."""
    text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if isinstance(text, str) and _QUANTITY.fullmatch(text) and amount(text) > 0:
        return text
    raise SectionError(Fault((), "must be a quantity above 0 such as 2, 500m or 4Gi", show(value)))


def amount(quantity: str) -> Decimal:
    """The number behind a quantity.

    >>> amount("500m"), amount("4Ki")
    (Decimal('0.500'), Decimal('4096'))
    """
    found = _QUANTITY.fullmatch(quantity)
    assert found is not None, "quantities were checked"
    return Decimal(found[1]) * _UNITS[found[2] or ""]


def _mount_path(path: str) -> str:
    pure = PurePosixPath(path)
    if not pure.is_absolute() or ".." in pure.parts or len(pure.parts) < 2 or ":" in path:
        raise SectionError(Fault((), "must be an absolute path without .. and :, below /", show(path)))
    taken = next((top for top in ("s3", "minio", "gcs", "kfp-launcher", "tmp") if pure.parts[1] == top), None)
    if taken is not None:
        raise SectionError(Fault((), f"must not stand in /{taken}, which Kubeflow or the steps use", show(path)))
    return str(pure)


def _no_secrets(values: Mapping[str, str]) -> Mapping[str, str]:
    """The compiled file is shown to everyone who can see the run."""
    faults = [
        Fault((name,), "must hold nothing secret", "a value in the open", "name a Secret under kubeflow.secrets")
        for name, value in values.items()
        if (_SECRET_NAME.search(name) and not name.endswith("_FILE")) or _CREDENTIALS.search(value)
    ]
    if faults:
        raise SectionError(*faults)
    return values


def _environment(values: Mapping[str, str]) -> Mapping[str, str]:
    """Names that others set would be overwritten, or overwrite."""
    faults = [
        Fault((name,), f"must not begin with {prefix}, which is set for you", show(name))
        for name in values
        for prefix in RESERVED
        if name.startswith(prefix)
    ]
    if faults:
        raise SectionError(*faults)
    return values


Quantity = Annotated[
    str, BeforeValidator(_quantity), WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]})
]
Name = Annotated[str, Field(pattern=K8S_NAME, max_length=253)]
# Kubeflow calls a pod's volumes by these, and names of volumes are shorter and hold no dots.
VolumeName = Annotated[str, Field(pattern=VOLUME_NAME)]
MountPath = Annotated[str, AfterValidator(_mount_path)]
Labels = dict[Annotated[str, Field(pattern=LABEL_KEY)], Annotated[str, Field(pattern=LABEL_VALUE)]]


class Secret(Settings):
    """A secret of the cluster as environment variables or as files; it is named here, and read by the cluster alone."""

    name: VolumeName = Field(description="the Secret, in the namespace that runs the pipeline")
    env: Annotated[dict[EnvironmentName, Annotated[str, Field(pattern=SECRET_KEY)]], AfterValidator(_environment)] = (
        Field(default={}, description="environment variable -> key of the secret")
    )
    mount_path: MountPath | None = Field(default=None, description="where its keys are mounted as files")

    @model_validator(mode="after")
    def _consistent(self) -> "Secret":
        if not self.env and self.mount_path is None:
            raise SectionError(Fault((), "must hold env or mount_path", "neither"))
        return self


class Volume(Settings):
    """A volume claim that every step mounts."""

    pvc: VolumeName = Field(
        description="the PersistentVolumeClaim; steps run side by side, so it must be ReadWriteMany"
    )
    mount_path: MountPath = Field(description="where it is mounted; `data.path` and `push.to` may stand below it")


class Toleration(Settings):
    """A taint of nodes that steps put up with."""

    key: Annotated[str, Field(pattern=LABEL_KEY)] | None = Field(
        default=None, description="the taint's key; left out with `operator: Exists`: every taint"
    )
    operator: Literal["Equal", "Exists"] = Field(default="Equal", description="whether `value` must be equal")
    value: str | None = Field(default=None, description="the taint's value, for `Equal`")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="the taint's effect; default: all"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "Toleration":
        if self.operator == "Exists" and self.value is not None:
            raise SectionError(Fault(("value",), "must be left out with operator: Exists", show(self.value)))
        if self.operator == "Equal" and self.key is None:
            raise SectionError(Fault(("key",), "must be given with operator: Equal", "nothing"))
        return self


class Accelerator(Settings):
    """Accelerators of one kind."""

    type: Annotated[str, Field(pattern=LABEL_KEY)] = Field(
        default="nvidia.com/gpu", description="the resource's name on the cluster"
    )
    count: int = Field(default=1, ge=1, le=64, description="how many")


class StepNeeds(Settings):
    """What a step asks of the cluster; a key that is left out is taken from the more general entry."""

    cpu: Quantity | None = Field(default=None, description="cores that are reserved, such as 2 or 500m")
    memory: Quantity | None = Field(default=None, description="memory that is reserved, such as 4Gi")
    cpu_limit: Quantity | None = Field(default=None, description="cores at most")
    memory_limit: Quantity | None = Field(default=None, description="memory at most")
    accelerator: Accelerator | None = Field(default=None, description="accelerators such as GPUs")
    retries: int | None = Field(
        default=None, ge=0, le=10, description="further tries after a failure; 2 where no entry says otherwise"
    )
    backoff_seconds: int | None = Field(
        default=None,
        ge=1,
        le=3600,
        description="pause before the first further try, doubled with each; 60 where no entry says otherwise",
    )
    time_limit_seconds: int | None = Field(
        default=None, ge=60, le=2_592_000, description="how long one try may take; default: as long as it wants"
    )
    node_selector: Labels | None = Field(default=None, description="labels that its node must have")
    tolerations: Annotated[tuple[Toleration, ...], Field(strict=False)] | None = Field(
        default=None, description="taints of nodes that it puts up with"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "StepNeeds":
        faults = [
            Fault((kind,), f"must be at most {kind}_limit", f"{request} with the limit {limit}")
            for kind, request, limit in (("cpu", self.cpu, self.cpu_limit), ("memory", self.memory, self.memory_limit))
            if request is not None and limit is not None and amount(request) > amount(limit)
        ]
        if faults:
            raise SectionError(*faults)
        return self

    def over(self, general: "StepNeeds") -> "StepNeeds":
        """These needs, completed by more general ones.

        Raises:
            SectionError: Together they ask for more than they allow.
        """
        merged = {
            name: getattr(general, name) if getattr(self, name) is None else getattr(self, name)
            for name in type(self).model_fields
        }
        return validate(StepNeeds, merged)


def _step_needs(value: object) -> object:
    """Checked here, because a mapping's keys are free and the unknown keys of its entries are not."""
    return value if isinstance(value, StepNeeds) else validate(StepNeeds, value)


class KubeflowSection(ClientKeys):
    """What `python -m kubeflow` adds to the pipeline; see docs/kubeflow.md."""

    root: Annotated[str, AfterValidator(_root)] = Field(
        description="folder of all artifacts on an object store that Kubeflow Pipelines can write, such as "
        "`s3://bucket/digits`"
    )
    image: Annotated[str, AfterValidator(_image)] = Field(
        description="the image of all steps, with a tag or a digest; it must hold the model module"
    )
    image_pull_secrets: Annotated[tuple[Name, ...], Field(strict=False)] = Field(
        default=(), description="Secrets with credentials for the image's registry"
    )
    service_account: Name | None = Field(
        default=None, description="whose rights the run has; default: Kubeflow's own for pipelines"
    )
    labels: Labels = Field(default={}, description="labels of every pod")
    env: Annotated[dict[EnvironmentName, str], AfterValidator(_environment), AfterValidator(_no_secrets)] = Field(
        default={}, description="environment variables of every step; nothing secret: they stand in the compiled file"
    )
    secrets: Annotated[tuple[Secret, ...], Field(strict=False)] = Field(
        default=(), description="environment variables of every step out of the cluster's secrets, by reference"
    )
    volumes: Annotated[tuple[Volume, ...], Field(strict=False)] = Field(
        default=(), description="volume claims that every step mounts"
    )
    steps: dict[str, Annotated[StepNeeds, BeforeValidator(_step_needs)]] = Field(
        default={},
        description="what steps need: under `default` for all, under a kind of step (`quantize`, `gate`, `edge`, `raw` "
        "or a step of variants), or under the id of one node, the most exact entry counting, key by key",
    )
    beam: BeamSection = Field(
        default=BeamSection(),
        description="takes the place of `runtime.beam` inside the cluster's pods; default: in the pod itself",
    )

    @model_validator(mode="after")
    def _consistent(self) -> "KubeflowSection":
        secrets, volumes = list(enumerate(self.secrets)), list(enumerate(self.volumes))
        variables: list[tuple[KeyPath, str]] = [(("env", name), name) for name in self.env]
        variables += [(("secrets", at, "env", name), name) for at, secret in secrets for name in secret.env]
        mounted = [(at, secret) for at, secret in secrets if secret.mount_path is not None]
        names: list[tuple[KeyPath, str]] = [(("secrets", at, "name"), secret.name) for at, secret in mounted]
        names += [(("volumes", at, "pvc"), volume.pvc) for at, volume in volumes]
        paths: list[tuple[KeyPath, str]] = [
            (("secrets", at, "mount_path"), str(secret.mount_path)) for at, secret in mounted
        ]
        paths += [(("volumes", at, "mount_path"), volume.mount_path) for at, volume in volumes]
        faults = [*_repeats(variables, "set"), *_repeats(names, "mounted"), *_repeats(paths, "taken")]
        if faults:
            raise SectionError(*faults)
        return self


def _repeats(places: Sequence[tuple[KeyPath, str]], verb: str) -> list[Fault]:
    """What stands in several places though there can be one."""
    seen: set[str] = set()
    faults = []
    for path, value in places:
        if value in seen:
            faults.append(Fault(path, f"must be {verb} once", f"{value} again"))
        seen.add(value)
    return faults
