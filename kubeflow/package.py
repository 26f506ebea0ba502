"""A compiled pipeline as Kubeflow Pipelines takes it: two YAML documents."""

from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

from kubeflow.spec.document import Spec


@dataclass(frozen=True)
class Package:
    """A compiled pipeline.

    Attributes:
        pipeline: The PipelineSpec.
        platform: The settings of its executors on Kubernetes; empty when there are none.
        form: What it was read from: the documents that open-source Kubeflow takes, or the job that Vertex AI takes.
    """

    pipeline: Spec
    platform: Spec = field(default_factory=dict)
    form: Literal["documents", "job"] = "documents"

    def to_yaml(self) -> str:
        """The text of the package; equal packages have equal text."""
        documents = [self.pipeline, self.platform] if self.platform else [self.pipeline]
        return yaml.safe_dump_all(documents, sort_keys=True, width=120, allow_unicode=True)

    @classmethod
    def from_text(cls, text: str) -> "Package":
        """Reads a package, or a job in JSON.

        Raises:
            ValueError: It is neither.
        """
        documents: list[Any] = [document for document in yaml.safe_load_all(text) if document is not None]
        if not documents or not all(isinstance(document, dict) for document in documents) or len(documents) > 2:
            raise ValueError(f"a package must be one or two mappings, got {len(documents)} documents")
        first, platform = documents[0], documents[1] if len(documents) == 2 else {}
        if "pipelineSpec" in first:
            return cls(first["pipelineSpec"], platform, "job")
        return cls(first, platform)

    @property
    def executor_settings(self) -> dict[str, Spec]:
        """The settings of executors on Kubernetes, by label."""
        kubernetes = self.platform.get("platforms", {}).get("kubernetes", {})
        found: dict[str, Spec] = kubernetes.get("deploymentSpec", {}).get("executors", {})
        return found
