"""The whole configuration, and how it is read from a YAML file."""

import copy
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PrivateAttr, field_serializer, model_validator

from compression.settings import DistillSettings, Settings
from compression.settings.edge import EdgeSettings
from pipeline.config.agreement import disagreements
from pipeline.config.card import CardSection
from pipeline.config.cycle import CycleSection
from pipeline.config.data import DataSection
from pipeline.config.document import read
from pipeline.config.faults import Fault, KeyPath, SectionError, line_of, report, show, show_path
from pipeline.config.gate import Gate, read_gate
from pipeline.config.hooks import HooksSection
from pipeline.config.kubeflow import KubeflowSection
from pipeline.config.names import MAX_NAME, PIPELINE_NAME
from pipeline.config.push import PushSection
from pipeline.config.sections import ExportSection, ModelSection, RuntimeSection, Task, TrainSection
from pipeline.config.translate import validate
from pipeline.config.variants import Step, Variants, read_variants
from pipeline.errors import UserError
from registry.storage import is_uri


class Config(Settings):
    """One pipeline: data, model, variants, gate."""

    name: str = Field(
        pattern=PIPELINE_NAME, max_length=MAX_NAME, description="name of the pipeline; becomes part of paths"
    )
    seed: int = Field(default=1, ge=0, lt=2**32, description="same seed and data, same bytes in the pushed model")
    data: DataSection
    model: ModelSection
    train: TrainSection = TrainSection()
    variants: Annotated[dict[str, tuple[Step, ...]], BeforeValidator(read_variants)]
    gate: Annotated[Gate, BeforeValidator(read_gate)]
    export: ExportSection = ExportSection()
    edge: EdgeSettings = EdgeSettings()
    select: Literal["smallest", "fastest", "most_accurate"] = Field(
        default="smallest",
        description="which one of the variants that passed everything is pushed: the fewest bytes after gzip, the "
        "lowest median latency on this host, or the best metric on the validation split",
    )
    push: PushSection = PushSection()
    card: CardSection = CardSection()
    cycle: CycleSection = CycleSection()
    hooks: HooksSection = HooksSection()
    kubeflow: KubeflowSection | None = Field(
        default=None, description="what a cluster needs to know; read by `python -m kubeflow`"
    )
    runtime: RuntimeSection = RuntimeSection()

    _file: str = PrivateAttr(default="the configuration")
    _lines: dict[KeyPath, int] = PrivateAttr(default_factory=dict)
    _text: str | None = PrivateAttr(default=None)

    @property
    def workspace(self) -> Path:
        """The folder that keeps whatever runs leave behind."""
        return Path(self.runtime.workspace or f".edge/{self.name}")

    @property
    def registry(self) -> str:
        """Where models are pushed to: a URI, or the absolute path of a folder."""
        place = self.push.to or str(self.workspace / "registry")
        return place if is_uri(place) else str(Path(place).resolve())

    @property
    def sha256(self) -> str:
        """Fingerprint of everything but when and where things run, defaults written out."""
        text = json.dumps(
            self.canonical(exclude={"runtime", "cycle", "hooks", "kubeflow"}), sort_keys=True, separators=(",", ":")
        )
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def tasks(self) -> dict[str, Task]:
        """The task by output; see `compression.outputs`."""
        task = self.model.task
        return dict(task) if isinstance(task, dict) else dict.fromkeys(self.data.labels, task)

    @property
    def asks_champion(self) -> bool:
        """Whether a run needs to know the registry's current version."""
        return self.train.warm_start == "champion" or self.gate.asks_champion

    def canonical(self, exclude: set[str] | None = None) -> dict[str, Any]:
        """The configuration as JSON values under the keys of the file, defaults written out."""
        return self.model_dump(mode="json", by_alias=True, exclude=exclude)

    @property
    def file(self) -> str:
        """The file it was loaded from, as the user named it."""
        return self._file

    @property
    def text(self) -> str | None:
        """The file as the user wrote it; `None` for a configuration that was made otherwise."""
        return self._text

    def line(self, *path: str | int) -> int:
        """The line of a key in the file, or of the nearest key above it that the file holds."""
        return line_of(path, self._lines)

    def where(self, *path: str | int) -> str:
        """`FILE:LINE: key.path`, for messages that come after loading."""
        return f"{self._file}:{self.line(*path)}: {show_path(path)}"

    def refuse(self, faults: list[Fault]) -> UserError:
        """Faults found after loading as one error, each at its line."""
        return report(self._file, faults, self._lines)

    @field_serializer("variants")
    def _plain_variants(self, variants: Variants) -> dict[str, list[dict[str, object]]]:
        return {name: [dict([step.canonical()]) for step in steps] for name, steps in variants.items()}

    @field_serializer("gate")
    def _plain_gate(self, gate: Gate) -> object:
        return gate.plain()

    @model_validator(mode="after")
    def _consistent(self) -> "Config":
        data = self.data
        faults = disagreements(
            label=data.label,
            label_names=data.label_names,
            task=self.model.task,
            gate=self.gate.plain(),
            class_weights=self.train.class_weights,
        )
        if self.model.pretrained is not None:
            faults += _trained_elsewhere_faults("train" in self.model_fields_set)
            faults += _student_faults(self.model, self.variants)
        guard = data.guard
        if self.cycle.trigger == "drift" and (guard is None or guard.drift is None or guard.drift.notice is None):
            must = "must come with data.guard.drift.notice, which says how much drift is a reason to train"
            faults.append(Fault(("cycle", "trigger"), must, "drift without it"))
        faults += [fault.under(("runtime", "beam")) for fault in self.runtime.beam.unknown_nodes(self.variants)]
        if self.kubeflow is not None:
            faults += [fault.under(("kubeflow", "beam")) for fault in self.kubeflow.beam.unknown_nodes(self.variants)]
        if faults:
            raise SectionError(*faults)
        return self


def _trained_elsewhere_faults(trains: bool) -> list[Fault]:
    if not trains:
        return []
    return [Fault(("train",), "must be left out with model.pretrained, which is not trained", "settings of a training")]


def _student_faults(model: ModelSection, variants: Variants) -> list[Fault]:
    """Beside a pretrained model, a student is the only network that is built."""
    settings = [step.settings for steps in variants.values() for step in steps]
    builds = any(isinstance(each, DistillSettings) and each.student == "build_student" for each in settings)
    if builds and model.module is None:
        must = "must be given, because a variant distills into its build_student"
        return [Fault(("model", "module"), must, "nothing", "or set student: same")]
    if model.hparams and not builds:
        must = "must be left out with pretrained, unless a variant distills into build_student"
        return [Fault(("model", "hparams"), must, show(model.hparams))]
    return []


def load(path: Path, overrides: Mapping[str, object] | None = None) -> Config:
    """Reads and checks a configuration file.

    Args:
        path: The YAML file.
        overrides: Values that replace the file's, by dotted key, such as `{"runtime.workspace": "/tmp/w"}`.

    Raises:
        UserError: Naming all faults at once, each with its line.
    """
    document = read(path)
    raw = copy.deepcopy(document.value)
    assert isinstance(raw, dict)
    for key, value in (overrides or {}).items():
        *above, last = key.split(".")
        section = raw
        for part in above:
            section = section.setdefault(part, {}) if isinstance(section, dict) else section
        if isinstance(section, dict):
            section[last] = value
    faults = list(document.faults)
    try:
        config = validate(Config, raw)
    except SectionError as error:
        # pydantic leaves the rules across sections out once any section is wrong.
        crossing = disagreements(
            label=_at(raw, "data", "label"),
            label_names=_at(raw, "data", "label_names"),
            task=_at(raw, "model", "task"),
            gate=raw.get("gate"),
            class_weights=_at(raw, "train", "class_weights"),
        )
        if _at(raw, "model", "pretrained") is not None:
            crossing += _trained_elsewhere_faults("train" in raw)
        found = [*error.faults, *crossing]
        faults += [fault for fault in found if not _covered(fault.path, document.unreadable)]
    if faults:
        raise report(str(path), faults, document.lines)
    config._file = str(path)
    config._lines = document.lines
    config._text = document.text
    return config


def _at(raw: object, *path: str) -> object:
    for part in path:
        raw = raw.get(part) if isinstance(raw, dict) else None
    return raw


def _covered(path: KeyPath, unreadable: set[KeyPath]) -> bool:
    return any(path[: len(bad)] == bad for bad in unreadable)
