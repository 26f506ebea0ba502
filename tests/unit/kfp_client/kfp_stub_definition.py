"""The API of Kubeflow Pipelines, v2beta1, as far as the client uses it, and the check that a request keeps to it."""

import datetime
import re

import kfp_server_api

API = "/apis/v2beta1"
LISTED = {"page_token", "page_size", "sort_by", "filter", "namespace"}

# (method, path) -> (model of the body, query parameters, name of the handler)
OPERATIONS = {
    ("GET", f"{API}/experiments"): (None, LISTED, "list_experiments"),
    ("POST", f"{API}/experiments"): ("V2beta1Experiment", set(), "create_experiment"),
    ("GET", f"{API}/pipelines"): (None, LISTED, "list_pipelines"),
    ("POST", f"{API}/pipelines"): ("V2beta1Pipeline", set(), "create_pipeline"),
    ("GET", f"{API}/pipelines/{{id}}/versions"): (None, LISTED - {"namespace"}, "list_versions"),
    ("POST", f"{API}/pipelines/upload_version"): (
        "multipart",
        {"name", "display_name", "pipelineid", "description", "tags"},
        "upload_version",
    ),
    ("POST", f"{API}/runs"): ("V2beta1Run", {"experiment_id"}, "create_run"),
    ("GET", f"{API}/runs"): (None, LISTED | {"experiment_id"}, "list_runs"),
    ("GET", f"{API}/runs/{{id}}"): (None, {"experiment_id"}, "get_run"),
    ("GET", f"{API}/recurringruns"): (None, LISTED | {"experiment_id"}, "list_recurring"),
    ("POST", f"{API}/recurringruns"): ("V2beta1RecurringRun", set(), "create_recurring"),
    ("DELETE", f"{API}/recurringruns/{{id}}"): (None, {"propagation_policy"}, "delete_recurring"),
    ("POST", f"{API}/recurringruns/{{id}}:enable"): (None, set(), "enable_recurring"),
    ("POST", f"{API}/recurringruns/{{id}}:disable"): (None, set(), "disable_recurring"),
}


PLAIN = {"str": str, "bool": bool, "int": int, "float": float, "object": object}


class Violation(Exception):
    """A request that the API does not define."""


def hold_to_model(value, kind, place="body"):
    """Checks a JSON value against a type of `kfp_server_api`, such as `str`, `dict(str, object)` or a model's name."""
    if found := re.fullmatch(r"list\[(.*)\]", kind):
        _hold_items(enumerate(_of_type(list, value, kind, place)), found[1], place)
    elif found := re.fullmatch(r"dict\(str, (.*)\)", kind):
        _hold_items(_of_type(dict, value, kind, place).items(), found[1], place)
    elif kind in PLAIN:
        _of_type(PLAIN[kind], value, kind, place)
    elif kind == "datetime":
        datetime.datetime.fromisoformat(value)
    else:
        _hold_to_class(value, getattr(kfp_server_api, kind), place)


def _hold_items(items, kind, place):
    for key, item in items:
        hold_to_model(item, kind, f"{place}.{key}")


def _hold_to_class(value, model, place):
    if not model.openapi_types:  # an enumeration
        if value not in model.allowable_values:
            raise Violation(f"{place} must be one of {model.allowable_values}, got {value!r}")
        return
    kinds = {model.attribute_map[name]: kind for name, kind in model.openapi_types.items()}
    for key, item in _of_type(dict, value, model.__name__, place).items():
        if key not in kinds:
            raise Violation(f"{place} must hold {sorted(kinds)}, got {key}")
        hold_to_model(item, kinds[key], f"{place}.{key}")


def _of_type(wanted, value, kind, place):
    # Exactly: True is an int too.
    if wanted is not object and type(value) is not wanted:
        raise Violation(f"{place} must be {kind}, got {value!r}")
    return value
