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
        preview: Dotted name of the function that tells what a training step would do to a model; `quantize` has none:
            it is really done.
        after: Kinds of steps that may stand before it in a variant.
    """

    settings: str
    component: str
    doc: str
    preview: str | None = None
    after: tuple[str, ...] = ()


STEPS: dict[str, StepRow] = {
    "distill": StepRow(
        "compression.settings.DistillSettings",
        "components.steps.Distill",
        "trains a new network on the labels and on what the float baseline answers",
        preview="compression.preview.steps.distill",
    ),
    "prune": StepRow(
        "compression.settings.PruneSettings",
        "components.steps.Prune",
        "sets the smallest weights of every kernel to zero while training goes on",
        preview="compression.preview.steps.prune",
        after=("distill", "prune_channels"),
    ),
    "prune_channels": StepRow(
        "compression.settings.PruneChannelsSettings",
        "components.steps.PruneChannels",
        "removes whole filters and units, so that the file and the latency shrink",
        preview="compression.preview.steps.prune_channels",
        after=("distill", "prune", "cluster"),
    ),
    "cluster": StepRow(
        "compression.settings.ClusterSettings",
        "components.steps.Cluster",
        "lets the weights of every kernel share a few values, and trains these; after `prune` the zeros are kept",
        preview="compression.preview.steps.cluster",
        after=("distill", "prune", "prune_channels"),
    ),
    "qat": StepRow(
        "compression.settings.QatSettings",
        "components.steps.Qat",
        "trains on with 8-bit rounding simulated; keeps zeros after `prune` and shared weights after `cluster`",
        preview="compression.preview.steps.qat",
        after=("distill", "prune", "prune_channels", "cluster"),
    ),
    "quantize": StepRow(
        "compression.settings.QuantizeSettings",
        "components.quantize.Quantize",
        "converts to one TFLite file; the last step of every variant",
        after=("distill", "prune", "prune_channels", "cluster", "qat"),
    ),
}
