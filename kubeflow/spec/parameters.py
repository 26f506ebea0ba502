"""Parameters that a run may be given."""

from collections.abc import Mapping

from kubeflow.spec.document import Spec, changed


def with_defaults(spec: Spec, defaults: Mapping[str, object]) -> Spec:
    """Gives the pipeline's parameters their defaults back, which TFX drops.

    Args:
        spec: The pipeline.
        defaults: Name of a parameter -> its default; others are left as they are.
    """
    spec = changed(spec)
    declared = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    for name, entry in declared.items():
        if defaults.get(name) is not None:
            entry["defaultValue"] = defaults[name]
    return spec
