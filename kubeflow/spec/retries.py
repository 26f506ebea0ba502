"""Further tries of tasks that failed."""

from collections.abc import Mapping

from kubeflow.spec.document import Spec, changed, tasks
from pipeline.config.kubeflow import StepNeeds

FACTOR = 2
"""Each pause is so many times the one before; Argo takes whole numbers alone."""

_DAY = 86_400
_UNLIMITED = 30 * _DAY


def with_retries(spec: Spec, needs: Mapping[str, StepNeeds]) -> Spec:
    """Gives tasks their retry policy.

    Args:
        spec: The pipeline.
        needs: What each task needs, completed: `retries` and `backoff_seconds` are given.
    """
    spec = changed(spec)
    for name, task in tasks(spec).items():
        need = needs[name]
        if need.retries:
            task["retryPolicy"] = _policy(need.retries, need.backoff_seconds or 1, need.time_limit_seconds)
    return spec


def _policy(retries: int, backoff: int, limit: int | None) -> Spec:
    """All four fields: Kubeflow's compiler turns a missing duration into 0, after which nothing is tried again.

    Argo counts the longest duration from the start of the first try and stops later tries at its end, so it must hold
    all of them, with a day for the waiting in queues.
    """
    pauses = sum(backoff * FACTOR**number for number in range(retries))
    return {
        "maxRetryCount": retries,
        "backoffDuration": f"{backoff}s",
        "backoffFactor": float(FACTOR),
        "backoffMaxDuration": f"{(retries + 1) * (limit or _UNLIMITED) + pauses + _DAY}s",
    }
