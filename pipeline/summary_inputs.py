"""Where the summary's inputs come from: one table, for the graph and for a run that ended before its summary node."""

from components import fan_in
from pipeline.config import Config
from pipeline.plan import Plan, VariantPlan, root_id

Source = tuple[str, str]
"""A node's id and the key of one of its outputs."""


def variant_sources(variant: VariantPlan) -> dict[str, Source]:
    """What a variant gives, keyed as `components.fan_in.VARIANT_INPUTS`; its model is the file that ships."""
    return {
        "model": (variant.quantize_id, "compressed") if variant.raw_id is None else (variant.raw_id, "exported"),
        "evaluation": (variant.gate_id, "evaluation"),
        "blessing": (variant.gate_id, "blessing"),
        "edge": (variant.edge_id, "blessing"),
    }


def run_sources(config: Config, plan: Plan) -> dict[str, Source]:
    """What belongs to the run as a whole, and the model of every step between the float model and the conversions."""
    root = root_id(config)
    asked = {
        "drift": (config.data.guard is not None, ("drift", "drift")),
        "search": (config.model.search is not None, ("search", "tuner_results")),
        "champion": (config.asks_champion, ("champion", "champion")),
        "training": (root == "trainer", (root, "model_run")),
    }
    raw = config.export.inputs == "raw"
    return {
        "examples": ("ingest", "examples"),
        "statistics": ("statistics", "statistics"),
        "float_model": (root, "model"),
        "baseline": ("raw-baseline", "exported") if raw else ("baseline", "compressed"),
        "edge_baseline": ("edge-baseline", "blessing"),
        "selected": ("selector", "selected"),
        "pushed": ("edge-pusher", "pushed"),
        **{key: source for key, (wanted, source) in asked.items() if wanted},
        **{fan_in.step_key(step.id): (step.id, "compressed") for step in plan.steps},
    }


def all_sources(config: Config, plan: Plan) -> dict[str, Source]:
    """Every input of the summary by its name."""
    of_variants = {
        fan_in.input_key(kind, variant.name): source
        for variant in plan.variants
        for kind, source in variant_sources(variant).items()
    }
    return run_sources(config, plan) | of_variants
