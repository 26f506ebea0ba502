"""What each task needs: the entries of `kubeflow.steps`, the most exact one counting, key by key."""

from collections.abc import Mapping, Sequence

from pipeline.config import Config, Fault, SectionError, nearest
from pipeline.config.kubeflow import DEFAULT, StepNeeds
from pipeline.plan import make_plan

STANDARD = StepNeeds(retries=2, backoff_seconds=60)
"""What holds where no entry says otherwise."""


def kinds(config: Config) -> dict[str, str]:
    """Node id -> kind of step, of the nodes that there may be several of."""
    plan = make_plan(config)
    found = {"baseline": "quantize", "edge-baseline": "edge", "raw-baseline": "raw"}
    found |= {node.id: node.kind for node in plan.steps}
    for variant in plan.variants:
        found |= {variant.quantize_id: "quantize", variant.gate_id: "gate", variant.edge_id: "edge"}
        if variant.raw_id is not None:
            found[variant.raw_id] = "raw"
    return found


def resolve(entries: Mapping[str, StepNeeds], names: Mapping[str, str]) -> dict[str, StepNeeds]:
    """The needs of every task, completed.

    Args:
        entries: `kubeflow.steps`.
        names: Tasks -> their kinds, which may be empty.

    Raises:
        SectionError: An entry is for no task, or entries together ask for more than they allow; paths begin below
            `kubeflow.steps`.
    """
    known = [DEFAULT, *dict.fromkeys(filter(None, names.values())), *names]
    faults = [
        Fault((name,), "must be default, a kind of step, or the id of a node", name, nearest(name, known))
        for name in entries
        if name not in known
    ]
    if faults:
        raise SectionError(*faults)
    return {
        name: _needs(entries, [key for key in (DEFAULT, kind, name) if key in entries]) for name, kind in names.items()
    }


def _needs(entries: Mapping[str, StepNeeds], keys: Sequence[str]) -> StepNeeds:
    """Entries over each other, the most general first."""
    need = STANDARD
    for key in keys:
        try:
            need = entries[key].over(need)
        except SectionError as error:
            raise SectionError(*(fault.under((key,)) for fault in error.faults)) from error
    return need
