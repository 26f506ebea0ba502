"""From the spec that TFX writes to one that open-source Kubeflow Pipelines runs: a list of small changes."""

from collections.abc import Collection, Mapping

from kubeflow.spec.caching import without_cache
from kubeflow.spec.conditions import only_with_news
from kubeflow.spec.document import Spec
from kubeflow.spec.environment import with_environment
from kubeflow.spec.page import with_report
from kubeflow.spec.parameters import with_defaults
from kubeflow.spec.platform import kubernetes
from kubeflow.spec.resources import with_resources
from kubeflow.spec.retries import with_retries
from kubeflow.spec.root import with_root
from pipeline.config.kubeflow import KubeflowSection, StepNeeds


def process(
    spec: Spec,
    section: KubeflowSection,
    needs: Mapping[str, StepNeeds],
    *,
    defaults: Mapping[str, object],
    never_cached: Collection[str],
) -> list[Spec]:
    """The two documents of the package: the pipeline, and its settings on Kubernetes.

    Args:
        spec: The pipeline as TFX wrote it, schema 2.1.
        section: The section `kubeflow`.
        needs: What each task needs.
        defaults: The pipeline's parameters and their defaults.
        never_cached: Tasks that look at the world outside of their inputs.
    """
    spec = with_root(spec, section.root)
    spec = with_defaults(spec, defaults)
    spec = without_cache(spec, never_cached)
    spec = only_with_news(spec)
    spec = with_retries(spec, needs)
    spec = with_resources(spec, needs)
    spec = with_environment(spec, section.env)
    spec = with_report(spec)
    return [spec, kubernetes(spec, section, needs)]
