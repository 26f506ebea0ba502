"""Arguments and descriptions of artifacts, as Kubeflow's driver and launcher write them."""

import json
import math

import pytest
from tfx.types import standard_artifacts

from kubeflow.container import mounts
from kubeflow.container.artifacts import to_output, to_tfx
from kubeflow.container.invocation import BadInvocation, RuntimeArtifact, parse
from kubeflow.container.page import fill, numbers

PLACE = "s3://bucket/root/digits/run-1/selector/0b0c"
MODEL = {"artifactType": {"instanceSchema": "title: tfx.Model\ntype: object\n"}}


def described(title="tfx.Model", metadata=None, uri=f"{PLACE}/selected", name="12"):
    return RuntimeArtifact(name, title, uri, metadata or {})


@pytest.mark.parametrize(
    ("uri", "path"), [("s3://b/a/c", "/s3/b/a/c"), ("minio://b/a", "/minio/b/a"), ("gs://b/a", "/gcs/b/a")]
)
def test_places_are_mapped_to_the_launchers_mounts_and_back(uri, path):
    assert mounts.to_local(uri) == path
    assert mounts.to_remote(path) == uri
    assert mounts.remote_values({"a": [path, 1.0, {"b": path}], "c": None}) == {"a": [uri, 1.0, {"b": uri}], "c": None}
    folder, scheme = path.split("b/")[0], uri.split("b/")[0]
    assert json.loads(mounts.as_variable())[folder] == scheme


def test_other_places_are_refused_or_left_alone():
    with pytest.raises(mounts.UnknownPlace, match=r"must stand in one of s3://, minio://, gs://, got 'file:///a'"):
        mounts.to_local("file:///a")
    assert mounts.to_remote("/data/s3/a") == "/data/s3/a"


def test_an_input_without_type_gets_the_declared_one(arguments):
    given = parse(
        arguments(
            "a.B",
            inputs={"model": {"name": "12", "type": {"instanceSchema": ""}, "uri": "s3://bucket/m"}},
            declared={"artifacts": {"model": MODEL}},
        )
    )
    (model,) = given.inputs["model"]
    assert (model.title, model.name, model.uri) == ("tfx.Model", "12", "s3://bucket/m")


def test_outputs_of_kubeflows_own_types_are_no_outputs_of_the_node(arguments):
    outputs = {
        "selected": {"name": "selected", "uri": f"{PLACE}/selected", "type": MODEL["artifactType"]},
        "executor-logs": {"uri": f"{PLACE}/executor-logs-0", "type": {"schemaTitle": "system.Artifact"}},
        "report": {"uri": f"{PLACE}/report", "type": {"schemaTitle": "system.HTML", "schemaVersion": "0.0.1"}},
    }
    given = parse(arguments("a.B", outputs=outputs))
    assert (list(given.outputs), list(given.system)) == (["selected"], ["executor-logs", "report"])
    assert (given.task, given.run_id) == ("selector", "run-1")


def test_whole_numbers_come_back_as_declared(arguments):
    declared = {"parameters": {"seed": {"parameterType": "NUMBER_INTEGER"}, "rate": {"parameterType": "NUMBER_DOUBLE"}}}
    given = parse(arguments("a.B", parameters={"seed": 1.0, "rate": 1, "text": "1"}, declared=declared))
    assert given.parameters == {"seed": 1, "rate": 1.0, "text": "1"}
    assert [type(value) for value in given.parameters.values()] == [int, float, str]


def test_beam_gets_a_runner_unless_it_was_told_one(arguments):
    assert parse(arguments("a.B")).beam_args == ("--runner=FnApiRunner",)
    assert parse(arguments("a.B", more=["--runner=FlinkRunner"])).beam_args == ("--runner=FlinkRunner",)


@pytest.mark.parametrize("argv", [[], ["--executor_class_path", "a.B", "--json_serialized_invocation_args", "{{$}}"]])
def test_arguments_that_kubeflow_does_not_give(argv):
    with pytest.raises(BadInvocation, match=r"must be started by Kubeflow Pipelines .*; compile the pipeline"):
        parse(argv)


def test_a_list_that_was_published_is_a_list_again(arguments):
    item = {"name": "3", "uri": "s3://b/a", "metadata": {"a": {"list": [1]}, "b": {"struct": {"c": 1}}, "d": {"e": 1}}}
    (found,) = parse(arguments("a.B", inputs={"x": item})).inputs["x"]
    assert found.metadata == {"a": [1], "b": {"c": 1}, "d": {"e": 1}}


def test_properties_survive_the_way_through_kubeflow():
    metadata = {"span": 3.0, "split_names": '["a"]', "new": 1.0, "custom:span": "x", "reason": "why", "list": [1.0]}
    examples = to_tfx(described("tfx.Examples", metadata), 7)
    assert (examples.uri, examples.id, examples.span, examples.split_names) == (
        "/s3/bucket/root/digits/run-1/selector/0b0c/selected", 7, 3, '["a"]',
    )  # fmt: skip
    assert examples.get_int_custom_property("new") == 1
    assert examples.get_string_custom_property("reason") == "why"
    assert to_output(examples, "12", {}) == {"name": "12", "uri": f"{PLACE}/selected", "metadata": metadata}


def test_what_the_launcher_cannot_take_is_not_handed_to_it():
    model = to_tfx(described())
    model.set_float_custom_property("worst", math.inf)
    model.set_int_custom_property("current_model_id", 99)
    model.set_string_custom_property("current_model", "/s3/bucket/m")
    told = to_output(model, "selected", {99: "12"})["metadata"]
    assert told == {"worst": "inf", "current_model_id": "12", "current_model": "s3://bucket/m"}


@pytest.mark.parametrize("title", ["", "tfx.Nothing", "system.Artifact", "tfx.json"])
def test_a_type_that_tfx_does_not_know(title):
    with pytest.raises(BadInvocation, match=r"must have one of TFX's standard types, got"):
        to_tfx(described(title))


def test_all_standard_types_are_known():
    for name in ("Examples", "ExampleStatistics", "Schema", "TransformGraph", "Model", "PushedModel", "InfraBlessing"):
        assert type(to_tfx(described(f"tfx.{name}"))) is getattr(standard_artifacts, name)


SUMMARY = {
    "baseline": {"metric": "accuracy", "value": 0.9, "size_bytes": 100, "gzip_bytes": None, "latency_ms": None},
    "variants": [
        {"name": "a", "value": 0.1, "drop": 0.8},
        {"name": "b", "value": 0.8, "drop": 0.1, "size_bytes": 10, "latency_ms": {"p50": 1.5, "p90": 2}},
    ],
    "selected": "b",
    "pushed": {"version": 1},
}


def test_the_numbers_of_a_run():
    assert numbers(SUMMARY) == {
        "pushed": 1.0,
        "baseline accuracy": 0.9,
        "baseline size_bytes": 100.0,
        "selected accuracy": 0.8,
        "selected drop": 0.1,
        "selected size_bytes": 10.0,
        "selected latency_ms p50": 1.5,
        "selected latency_ms p90": 2.0,
    }
    assert numbers({**SUMMARY, "selected": None, "pushed": None})["pushed"] == 0.0


def test_report_and_metrics_are_filled_by_the_summary_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(mounts, "MOUNTS", {"s3://": f"{tmp_path}/s3/"})
    system = {
        "report": described("system.HTML", uri=f"{PLACE}/report", name="report"),
        "metrics": described("system.Metrics", uri=f"{PLACE}/metrics", name="metrics"),
    }
    assert fill(system, {"selected": tmp_path}) == {}
    (tmp_path / "summary.json").write_text(json.dumps(SUMMARY))
    (tmp_path / "report.html").write_text("<html>")
    told = fill(system, {"summary": tmp_path})
    assert told["report"] == {"name": "report", "uri": f"{PLACE}/report", "metadata": {}}
    assert told["metrics"]["metadata"] == numbers(SUMMARY)
    assert (tmp_path / PLACE.replace("s3:/", "s3") / "report").read_text() == "<html>"
