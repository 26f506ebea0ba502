"""The fields of `kubernetes_executor_config.proto` that a package uses, since Kubeflow Pipelines 2.5.

Its generated code comes with the package `kfp-kubernetes`, which nothing else here needs, so the few messages are
written out: name of a field in JSON -> type, a message in braces, a list in brackets.
"""

import re
from typing import Any

_PARAMETER = {"runtimeValue": {"constant": str}}
_FIELDS: dict[str, Any] = {
    "secretAsEnv": [
        {
            "secretName": str,
            "secretNameParameter": _PARAMETER,
            "keyToEnv": [{"secretKey": str, "envVar": str}],
        }
    ],
    "secretAsVolume": [{"secretName": str, "secretNameParameter": _PARAMETER, "mountPath": str}],
    "pvcMount": [{"constant": str, "pvcNameParameter": _PARAMETER, "mountPath": str}],
    "imagePullSecret": [{"secretName": str, "secretNameParameter": _PARAMETER}],
    "tolerations": [{"key": str, "operator": str, "value": str, "effect": str}],
    "nodeSelector": {"labels": dict},
    "podMetadata": {"labels": dict, "annotations": dict},
    "activeDeadlineSeconds": re.compile(r"[1-9][0-9]*"),
}


def faults(place: str, settings: object) -> list[str]:
    """What is wrong with the settings of one executor."""
    return list(_faults(place, settings, _FIELDS))


def _faults(place: str, value: object, wanted: Any) -> list[str]:  # noqa: ANN401 - a description of a type
    if isinstance(wanted, list):
        if not isinstance(value, list):
            return [f"{place} must be a list"]
        return [
            fault for position, item in enumerate(value) for fault in _faults(f"{place}[{position}]", item, wanted[0])
        ]
    if isinstance(wanted, dict):
        if not isinstance(value, dict):
            return [f"{place} must be a mapping"]
        unknown = [f"{place} must hold known fields alone, got {key}" for key in value if key not in wanted]
        return unknown + [
            fault
            for key, item in value.items()
            if key in wanted
            for fault in _faults(f"{place}.{key}", item, wanted[key])
        ]
    if isinstance(wanted, re.Pattern):
        return [] if isinstance(value, str) and wanted.fullmatch(value) else [f"{place} must be a number as text"]
    if wanted is dict:
        whole = isinstance(value, dict) and all(isinstance(part, str) for pair in value.items() for part in pair)
        return [] if whole else [f"{place} must map text to text"]
    return [] if isinstance(value, wanted) else [f"{place} must be {wanted.__name__}"]
