"""Executors on what the launcher hands over, in this process."""

import json
import os
import sys
from pathlib import Path
from types import ModuleType

import apache_beam as beam
import pytest
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.utils import dependency_utils

from kubeflow.container import mounts, node
from kubeflow.container.execute import execute
from kubeflow.container.invocation import BadInvocation, parse

PLACE = "s3://bucket/root/digits/run-1/gate/uuid"
MODEL = {"artifactType": {"instanceSchema": "title: tfx.Model\ntype: object\n"}}
DECLARED = {"artifacts": {"model": MODEL}, "parameters": {"seed": {"parameterType": "NUMBER_INTEGER"}}}


@pytest.fixture
def mounted(tmp_path, monkeypatch):
    """Where `s3://` is mounted."""
    monkeypatch.setattr(mounts, "MOUNTS", {"s3://": f"{tmp_path}/s3/"})
    return tmp_path / "s3"


@pytest.fixture
def invocation(arguments, mounted, monkeypatch):
    """`invocation(executor_class)`: with an input, an output and a parameter."""

    def make(executor, title="tfx.ModelBlessing"):
        module = ModuleType("toy_executors")
        module.Executor = executor
        monkeypatch.setitem(sys.modules, "toy_executors", module)
        outputs = {"blessing": {"name": "blessing", "uri": f"{PLACE}/blessing", "type": {"schemaTitle": title}}}
        argv = arguments(
            "toy_executors.Executor",
            inputs={"model": {"name": "17", "type": {"instanceSchema": ""}, "uri": "s3://bucket/m"}},
            outputs=outputs,
            parameters={"seed": 1.0},
            declared=DECLARED,
            output_file=str(mounted / PLACE.removeprefix("s3://") / "output_metadata.json"),
        )
        return parse(argv)

    return make


class Blessing(BaseExecutor):
    """Says what it was given."""

    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802
        (model,), (blessing,) = input_dict["model"], output_dict["blessing"]
        assert list(Path(blessing.uri).iterdir()) == []
        (Path(blessing.uri) / "BLESSED").write_text("")
        blessing.set_int_custom_property("current_model_id", model.id)
        blessing.set_string_custom_property("current_model", model.uri)
        blessing.set_int_custom_property("seed", exec_properties["seed"])
        blessing.set_string_custom_property("run", self._context.pipeline_run_id)


def test_a_node_gets_what_it_gets_on_one_machine_and_says_it_remotely(invocation, mounted):
    left = mounted / PLACE.removeprefix("s3://") / "blessing" / "left"
    left.parent.mkdir(parents=True)
    left.write_text("by an earlier try")
    told = execute(invocation(Blessing))["artifacts"]["blessing"]["artifacts"]
    (blessing,) = told
    assert (blessing["name"], blessing["uri"]) == ("blessing", f"{PLACE}/blessing")
    version = blessing["metadata"].pop("tfx_version")
    assert version.startswith("1.")
    assert blessing["metadata"] == {
        "current_model_id": "17",
        "current_model": "s3://bucket/m",
        "seed": 1.0,
        "run": "run-1",
    }
    assert [path.name for path in left.parent.iterdir()] == ["BLESSED"]


class Counting(BaseBeamExecutor):
    """Runs a pipeline."""

    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802
        with self._make_beam_pipeline() as pipeline:
            numbers = pipeline | beam.Create([1, 2]) | beam.CombineGlobally(sum)
            numbers | beam.Map(lambda total: (Path(output_dict["blessing"][0].uri) / "total").write_text(str(total)))


def test_beam_runs_here_without_packing_tfx(invocation, mounted, monkeypatch):
    monkeypatch.setattr(dependency_utils, "build_ephemeral_package", lambda: pytest.fail("TFX packs itself"))
    execute(invocation(Counting))
    assert (mounted / PLACE.removeprefix("s3://") / "blessing" / "total").read_text() == "3"


class Failing(BaseExecutor):
    """Fails."""

    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802
        raise ValueError("three is not four")


class Filling(BaseExecutor):
    """Finds no room on the disk."""

    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802
        raise OSError(28, "No space left on device")


def test_a_full_disk_is_told_with_what_helps_in_a_pod(invocation, capfd, monkeypatch):
    monkeypatch.setattr(node.os, "dup2", lambda *args: None)
    monkeypatch.setenv(mounts.VARIABLE, "")
    assert node.run(invocation(Filling)) == 1
    assert capfd.readouterr().out.splitlines()[-1] == (
        "gate failed: the disk must have room, but is full (No space left on device); give the pod a node with more of "
        "it (kubeflow.steps.gate.node_selector), or mount a volume (kubeflow.volumes) and let TMPDIR in kubeflow.env "
        "name a folder on it"
    )


@pytest.mark.parametrize(("executor", "code"), [(Blessing, 0), (Failing, 1)])
def test_what_the_launcher_reads_is_there_after_success_alone(invocation, executor, code, capfd, monkeypatch):
    monkeypatch.setattr(node.os, "dup2", lambda *args: None)
    monkeypatch.setenv(mounts.VARIABLE, "")  # is set by the node, and taken back with the fixture
    given = invocation(executor)
    assert node.run(given) == code
    said = capfd.readouterr().out.splitlines()[-1]
    if code:
        assert said.startswith("gate failed: ValueError: three is not four")
        assert not Path(given.output_file).exists()
    else:
        assert said == "gate done"
        assert json.loads(Path(given.output_file).read_text())["artifacts"]["blessing"]["artifacts"]
    assert os.environ[mounts.VARIABLE] == mounts.as_variable()


def test_an_image_that_lacks_the_executor_is_named(invocation):
    given = invocation(Blessing)
    del sys.modules["toy_executors"].Executor
    with pytest.raises(BadInvocation, match=r"the image must hold toy_executors.Executor .*build the image anew"):
        execute(given)


def test_an_output_of_a_type_that_tfx_does_not_know(invocation):
    with pytest.raises(BadInvocation, match=r"must have one of TFX's standard types, got toy\.Thing"):
        execute(invocation(Blessing, title="toy.Thing"))
