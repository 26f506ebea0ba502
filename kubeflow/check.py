"""The table of rules that a package is held to, in the order in which a user would meet what they prevent."""

from collections.abc import Callable
from dataclasses import dataclass

from kubeflow.package import Package
from kubeflow.rules import form, steps, wiring


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        find: Gives a sentence for each place of a package that breaks it.
        prevents: What happens on a cluster otherwise.
    """

    find: Callable[[Package], list[str]]
    prevents: str


RULES: dict[str, Rule] = {
    "schema-version": Rule(form.schema_version, "the API server takes schema 2.1.0 alone"),
    "documents": Rule(form.documents, "no client takes a PipelineJob in JSON"),
    "executors": Rule(form.runnable_executors, "resolvers were never implemented"),
    "names": Rule(form.names, "Argo refuses names with _ and . in them"),
    "producers": Rule(wiring.known_producers, "unknown producer task"),
    "parameter-defaults": Rule(wiring.parameter_defaults, "TFX drops the defaults of parameters"),
    "nested-parameters": Rule(wiring.nested_parameters, "parent DAG does not have input parameter"),
    "typed-inputs": Rule(steps.typed_inputs, "input artifacts arrive without a type, and TFX fails"),
    "system-outputs": Rule(steps.system_outputs, "TFX cannot import the type of the output executor-logs"),
    "remote-uris": Rule(steps.remote_uris, "TFX knows no minio:// and s3://; what is written there is lost"),
    "outputs-mapped-back": Rule(steps.outputs_mapped_back, "local paths replace URIs, and nothing is uploaded"),
    "no-hooks": Rule(steps.no_hooks, "the hook that finds spans is never called"),
    "caching": Rule(steps.caching, "new data is never looked at again"),
    "inputs-always-there": Rule(wiring.inputs_always_there, "an absent artifact cannot be told"),
    "importers": Rule(wiring.importers_unconditional, "conditions on importers are refused"),
    "conditions": Rule(wiring.conditions, "a run with nothing new trains all the same"),
    "pods": Rule(steps.pods, "no retries, no environment, no secrets, no volumes"),
    "image": Rule(steps.image, "pods may run without rights to install anything"),
    "page": Rule(steps.page, "the page of a run shows no report and no metrics"),
    "pipeline-root": Rule(form.pipeline_root, "local folders and wheels are on no pod"),
    "parameter-types": Rule(wiring.parameter_types, "the driver refuses text where it wants a list or a mapping"),
    "templates": Rule(form.templates, "Argo fills double braces with nothing"),
    "protobufs": Rule(form.protobufs, "unknown fields are refused or ignored"),
}


def check(package: Package) -> dict[str, list[str]]:
    """Every rule's name -> where the package breaks it, in the order of the table."""
    return {name: rule.find(package) for name, rule in RULES.items()}
