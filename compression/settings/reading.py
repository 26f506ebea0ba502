"""Settings of how examples reach a training, shared by the float model's and all that follow."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from compression.settings.frozen import Settings

SHUFFLE_BYTES = 256 * 2**20

_FLAT, _NESTED = "[one]", "[several]"
"""What pydantic calls the two forms in places of errors, as in all settings that may be given by output."""


def _form(value: object) -> str:
    return _NESTED if isinstance(value, dict) else _FLAT


Weight = Annotated[float, Field(gt=0.0, le=1e6, allow_inf_nan=False)]
_Word = Literal["none", "balanced"]
_ByClass = dict[str, Weight]
# Decided by type, so that a wrong value gives one fault and not one per form.
_WordOrWeight = Annotated[
    Annotated[Weight, Tag(_FLAT)] | Annotated[_Word, Tag(_NESTED)],
    Discriminator(lambda value: _NESTED if isinstance(value, str) else _FLAT),
]
_Entry = Annotated[Annotated[_WordOrWeight, Tag(_FLAT)] | Annotated[_ByClass, Tag(_NESTED)], Discriminator(_form)]
ClassWeights = Annotated[
    Annotated[_Word, Tag(_FLAT)] | Annotated[dict[str, _Entry], Tag(_NESTED)], Discriminator(_form)
]
"""How much classes count: all alike, or by class number; of several outputs by output."""


class ReadingSettings(Settings):
    """How examples reach the training of the float model and of all steps that train."""

    cache: Literal["auto", "memory", "disk", "none"] = Field(
        default="auto",
        description="where decoded examples stay from one pass to the next: `auto` takes memory when they need at most "
        "a quarter of what is available, else a temporary folder when they need at most half of the free disk, else "
        "nothing; changes no result (docs/training-data.md)",
    )
    shuffle_bytes: int = Field(
        default=SHUFFLE_BYTES,
        ge=1,
        le=10**15,
        description="bytes of examples that are shuffled at once; a split that is larger is shuffled by file first",
    )
    class_weights: ClassWeights = Field(
        default="none",
        description="how much examples count in the loss, by class: `balanced` lets every class count alike, a mapping "
        "gives a weight by number or by the name in `data.label_names`, 1 where a class is missing; of several outputs "
        "a mapping from output to one of these",
    )


DEFAULT_READING = ReadingSettings()
