"""Real predictions on real digits: the stock Evaluator measures the same; both nodes compile for a cluster."""

import warnings

import numpy as np
import pytest
import tensorflow_model_analysis as tfma
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from tensorflow_model_analysis.proto import config_pb2
from tfx.components.evaluator import executor
from tfx.dsl.compiler.compiler import Compiler
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.dsl.components.common.importer import Importer
from tfx.orchestration import metadata
from tfx.orchestration.pipeline import Pipeline
from tfx.types.standard_artifacts import Examples, Model, ModelBlessing, ModelEvaluation, Schema, TransformGraph
from tfx.utils import json_utils, proto_utils

from components.evaluate.answers import BaselineAnswers
from components.evaluate.gate import Gate
from components.evaluate.spec import GateSpec, Rule, SliceRule

pytestmark = pytest.mark.methods


@pytest.fixture(scope="module")
def predictions():
    """Labels, and the probabilities that two models give to 500 digits which neither has seen."""
    images, labels = load_digits(return_X_y=True)
    made = {"label": labels[:500].astype(np.int64)}
    for name, examples in (("baseline", 900), ("candidate", 60)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = LogisticRegression(max_iter=50).fit(images[500 : 500 + examples], labels[500 : 500 + examples])
        made[name] = model.predict_proba(images[:500]).astype(np.float32)
    return made


def stock(bench, metric, folder):
    config = config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(name="candidate", label_key="label", model_type="tf_lite"),
            config_pb2.ModelSpec(name="baseline", label_key="label", model_type="tf_lite", is_baseline=True),
        ],
        slicing_specs=[config_pb2.SlicingSpec(), config_pb2.SlicingSpec(feature_keys=["label"])],
        metrics_specs=[
            config_pb2.MetricsSpec(metrics=[config_pb2.MetricConfig(class_name=metric, config='{"name": "value"}')])
        ],
    )
    schema, evaluation, blessing = Schema(), ModelEvaluation(), ModelBlessing()
    schema.uri = f"{bench.graph.uri}/transformed_metadata"
    evaluation.uri, blessing.uri = str(folder / "evaluation"), str(folder / "blessing")
    context = BaseBeamExecutor.Context(beam_pipeline_args=["--runner=FnApiRunner"], tmp_dir=str(folder))
    executor.Executor(context).Do(
        {
            "examples": [bench.examples],
            "model": [bench.model("candidate")],
            "baseline_model": [bench.model("baseline")],
            "schema": [schema],
        },
        {"evaluation": [evaluation], "blessing": [blessing]},
        {"eval_config": proto_utils.proto_to_json(config), "example_splits": json_utils.dumps(["eval"])},
    )
    return {
        (key, model): metrics[""][""]["value"]["doubleValue"]
        for model in ("candidate", "baseline")
        for key, metrics in tfma.load_eval_result(evaluation.uri, model_name=model).slicing_metrics
    }


@pytest.mark.parametrize(
    ("task", "metric", "name", "tolerance"),
    [
        ("multiclass", "accuracy", "SparseCategoricalAccuracy", 1e-6),
        ("binary", "precision", "Precision", 1e-6),
        # TFMA reads the area from 10,000 even thresholds, we from 1,024 bins.
        ("binary", "auc", "AUC", 1e-3),
        ("regression", "rmse", "RootMeanSquaredError", 1e-5),
    ],
)
def test_values_agree_on_real_digits(bench, predictions, tmp_path, task, metric, name, tolerance):
    columns = dict(predictions)
    if task != "multiclass":
        # Is it a nine? For regression: how much of a nine is it?
        columns["label"] = (columns["label"] == 9).astype(np.int64 if task == "binary" else np.float32)
        columns |= {model: np.ascontiguousarray(columns[model][:, 9:]) for model in ("baseline", "candidate")}
    one = bench(columns, shards=2)
    slices = (SliceRule(features=("label",)),) if task == "multiclass" else ()
    rule = Rule(metric=metric, max_drop=0.5)
    verdict = one.gate(GateSpec(task=task, label="label", rules=(rule,), slices=slices))
    expected = stock(one, name, tmp_path)
    assert len(verdict.slices) == (11 if slices else 1)
    for part in verdict.slices:
        for model in ("candidate", "baseline"):
            wanted = expected[tuple(part.values.items()), model]
            assert part.metrics[metric][model] == pytest.approx(wanted, abs=tolerance), (part.slice, model)


def importer(kind, name):
    return Importer(source_uri=f"/{name}", artifact_type=kind).with_id(name)


def test_both_nodes_compile_here_and_for_kubeflow(tmp_path):
    from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner as kubeflow

    sources = {
        name: importer(kind, name)
        for name, kind in (("examples", Examples), ("graph", TransformGraph), ("float", Model), ("small", Model))
    }
    found = {name: node.outputs["result"] for name, node in sources.items()}
    spec = GateSpec(task="binary", label="y", rules=(Rule(metric="accuracy", max_drop=0.1),))
    shared = {"examples": found["examples"], "transform_graph": found["graph"], "code_sha256": "c0de"}
    answers = BaselineAnswers(model=found["float"], split="eval", **shared).with_id("baseline-answers")
    gate = Gate(
        model=found["small"], baseline=answers.outputs["answers"], spec=spec.model_dump_json(), **shared
    ).with_id("gate-small")
    pipeline = Pipeline(
        pipeline_name="p",
        pipeline_root="root",
        components=[*sources.values(), answers, gate],
        metadata_connection_config=metadata.sqlite_metadata_connection_config(":memory:"),
    )
    node = Compiler().compile(pipeline).nodes[-1].pipeline_node
    assert {key: value.artifact_spec.type.name for key, value in node.outputs.outputs.items()} == {
        "evaluation": "ModelEvaluation",
        "blessing": "ModelBlessing",
    }
    assert GateSpec.model_validate_json(node.parameters.parameters["spec"].field_value.string_value) == spec
    runner = kubeflow.KubeflowV2DagRunner(
        kubeflow.KubeflowV2DagRunnerConfig(default_image="image", use_pipeline_spec_2_1=True),
        output_dir=str(tmp_path),
        output_filename="p.yaml",
    )
    runner.run(pipeline, write_out=True)
    assert "gate-small" in (tmp_path / "p.yaml").read_text()
