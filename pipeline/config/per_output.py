"""Keys that are given once, or in a mapping from output to value for a model with several outputs."""

from typing import Annotated, TypeVar

from pydantic import Discriminator, Field, Tag

from pipeline.config.names import OUTPUT_NAME

ONE, SEVERAL = "[one]", "[several]"
"""What pydantic calls the two forms in places of errors, where files have nothing of the kind."""

T = TypeVar("T")

# Decided by type, so that a wrong value gives one fault and not one per form.
PerOutput = Annotated[
    Annotated[T, Tag(ONE)] | Annotated[dict[Annotated[str, Field(pattern=OUTPUT_NAME)], T], Tag(SEVERAL)],
    Discriminator(lambda value: SEVERAL if isinstance(value, dict) else ONE),
]
