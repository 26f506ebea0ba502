"""The compression steps as a table: from the word in the YAML file to the settings and the component.

Only dotted names stand here. `pipeline.config` resolves the settings, which need pydantic alone;
`pipeline.graph` alone resolves the components, which need TFX.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class StepRow:
    """One row of the table.

    Attributes:
        settings: Dotted name of the settings class.
        component: Dotted name of the TFX component.
        doc: What the step does, in one line.
    """

    settings: str
    component: str
    doc: str


# The order of the rows is the order in which a variant may list its steps.
STEPS: dict[str, StepRow] = {
    "prune": StepRow(
        "compression.settings.PruneSettings",
        "components.steps.Prune",
        "sets the smallest weights of every kernel to zero while training goes on",
    ),
    "qat": StepRow(
        "compression.settings.QatSettings",
        "components.steps.Qat",
        "trains on with 8-bit rounding simulated; after `prune` the zeros are kept",
    ),
    "quantize": StepRow(
        "compression.settings.QuantizeSettings",
        "components.quantize.Quantize",
        "converts to one TFLite file; the last step of every variant",
    ),
}
