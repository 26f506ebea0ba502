"""The emulation of Kubeflow itself, with small packages whose tasks are shell commands."""

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml
from kfp_emulator import Cluster, Image, condition, pod
from kfp_emulator.records import PublishError, Records

pytestmark = pytest.mark.skipif(not pod.available(), reason="needs mount namespaces (root, or user namespaces)")

EXAMPLES = {"artifactType": {"instanceSchema": "title: tfx.Examples\ntype: object\n"}}


class Folder:
    """An object store that is a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def at(self, uri: str) -> Path:
        return self.root / uri.partition("://")[2]

    def upload(self, path: Path, uri: str) -> None:
        self.at(uri).parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, self.at(uri), dirs_exist_ok=True)
        else:
            shutil.copyfile(path, self.at(uri))

    def download(self, uri: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.at(uri).is_dir():
            shutil.copytree(self.at(uri), path)


@pytest.fixture
def cluster(tmp_path):
    (tmp_path / "claim").mkdir()
    return Cluster(
        tmp_path / "pods",
        Folder(tmp_path / "store"),
        workdir=Path("/"),
        environment={"PATH": "/usr/bin:/bin"},
        secrets={"store": {"password": "hidden"}},
        claims={"data": tmp_path / "claim"},
    )


# The output's folder from ExecutorInput, as a container has to find it.
FIND = """place=$(echo "$1" | grep -o '"uri": "s3://[^"]*/out"' | tail -1 | cut -d'"' -f4 | sed 's|s3:/|/s3|')\n"""
FILE = """file=$(echo "$1" | grep -o '"outputFile": "[^"]*"' | cut -d'"' -f4)\n"""


def package(**tasks):
    """Tasks as `name: {script, after, condition, ...}`; each has the output `out` and reads that of the one before."""
    spec = {
        "pipelineInfo": {"name": "toy"},
        "defaultPipelineRoot": "s3://bucket/root",
        "components": {},
        "deploymentSpec": {"executors": {}},
        "root": {"dag": {"tasks": {}}},
    }
    settings = {}
    for name, given in tasks.items():
        after = given.get("after")
        inputs = {"artifacts": {"in": EXAMPLES}} if after else {}
        spec["components"][name] = {
            "executorLabel": f"{name}_executor",
            "inputDefinitions": inputs,
            "outputDefinitions": {"artifacts": {"out": EXAMPLES}},
        }
        spec["deploymentSpec"]["executors"][f"{name}_executor"] = {
            "container": {
                "image": given.get("image", "toy:1"),
                "command": ["sh", "-c", FIND + FILE + given["script"], "sh"],
                "args": ["{{$}}"],
            }
        }
        task = {"componentRef": {"name": name}, "inputs": {}}
        if after:
            task["dependentTasks"] = [after]
            output = {"producerTask": after, "outputArtifactKey": "out"}
            task["inputs"] = {"artifacts": {"in": {"taskOutputArtifact": output}}}
        task |= {key: given[key] for key in ("triggerPolicy", "retryPolicy", "cachingOptions") if key in given}
        spec["root"]["dag"]["tasks"][name] = task
        settings[f"{name}_executor"] = given.get("settings", {})
    platform = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": settings}}}}
    return yaml.safe_dump_all([spec, platform])


def told(**metadata):
    """Writes what the launcher reads, with these properties of `out`."""
    said = {"artifacts": {"out": {"artifacts": [{"metadata": metadata}]}}}
    return f"""echo '{json.dumps(said)}' > "$file"\n"""


def new(value):
    return {"condition": f"inputs.artifacts['in'].artifacts[0].metadata['new'] == {value}"}


def test_an_artifact_travels_through_the_store_and_comes_without_type(cluster):
    run = cluster.run(
        package(
            a={"script": 'mkdir "$place"; echo one > "$place/file"; ' + told(new=1, words=["a"])},
            b={"script": "cat /s3/bucket/root/toy/*/a/*/out/file; ls /s3/bucket/root/toy/*/a", "after": "a"},
        )
    )
    assert run.states() == {"a": "Succeeded", "b": "Succeeded"}
    assert run.tasks["b"].logs[0].startswith("one\n")
    (given,) = run.tasks["b"].input["inputs"]["artifacts"]["in"]["artifacts"]
    assert given["type"] == {"instanceSchema": ""}
    assert given["name"] == str(run.tasks["a"].outputs["out"].id)
    assert given["metadata"]["new"] == 1.0
    assert given["metadata"]["words"] == {"list": ["a"]}
    assert "executor-logs" in run.tasks["b"].input["outputs"]["artifacts"]
    assert run.tasks["b"].outputs["executor-logs"].uri.endswith("/executor-logs-0")


def test_pods_share_nothing_but_volumes(cluster, tmp_path):
    mount = {"pvcMount": [{"constant": "data", "mountPath": "/edge-data"}]}
    secret = {"secretAsEnv": [{"secretName": "store", "keyToEnv": [{"secretKey": "password", "envVar": "PASSWORD"}]}]}
    write = 'echo kept > /edge-data/note; echo lost > /minio/note; echo "$PASSWORD"'
    run = cluster.run(
        package(
            a={"script": write, "settings": mount | secret},
            b={"script": 'cat /edge-data/note; ls /minio; echo "[$PASSWORD]"', "after": "a", "settings": mount},
        )
    )
    assert (run.tasks["a"].logs, run.tasks["b"].logs) == (["hidden\n"], ["kept\n[]\n"])
    assert not Path("/edge-data").exists()
    mount["pvcMount"][0]["mountPath"] = "/mnt/nested/data"
    run = cluster.run(package(a={"script": "cat /mnt/nested/data/note", "settings": mount}))
    assert run.tasks["a"].logs == ["kept\n"]
    assert not Path("/mnt/nested").exists()
    assert list((tmp_path / "pods").rglob("*note*")) == []


def test_a_condition_that_does_not_hold_skips_and_the_rest_is_omitted(cluster):
    tasks = {
        "a": {"script": told(new=0)},
        "b": {"script": "", "after": "a", "triggerPolicy": new("1.0")},
        "c": {"script": "", "after": "b"},
        "d": {"script": "", "after": "a", "triggerPolicy": new("0.0")},
    }
    run = cluster.run(package(**tasks))
    assert run.states() == {"a": "Succeeded", "b": "Skipped", "c": "Omitted", "d": "Succeeded"}
    assert run.succeeded


def test_a_condition_over_a_property_that_is_not_there_fails(cluster):
    run = cluster.run(package(a={"script": ""}, b={"script": "", "after": "a", "triggerPolicy": new("1.0")}))
    assert run.states() == {"a": "Succeeded", "b": "Failed"}
    assert not run.succeeded


def test_a_failure_is_tried_again_in_a_new_pod(cluster):
    mount = {"pvcMount": [{"constant": "data", "mountPath": "/edge-data"}]}
    script = 'ls /s3/half 2>/dev/null; mkdir /s3/half; mkdir /edge-data/once 2>/dev/null && exit 3; mkdir "$place"'
    run = cluster.run(package(a={"script": script, "retryPolicy": {"maxRetryCount": 1}, "settings": mount}))
    assert (run.tasks["a"].state, run.tasks["a"].codes, run.tasks["a"].logs) == ("Succeeded", [3, 0], ["", ""])
    assert run.tasks["a"].outputs["executor-logs"].uri.endswith("-1")


def test_what_fails_publishes_its_log_alone(cluster):
    run = cluster.run(package(a={"script": 'mkdir "$place"; echo half > "$place/file"; exit 1'}))
    assert list(run.tasks["a"].outputs) == ["executor-logs"]
    assert not cluster.store.at(run.tasks["a"].input["outputs"]["artifacts"]["out"]["artifacts"][0]["uri"]).exists()


def test_a_task_can_be_preempted(cluster):
    script = 'echo ready; sleep 0.2 & wait $!; mkdir "$place"'
    given = package(a={"script": f"trap 'exit 143' TERM; {script}", "retryPolicy": {"maxRetryCount": 2}})
    run = cluster.run(given, preempt={"a": "ready"})
    assert (run.tasks["a"].codes, run.succeeded) == ([143, 0], True)


def test_the_cache_knows_what_kubeflow_knows(cluster):
    """Image, command, parameters and ids of inputs; not what stands behind a path."""
    cached = {"cachingOptions": {"enableCache": True}}
    tasks = {"a": {"script": told(new=1)} | cached, "b": {"script": "", "after": "a"} | cached, "c": {"script": ""}}
    first = cluster.run(package(**tasks))
    again = cluster.run(package(**tasks))
    assert again.states() == {"a": "Cached", "b": "Cached", "c": "Succeeded"}
    assert again.tasks["b"].outputs == first.tasks["b"].outputs
    tasks["a"]["image"] = "toy:2"
    assert cluster.run(package(**tasks)).states() == {"a": "Succeeded", "b": "Succeeded", "c": "Succeeded"}


def test_nothing_more_starts_after_a_failure(cluster):
    tasks = {"a": {"script": "exit 1"}, "b": {"script": ""}, "c": {"script": "", "after": "b"}}
    cluster.parallel = 1
    assert cluster.run(package(**tasks)).states()["c"] == "Omitted"


def test_a_null_cannot_be_published():
    artifact = {"uri": "s3://a/b", "type": {"schemaTitle": "system.Artifact"}, "metadata": {"a": None}}
    with pytest.raises(PublishError, match="unknown/unsupported value type"):
        Records().publish("out", artifact)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.b == 1.0 && !(a.c != 'x && y')", True),
        ("a['b'] > 1.0 || a.d[0] <= 2.0", True),
        ("a.b < 1.0", False),
    ],
)
def test_conditions(text, expected):
    assert condition.holds(text, {"a": {"b": 1.0, "c": "x && y", "d": [2.0]}}) is expected


@pytest.mark.parametrize("text", ["a.nothing == 1.0", "a.b == 'one'", "a.b", "size(a)", "a.b = 1"])
def test_conditions_that_fail(text):
    with pytest.raises(condition.ConditionError):
        condition.holds(text, {"a": {"b": 1.0}})


def test_an_image_is_read_only_but_for_its_home_and_run_by_its_user(cluster, tmp_path):
    if os.geteuid():
        pytest.skip("changing the user needs root")
    root = tmp_path / "image"
    for name in ("home/edge", "app", "proc", "dev", "tmp"):
        (root / name).mkdir(parents=True)
    for name in ("bin", "lib", "lib64"):  # its programs are this machine's
        (root / name).symlink_to(f"usr/{name}")
    cluster.image = Image(root, "10001:0", "/app", {"HOME": "/home/edge", "PATH": "/usr/bin:/bin"})
    cluster.claims["usr"] = Path("/usr")
    mount = {"pvcMount": [{"constant": "usr", "mountPath": "/usr"}]}
    script = 'id -u; pwd; touch ~/kept /tmp/a "$place" && echo wrote; touch /app/b 2>/dev/null || echo refused'
    run = cluster.run(package(a={"script": script, "settings": mount}))
    assert run.tasks["a"].logs == ["10001\n/app\nwrote\nrefused\n"]
    assert not (root / "app" / "b").exists()
