"""The sections `model`, `train`, `export` and `runtime`, as frozen models that check themselves."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from compression.settings import SearchSettings, Settings, TrainSettings
from compression.settings.reading import ReadingSettings
from pipeline.config.beam import BeamSection
from pipeline.config.faults import Fault, SectionError, show
from pipeline.config.names import FILE_PATH, MODULE_NAME
from pipeline.config.per_output import PerOutput

Task = Literal["multiclass", "binary", "regression"]


def _hparam(value: object) -> object:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(item)
        elif item is not None and not isinstance(item, str | int | float | bool):
            raise SectionError(Fault((), "must be a scalar or a list of scalars", show(item)))
        elif isinstance(item, float) and item - item != 0.0:  # true for infinities and for not-a-number
            raise SectionError(Fault((), "must be a finite number", show(item)))
    return value


HParam = Annotated[
    object,
    BeforeValidator(_hparam),
    WithJsonSchema({"type": ["string", "number", "boolean", "array", "null"]}),
]


class ModelSection(Settings):
    """The model: built and trained by a module that a user writes, or trained elsewhere."""

    module: str | None = Field(
        default=None,
        pattern=MODULE_NAME,
        description="dotted name of the module with `preprocessing_fn` and `build_model`, found from the working "
        "directory; with `pretrained` its `preprocessing_fn` alone is needed, and without it features pass unchanged",
    )
    pretrained: str | None = Field(
        default=None,
        pattern=FILE_PATH,
        description="a model that was trained elsewhere, from which the steps start: a `.keras` or `.h5` file of "
        "tf_keras, or the folder of a SavedModel; nothing is trained before the steps",
    )
    task: PerOutput[Task] = Field(
        description="decides the loss and which metrics there are; of several outputs a mapping from output to task, "
        "unless all have the same"
    )
    hparams: dict[str, HParam] = Field(
        default={},
        description="free scalars and lists, handed to `build_model` as they are",
    )
    search: SearchSettings | None = Field(
        default=None,
        description="search for the hyper-parameters that the module's `search_space` lists and `hparams` leaves open",
    )

    @model_validator(mode="after")
    def _consistent(self) -> "ModelSection":
        if self.pretrained is None:
            if self.module is None:
                raise SectionError(Fault((), "must hold module (to train a model) or pretrained", "neither"))
            return self
        if self.search is not None:
            raise SectionError(
                Fault(("search",), "must be left out with pretrained, which builds no model", "a search")
            )
        return self


class TrainSection(ReadingSettings, TrainSettings):
    """Training of the float baseline with Adam; the best weights on the validation split are kept."""

    warm_start: Literal["none", "champion"] = Field(
        default="none",
        description="`champion`: begin with the weights of the float model that the registry's current version was "
        "compressed from, when it is still there and built alike, and with new weights otherwise; `none`: always new",
    )

    @property
    def settings(self) -> TrainSettings:
        """What the training itself is told."""
        return TrainSettings(**{name: getattr(self, name) for name in TrainSettings.model_fields})

    @property
    def reading(self) -> ReadingSettings:
        """How examples reach it, and the steps that train after it."""
        return ReadingSettings(**{name: getattr(self, name) for name in ReadingSettings.model_fields})


class ExportSection(Settings):
    """What the pushed file takes."""

    inputs: Literal["transformed", "raw"] = Field(
        default="transformed",
        description="`transformed`: the device computes what `preprocessing_fn` does and feeds the result; `raw`: the "
        "file does it, and the device feeds the features as the data hold them",
    )


class RuntimeSection(Settings):
    """Where things run and what they leave behind."""

    workspace: str | None = Field(
        default=None,
        pattern=FILE_PATH,
        description="folder for metadata, artifacts, run summaries and the registry; default: `.edge/<name>`",
    )
    keep_runs: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="how many runs keep their artifacts and logs; what a version in the registry came from stays as "
        "well; default: all",
    )
    parallel_nodes: int = Field(
        default=1,
        ge=1,
        le=64,
        description="how many nodes that do not need each other may run at once, each in a process of its own, on this "
        "machine; fewer while memory is short, and what measures latency runs alone; see docs/overhead.md",
    )
    tensorboard: bool = Field(
        default=False,
        description="write event logs of every training step to `tensorboard/<run>` in the workspace; see "
        "docs/tensorboard.md",
    )
    beam: BeamSection = BeamSection()
