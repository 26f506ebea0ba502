"""Where artifacts go, when neither the run nor the cluster says otherwise."""

from kubeflow.spec.document import Spec, changed


def with_root(spec: Spec, uri: str) -> Spec:
    """Notes the pipeline root in the spec; TFX puts it beside, where Kubeflow does not look.

    Args:
        spec: The pipeline.
        uri: A folder on an object store.
    """
    spec = changed(spec)
    spec["defaultPipelineRoot"] = uri
    return spec
