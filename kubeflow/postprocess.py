"""From the spec that TFX writes to one that open-source Kubeflow Pipelines runs: a list of small changes."""

from collections.abc import Mapping

from kubeflow.spec.caching import without_cache
from kubeflow.spec.conditions import only_with_news
from kubeflow.spec.document import Spec, tasks
from kubeflow.spec.environment import with_environment
from kubeflow.spec.machine import without_machine
from kubeflow.spec.page import with_report
from kubeflow.spec.parameters import with_defaults
from kubeflow.spec.platform import kubernetes
from kubeflow.spec.resources import with_resources
from kubeflow.spec.retries import with_retries
from kubeflow.spec.root import with_root
from pipeline.config.kubeflow import KubeflowSection, StepNeeds

NEVER_CACHED = ("ingest", "champion", "edge-pusher", "summary", "cycle-record")
"""They look at new files, or at the registry, or belong to one run."""

NEVER_CACHED_KINDS = ("edge",)
"""A latency holds for the machine that it was measured on, which the key does not know."""


def process(
    spec: Spec,
    section: KubeflowSection,
    needs: Mapping[str, StepNeeds],
    *,
    kinds: Mapping[str, str],
    defaults: Mapping[str, object],
) -> list[Spec]:
    """The two documents of the package: the pipeline, and its settings on Kubernetes.

    Args:
        spec: The pipeline as TFX wrote it, schema 2.1.
        section: The section `kubeflow`.
        needs: What each task needs.
        kinds: Task -> kind of step, where there may be several of a kind.
        defaults: The pipeline's parameters and their defaults.
    """
    spec = with_root(spec, section.root)
    spec = with_defaults(spec, defaults)
    spec = without_machine(spec)
    spec = without_cache(spec, [name for name in tasks(spec) if _never_cached(name, kinds)])
    spec = only_with_news(spec)
    spec = with_retries(spec, needs)
    spec = with_resources(spec, needs)
    spec = with_environment(spec, section.env)
    spec = with_report(spec)
    return [spec, kubernetes(spec, section, needs)]


def _never_cached(name: str, kinds: Mapping[str, str]) -> bool:
    return name in NEVER_CACHED or kinds.get(name) in NEVER_CACHED_KINDS
