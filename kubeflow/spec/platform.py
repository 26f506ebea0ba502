"""The second document: settings on Kubernetes, named as in `kubernetes_executor_config.proto`."""

from collections.abc import Mapping

from kubeflow.spec.document import Spec, component, containers
from pipeline.config.kubeflow import KubeflowSection, Secret, StepNeeds


def kubernetes(spec: Spec, section: KubeflowSection, needs: Mapping[str, StepNeeds]) -> Spec:
    """The settings of all executors on Kubernetes.

    Args:
        spec: The pipeline.
        section: What holds for all steps.
        needs: What each task needs.
    """
    settings = {component(spec, name)["executorLabel"]: _executor(section, needs[name]) for name, _ in containers(spec)}
    return {"platforms": {"kubernetes": {"deploymentSpec": {"executors": settings}}}}


def _executor(section: KubeflowSection, need: StepNeeds) -> Spec:
    found: Spec = {
        "secretAsEnv": [_variables(secret) for secret in section.secrets if secret.env],
        "secretAsVolume": [_files(secret) for secret in section.secrets if secret.mount_path is not None],
        "pvcMount": [
            {"constant": volume.pvc, "pvcNameParameter": _constant(volume.pvc), "mountPath": volume.mount_path}
            for volume in section.volumes
        ],
        "imagePullSecret": [_named(name) for name in section.image_pull_secrets],
        "tolerations": [toleration.model_dump(exclude_none=True) for toleration in need.tolerations or ()],
    }
    if need.node_selector:
        found["nodeSelector"] = {"labels": dict(need.node_selector)}
    if section.labels:
        found["podMetadata"] = {"labels": dict(section.labels)}
    if need.time_limit_seconds is not None:
        # In JSON, protobuf writes 64-bit numbers as text.
        found["activeDeadlineSeconds"] = str(need.time_limit_seconds)
    return {key: value for key, value in found.items() if value}


def _variables(secret: Secret) -> Spec:
    pairs = [{"secretKey": key, "envVar": name} for name, key in secret.env.items()]
    # Nothing is said of `optional`, which Kubeflow knows since 2.15: without it a pod waits for its secret.
    return {**_named(secret.name), "keyToEnv": pairs}


def _files(secret: Secret) -> Spec:
    return {**_named(secret.name), "mountPath": secret.mount_path}


def _named(secret: str) -> Spec:
    return {"secretName": secret, "secretNameParameter": _constant(secret)}


def _constant(text: str) -> Spec:
    """The newer way to give a name; the older stands beside it for older clusters, as Kubeflow's own SDK does it."""
    return {"runtimeValue": {"constant": text}}
