"""Every rule notices every way to break it, in a package that keeps all others."""

import copy

import pytest

from kubeflow import check
from kubeflow.package import Package
from kubeflow.spec.conditions import condition


def tasks(package):
    return package.pipeline["root"]["dag"]["tasks"]


def container(package, name):
    return package.pipeline["deploymentSpec"]["executors"][f"{name}_executor"]["container"]


def settings(package, name):
    return package.executor_settings[f"{name}_executor"]


def inputs(package, name):
    return package.pipeline["components"][name]["inputDefinitions"]["artifacts"]


def constant(package, name, key, value):
    tasks(package)[name]["inputs"]["parameters"][key]["runtimeValue"]["constant"] = value


def rename(package, new):
    tasks(package)[new] = tasks(package).pop("summary")


def drop(mapping, *keys):
    for key in keys[:-1]:
        mapping = mapping[key]
    del mapping[keys[-1]]


def put(mapping, *keys):
    *keys, last, value = keys
    for key in keys:
        mapping = mapping.setdefault(key, {})
    mapping[last] = value


BREAK = [
    ("schema-version", lambda p: put(p.pipeline, "schemaVersion", "2.0.0"), "got 2.0.0"),
    ("executors", lambda p: put(p.pipeline, "deploymentSpec", "executors", "old", {"resolver": {}}), "got resolver"),
    ("names", lambda p: rename(p, "Summary"), "task Summary must be called by lower-case letters"),
    ("names", lambda p: rename(p, "a_b"), "task a_b must"),
    ("names", lambda p: rename(p, "s" * 121), "at most 120"),
    ("names", lambda p: rename(p, "trainer-driver"), "a name that Kubeflow does not give itself"),
    ("names", lambda p: rename(p, "root"), "a name that Kubeflow does not give itself"),
    ("producers", lambda p: tasks(p)["summary"]["dependentTasks"].append("gone"), "task summary must read from"),
    (
        "producers",
        lambda p: put(tasks(p)["summary"], "inputs", "parameters", "x", {"taskOutputParameter": {"producerTask": "g"}}),
        "got g",
    ),
    (
        "parameter-defaults",
        lambda p: put(p.pipeline["root"], "inputDefinitions", "parameters", "w", {"parameterType": "STRING"}),
        "parameter w must have a default",
    ),
    (
        "nested-parameters",
        lambda p: put(tasks(p)["summary"], "inputs", "parameters", "x", {"componentInputParameter": "w"}),
        "task summary must read inputs of root, got w for x",
    ),
    (
        "typed-inputs",
        lambda p: put(inputs(p, "summary"), "model", {"artifactType": 1}),
        "task summary must be told the type of its input model",
    ),
    ("typed-inputs", lambda p: container(p, "summary")["args"].clear(), "must be told the type of its input model"),
    ("typed-inputs", lambda p: put(container(p, "summary"), "command", ["sh"]), "which gives inputs their types"),
    (
        "system-outputs",
        lambda p: put(
            p.pipeline["components"]["trainer"]["outputDefinitions"]["artifacts"],
            "page", {"artifactType": {"schemaTitle": "system.HTML"}},
        ),
        "output page of trainer must be of a type of TFX",
    ),
    ("remote-uris", lambda p: constant(p, "champion", "registry", "minio://bucket/models"), "got minio://bucket/models"),
    ("remote-uris", lambda p: constant(p, "champion", "registry", "/s3/bucket/models"), "got /s3/bucket/models"),
    ("outputs-mapped-back", lambda p: container(p, "summary")["args"].remove("{{$}}"), "where its output file goes"),
    ("no-hooks", lambda p: put(container(p, "ingest"), "lifecycle", {}), "got a lifecycle hook"),
    ("caching", lambda p: put(tasks(p)["champion"], "cachingOptions", {"enableCache": True}), "task champion must not"),
    (
        "inputs-always-there",
        lambda p: drop(p.pipeline, "components", "trainer", "outputDefinitions", "artifacts", "model"),
        "input model of summary must come from a container, got trainer.model",
    ),
    (
        "inputs-always-there",
        lambda p: drop(tasks(p)["summary"], "inputs", "artifacts", "model"),
        "input model of summary must come from a task",
    ),
    (
        "importers",
        lambda p: put(p.pipeline["deploymentSpec"]["executors"], "trainer_executor", {"importer": {}}),
        "importer trainer must have no condition",
    ),
    ("conditions", lambda p: drop(tasks(p)["data-guard"], "triggerPolicy"), "task data-guard must be left out"),
    ("conditions", lambda p: drop(tasks(p)["champion"], "dependentTasks"), "task champion must be left out"),
    (
        "conditions",
        lambda p: put(tasks(p)["summary"], "triggerPolicy", "condition", "inputs.parameters['a'] > 1"),
        "must compare a property of an input with 1.0",
    ),
    (
        "conditions",
        lambda p: put(tasks(p)["summary"], "triggerPolicy", "condition", condition("x")),
        "must read an input of it, got x",
    ),
    ("pods", lambda p: put(container(p, "summary"), "env", []), "task summary must set TF_USE_LEGACY_KERAS"),
    ("pods", lambda p: drop(p.executor_settings, "summary_executor"), "executor summary_executor must have settings"),
    (
        "pods",
        lambda p: drop(tasks(p)["summary"], "retryPolicy", "backoffMaxDuration"),
        "the retry policy of summary must say backoffMaxDuration",
    ),
    ("image", lambda p: put(container(p, "summary"), "image", "registry.example:5000/tfx-edge"), "a tag or a digest"),
    ("image", lambda p: put(container(p, "summary"), "image", "registry.example/other:1"), "must run one image"),
    ("image", lambda p: container(p, "summary")["args"].append("pip install x"), "got a command that installs"),
    (
        "page",
        lambda p: drop(p.pipeline, "components", "summary", "outputDefinitions", "artifacts", "report"),
        "must have the output report of the type system.HTML",
    ),
    ("pipeline-root", lambda p: put(p.pipeline, "defaultPipelineRoot", "/root"), "got /root"),
    ("pipeline-root", lambda p: constant(p, "ingest", "spec", "m@/tmp/x.whl"), "ingest.spec must name modules"),
    ("parameter-types", lambda p: constant(p, "trainer", "seed", "1"), "must be of the type NUMBER_INTEGER"),
    ("parameter-types", lambda p: constant(p, "trainer", "seed", True), "got bool"),
    (
        "parameter-types",
        lambda p: put(
            p.pipeline["components"]["ingest"]["inputDefinitions"], "parameters", "spec", {"parameterType": "STRUCT"}
        ),
        "ingest.spec must be text that the step decodes itself, got the type STRUCT",
    ),
    ("templates", lambda p: constant(p, "ingest", "spec", "{{workflow.name}}"), "ingest.spec must hold no double"),
    ("protobufs", lambda p: put(p.pipeline, "defaultRoot", "s3://b"), "the pipeline must be what the protobuf says"),
    ("protobufs", lambda p: put(container(p, "summary"), "environment", []), "deploymentSpec must be what"),
    ("protobufs", lambda p: put(tasks(p)["summary"], "retryPolicy", "backoffDuration", "1m"), "the pipeline must be"),
    ("protobufs", lambda p: put(p.platform, "more", 1), "the platform must be what the protobuf says"),
    ("protobufs", lambda p: put(p.executor_settings, "gone_executor", {}), "that there are, got gone_executor"),
    ("protobufs", lambda p: put(settings(p, "summary"), "serviceAccount", "a"), "known fields alone, got service"),
    ("protobufs", lambda p: put(settings(p, "summary"), "secretAsEnv", {}), "secretAsEnv must be a list"),
    ("protobufs", lambda p: put(settings(p, "summary"), "nodeSelector", []), "nodeSelector must be a mapping"),
    ("protobufs", lambda p: put(settings(p, "summary"), "nodeSelector", "labels", {"a": 1}), "must map text to text"),
    ("protobufs", lambda p: put(settings(p, "summary"), "pvcMount", [{"constant": 1}]), "constant must be str"),
    ("protobufs", lambda p: put(settings(p, "summary"), "activeDeadlineSeconds", 60), "must be a number as text"),
]  # fmt: skip


@pytest.mark.parametrize("name", check.RULES)
def test_every_rule_holds_for_ours(package, name):
    assert check.RULES[name].find(package) == []


@pytest.mark.parametrize(("name", "damage", "words"), BREAK, ids=[f"{row[0]}-{at}" for at, row in enumerate(BREAK)])
def test_every_rule_notices(package, name, damage, words):
    broken = copy.deepcopy(package)
    damage(broken)
    faults = check.RULES[name].find(broken)
    assert any(words in fault for fault in faults), faults
    assert all("must" in fault for fault in faults)


def test_every_rule_is_broken_once():
    assert {name for name, _, _ in BREAK} == set(check.RULES) - {"documents"}


def test_a_job_is_no_package(package):
    job = Package.from_text('{"displayName": "a", "pipelineSpec": {"root": {}}, "runtimeConfig": {}}')
    assert check.RULES["documents"].find(job) == ["the package must be YAML documents, got a PipelineJob"]


def test_a_package_survives_its_text(package):
    assert Package.from_text(package.to_yaml()) == package
    with pytest.raises(ValueError, match="got 0 documents"):
        Package.from_text("")
