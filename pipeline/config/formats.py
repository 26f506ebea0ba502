"""Parts of the section `data` that only some formats know: columns of tables, images, recordings, limits."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from compression.settings import Settings
from pipeline.config.faults import Fault, SectionError, show
from pipeline.config.names import FEATURE_NAME

ColumnName = Annotated[str, Field(pattern=FEATURE_NAME)]
ColumnType = Literal["int", "float", "string"]


def _with_one_group(pattern: str) -> str:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise SectionError(Fault((), f"must be a regular expression, but {error}", show(pattern))) from error
    if groups != 1:
        raise SectionError(Fault((), "must be a regular expression with one group in parentheses", show(pattern)))
    return pattern


GroupPattern = Annotated[str, AfterValidator(_with_one_group)]
_GROUP = (
    "a regular expression with one group, matched from the beginning of every file's name; what the group finds "
    "becomes the feature `group`, which `data.group_by` may name: `([^_]+)_` finds who speaks in "
    "`004ae714_nohash_0.wav`"
)


class ImagesSection(Settings):
    """What the images of `format: images` are made into."""

    height: int = Field(ge=1, le=4096, description="in pixels")
    width: int = Field(ge=1, le=4096, description="in pixels")
    channels: Literal[1, 3] = Field(default=3, description="1: grey; 3: red, green and blue")
    resize: Literal["pad", "crop", "stretch", "exact"] = Field(
        default="pad",
        description="what is done with images of another size: `pad` keeps all of them and fills up with black, `crop` "
        "fills the frame and cuts off, `stretch` changes the proportions, `exact` refuses them",
    )
    max_unreadable: int = Field(
        default=0, ge=0, description="how many images may be unreadable before the data are refused; all are reported"
    )
    group: GroupPattern | None = Field(default=None, description=_GROUP)


class AudioSection(Settings):
    """What the recordings of `format: audio` are made into."""

    sample_rate: int = Field(
        ge=1,
        le=768_000,
        description="in Hz; recordings with another rate are refused, so that no model hears them wrong",
    )
    samples: int = Field(ge=1, le=10_000_000, description="how many samples an example holds")
    length: Literal["fit", "pad", "crop", "exact"] = Field(
        default="fit",
        description="what is done with recordings of another length: `pad` puts silence behind short ones, `crop` "
        "keeps the middle of long ones, `fit` does both, `exact` refuses both",
    )
    mix: bool = Field(
        default=False, description="`true` averages the channels of a recording that has several; else it is refused"
    )
    max_unreadable: int = Field(
        default=0,
        ge=0,
        description="how many recordings may be unreadable before the data are refused; all are reported",
    )
    group: GroupPattern | None = Field(default=None, description=_GROUP)


class LimitsSection(Settings):
    """What absurd inputs are refused by, while they are read."""

    examples: int | None = Field(default=None, ge=1, description="most examples in all")
    bytes: int | None = Field(default=None, ge=1, description="most bytes of records in all, as `tf.Example` messages")
