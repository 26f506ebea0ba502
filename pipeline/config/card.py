"""The section `card`: what people must know of a pushed model that no measurement tells."""

from typing import Annotated

from pydantic import Field

from compression.settings import Settings

Text = Annotated[str, Field(min_length=1, max_length=10_000)]
Line = Annotated[str, Field(min_length=1, max_length=200)]


class CardSection(Settings):
    """What the model card of a pushed version says beyond the measured; see docs/model-card.md.

    The keys follow "Model Cards for Model Reporting" (Mitchell et al., 2019). Plain text: paragraphs are parted by an
    empty line, and Markdown is shown as it was typed.
    """

    intended_use: Text | None = Field(default=None, description="what the model is for")
    intended_users: Text | None = Field(default=None, description="whom it is for")
    out_of_scope: Text | None = Field(default=None, description="what it must not be used for")
    factors: Text | None = Field(
        default=None, description="groups, instruments and surroundings that quality may depend on"
    )
    data_description: Text | None = Field(
        default=None, description="where the data come from, how they were chosen and labelled"
    )
    ethical_considerations: Text | None = Field(default=None, description="risks, and whom they concern")
    caveats: Text | None = Field(default=None, description="what else users should know, and recommendations")
    license: Line | None = Field(
        default=None, description="licence of the model, best as an SPDX identifier such as `Apache-2.0`"
    )
    owners: Annotated[tuple[Line, ...], Field(strict=False)] = Field(
        default=(), description="people or groups that answer for the model, with an address"
    )

    @property
    def stated(self) -> dict[str, object]:
        """What was given, as JSON values."""
        given: dict[str, object] = self.model_dump(mode="json", exclude_defaults=True)
        return given
