"""What each change of the post-processor writes, field by field."""

import pytest
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from kubeflow.spec.caching import without_cache
from kubeflow.spec.document import producers, upstream
from kubeflow.spec.needs import STANDARD, resolve
from kubeflow.spec.parameters import with_defaults
from kubeflow.spec.retries import with_retries
from pipeline.config import SectionError
from pipeline.config.kubeflow import StepNeeds

CONDITION = "inputs.artifacts['examples'].artifacts[0].metadata['new'] == 1.0"


def task(package, name):
    return package.pipeline["root"]["dag"]["tasks"][name]


def container(package, name):
    return package.pipeline["deploymentSpec"]["executors"][f"{name}_executor"]["container"]


def test_the_root_stands_in_the_spec(compiled):
    assert compiled(root="s3://bucket/runs/").pipeline["defaultPipelineRoot"] == "s3://bucket/runs"


def test_what_looks_at_the_world_is_never_cached(package):
    cached = {name for name in package.pipeline["root"]["dag"]["tasks"] if "cachingOptions" in task(package, name)}
    assert cached == {"data-guard", "trainer"}


def test_only_named_tasks_lose_their_cache(raw):
    tasks = without_cache(raw, ["summary", "none of ours"])["root"]["dag"]["tasks"]
    assert {name for name, entry in tasks.items() if "cachingOptions" not in entry} == {"summary"}


def test_with_nothing_new_all_but_ingest_is_left_out(package):
    """Who reads ingest's output has the condition, and takes along whoever waits for it."""
    assert {
        name: entry["triggerPolicy"]["condition"]
        for name, entry in package.pipeline["root"]["dag"]["tasks"].items()
        if "triggerPolicy" in entry
    } == {"data-guard": CONDITION, "trainer": CONDITION}


def test_defaults_of_parameters_come_back(raw):
    raw["root"]["inputDefinitions"] = {"parameters": {name: {"parameterType": "STRING"} for name in "abc"}}
    spec = with_defaults(raw, {"a": "1", "b": None, "z": "0"})
    assert spec["root"]["inputDefinitions"]["parameters"] == {
        "a": {"parameterType": "STRING", "defaultValue": "1"},
        "b": {"parameterType": "STRING"},
        "c": {"parameterType": "STRING"},
    }


@pytest.mark.parametrize(
    ("need", "policy"),
    [
        (
            StepNeeds(retries=2, backoff_seconds=60, time_limit_seconds=3600),
            # three tries of an hour, pauses of 60 and 120 s, and a day
            ("2", "60s", 2.0, f"{3 * 3600 + 180 + 86_400}s"),
        ),
        (StepNeeds(retries=1, backoff_seconds=10), ("1", "10s", 2.0, f"{2 * 30 * 86_400 + 10 + 86_400}s")),
        (StepNeeds(retries=0, backoff_seconds=10), None),
    ],
)
def test_retries(raw, need, policy):
    spec = with_retries(raw, dict.fromkeys(raw["root"]["dag"]["tasks"], need))
    found = spec["root"]["dag"]["tasks"]["trainer"].get("retryPolicy")
    if policy is None:
        assert found is None
        return
    count, duration, factor, longest = policy
    assert found == {
        "maxRetryCount": int(count),
        "backoffDuration": duration,
        "backoffFactor": factor,
        "backoffMaxDuration": longest,
    }
    parsed = json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec()).root.dag.tasks["trainer"].retry_policy
    assert (parsed.max_retry_count, parsed.backoff_duration.seconds) == (int(count), int(duration[:-1]))


def test_resources(compiled):
    package = compiled(
        steps={
            "default": {"cpu": 1, "memory": "2Gi", "memory_limit": "4Gi"},
            "edge": {"cpu": "500m"},
            "trainer": {"cpu_limit": 4, "accelerator": {"count": 2}},
        }
    )
    shared = {"resourceMemoryRequest": "2Gi", "resourceMemoryLimit": "4Gi"}
    assert container(package, "ingest")["resources"] == {"resourceCpuRequest": "1", **shared}
    assert container(package, "edge-int8")["resources"] == {"resourceCpuRequest": "500m", **shared}
    assert container(package, "trainer")["resources"] == {
        "resourceCpuRequest": "1",
        "resourceCpuLimit": "4",
        "accelerator": {"resourceType": "nvidia.com/gpu", "resourceCount": "2"},
        **shared,
    }


def test_nothing_asked_is_nothing_written(package):
    assert "resources" not in container(package, "trainer")
    assert set(package.executor_settings) == {
        f"{name}_executor" for name in ("ingest", "data-guard", "champion", "trainer", "edge-int8", "summary")
    }
    assert all(settings == {} for settings in package.executor_settings.values())


def test_environment(compiled):
    package = compiled(env={"B": "2", "A": "1", "TF_CPP_MIN_LOG_LEVEL": "0"})
    assert container(package, "summary")["env"] == [
        {"name": "A", "value": "1"},
        {"name": "B", "value": "2"},
        {"name": "PYTHONUNBUFFERED", "value": "1"},
        {"name": "TF_CPP_MIN_LOG_LEVEL", "value": "0"},
        {"name": "TF_USE_LEGACY_KERAS", "value": "1"},
    ]


def test_settings_on_kubernetes(compiled):
    package = compiled(
        image_pull_secrets=["pull"],
        labels={"team": "vision"},
        secrets=[
            {"name": "minio", "env": {"AWS_ACCESS_KEY_ID": "accesskey", "AWS_SECRET_ACCESS_KEY": "secretkey"}},
            {"name": "gcp", "mount_path": "/var/secrets/gcp"},
        ],
        volumes=[{"pvc": "models", "mount_path": "/mnt/models/"}],
        steps={
            "default": {"time_limit_seconds": 7200, "node_selector": {"disk": "ssd"}},
            "trainer": {"tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}]},
        },
    )

    def named(name):
        return {"secretName": name, "secretNameParameter": {"runtimeValue": {"constant": name}}}

    shared = {
        "activeDeadlineSeconds": "7200",
        "imagePullSecret": [named("pull")],
        "nodeSelector": {"labels": {"disk": "ssd"}},
        "podMetadata": {"labels": {"team": "vision"}},
        "pvcMount": [
            {
                "constant": "models",
                "pvcNameParameter": {"runtimeValue": {"constant": "models"}},
                "mountPath": "/mnt/models",
            }
        ],
        "secretAsEnv": [
            {
                **named("minio"),
                "keyToEnv": [
                    {"secretKey": "accesskey", "envVar": "AWS_ACCESS_KEY_ID"},
                    {"secretKey": "secretkey", "envVar": "AWS_SECRET_ACCESS_KEY"},
                ],
            }
        ],
        "secretAsVolume": [{**named("gcp"), "mountPath": "/var/secrets/gcp"}],
    }
    assert package.executor_settings["ingest_executor"] == shared
    assert package.executor_settings["trainer_executor"] == {
        **shared,
        "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
    }


def test_the_summary_shows_its_report_and_its_numbers(package):
    outputs = package.pipeline["components"]["summary"]["outputDefinitions"]["artifacts"]
    assert outputs["report"] == {"artifactType": {"schemaTitle": "system.HTML", "schemaVersion": "0.0.1"}}
    assert outputs["metrics"] == {"artifactType": {"schemaTitle": "system.Metrics", "schemaVersion": "0.0.1"}}
    assert outputs["summary"]["artifactType"]["instanceSchema"].startswith("title: tfx.ModelEvaluation")


def test_what_a_task_waits_for(package):
    assert upstream(task(package, "trainer")) == {"ingest", "champion"}
    assert producers(task(package, "trainer")) == {
        "examples": ("ingest", "examples"),
        "base_model": ("champion", "champion"),
    }


def test_the_most_exact_entry_counts_key_by_key():
    entries = {
        "default": StepNeeds(cpu=1, memory="1Gi", retries=5),
        "quantize": StepNeeds(cpu=2, backoff_seconds=5),
        "quantize-int8": StepNeeds(cpu=4),
    }
    names = {"quantize-int8": "quantize", "quantize-float16": "quantize", "ingest": ""}
    needs = resolve(entries, names)
    assert needs["quantize-int8"] == StepNeeds(cpu=4, memory="1Gi", retries=5, backoff_seconds=5)
    assert needs["quantize-float16"] == StepNeeds(cpu=2, memory="1Gi", retries=5, backoff_seconds=5)
    assert needs["ingest"] == StepNeeds(cpu=1, memory="1Gi", retries=5, backoff_seconds=60)
    assert resolve({}, names) == dict.fromkeys(names, STANDARD)


def test_entries_for_no_step_are_refused():
    with pytest.raises(SectionError) as caught:
        resolve({"trainr": StepNeeds(), "prune": StepNeeds()}, {"trainer": "", "qat-1": "qat"})
    assert [str(fault) for fault in caught.value.faults] == [
        "trainr: must be default, a kind of step, or the id of a node; got trainr; did you mean trainer?",
        "prune: must be default, a kind of step, or the id of a node; got prune",
    ]


def test_entries_that_do_not_agree_are_refused():
    entries = {"default": StepNeeds(memory="4Gi"), "trainer": StepNeeds(memory_limit="2Gi")}
    with pytest.raises(SectionError, match=r"trainer.memory: must be at most memory_limit; got 4Gi with the limit 2Gi"):
        resolve(entries, {"trainer": ""})
