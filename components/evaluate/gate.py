"""Gate: one candidate against the baseline's answers, on the eval split.

Beam works on ranges of files, not on examples: a worker reads a range with `tf.data`, asks the candidate batch by
batch, reads what the baseline answered, and hands on one tally per slice. There is nothing per example in Python.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import apache_beam as beam
import tensorflow as tf
import tensorflow_model_analysis as tfma
import tensorflow_transform as tft
from tfx.components.evaluator import constants
from tfx.dsl.component.experimental.annotations import BeamComponentParameter, InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import (
    Examples,
    InferenceResult,
    Model,
    ModelBlessing,
    ModelEvaluation,
    TransformGraph,
)

from components.errors import InputError
from components.evaluate import against_champion, answers, files, tfma_results
from components.evaluate.against_champion import Contest
from components.evaluate.judge_rows import Judged, JudgeRows, MergeJudged, plan_work
from components.evaluate.measures import Measured, measure
from components.evaluate.slices import SliceKey
from components.evaluate.spec import BASELINE, CANDIDATE, GateSpec
from components.evaluate.verdict import VERDICT_FILE, Verdict, judge

FLIPS_FILE = "flips.json"
SECONDS_FILE = "seconds.json"


@component(use_beam=True)
def Gate(  # noqa: N802 - a component is named like a class
    examples: InputArtifact[Examples],
    transform_graph: InputArtifact[TransformGraph],
    model: InputArtifact[Model],
    baseline: InputArtifact[InferenceResult],
    evaluation: OutputArtifact[ModelEvaluation],
    blessing: OutputArtifact[ModelBlessing],
    spec: Parameter[str],
    code_sha256: Parameter[str],
    champion_answers: InputArtifact[InferenceResult] = None,
    raw_examples: InputArtifact[Examples] = None,
    beam_pipeline: BeamComponentParameter[beam.Pipeline] = None,
) -> None:
    """Judges `model` by the rules of `spec` (a `GateSpec` as JSON); `baseline` is what `BaselineAnswers` emits.

    `examples` are transformed ones. Raw columns to slice by are passed through `preprocessing_fn` under their own
    names: nothing promises that raw and transformed files hold the same examples in the same places. With
    `champion_answers`, what `ChampionAnswers` emits, and the `raw_examples` that it was asked, the candidate is also
    compared with the champion.
    """
    del code_sha256  # only makes a change of code known to the cache
    gate_spec = GateSpec.model_validate_json(spec)
    contest, missing = None, ""
    if champion_answers is not None:
        contest = against_champion.read_contest(
            champion_answers.uri,
            split_uri=artifact_utils.get_split_uri([raw_examples], gate_spec.split),
            transform_uri=transform_graph.uri,
            model=model,
        )
        missing = contest.missing(answers.read_index(baseline.uri))
    evaluate(
        beam_pipeline,
        gate_spec,
        split_uri=artifact_utils.get_split_uri([examples], gate_spec.split),
        features=tft.TFTransformOutput(transform_graph.uri).transformed_feature_spec(),
        model_uri=model.uri,
        answers_uri=baseline.uri,
        evaluation_uri=evaluation.uri,
        contest=None if missing else contest,
    )
    verdict = judge(gate_spec, tfma_results.read(evaluation.uri))
    if contest is not None:
        verdict = against_champion.with_champion(verdict, gate_spec, contest, missing, evaluation.uri)
    _write_text(f"{evaluation.uri}/{VERDICT_FILE}", verdict.to_json())
    _bless(blessing, verdict, model, tfma.load_validation_result(evaluation.uri).validation_ok)


def evaluate(
    pipeline: beam.Pipeline,
    spec: GateSpec,
    *,
    split_uri: str,
    features: Mapping[str, Any],
    model_uri: str,
    answers_uri: str,
    evaluation_uri: str,
    contest: Contest | None = None,
) -> None:
    """Runs `pipeline` and writes TFMA's results, the flips, the seconds, and how the candidate did beside a champion.

    Args:
        pipeline: An empty one.
        spec: What to judge by.
        split_uri: Folder of the transformed examples.
        features: Their specification.
        model_uri: The candidate's artifact.
        answers_uri: The baseline's answers.
        evaluation_uri: Where the results go.
        contest: The comparison with the champion; `None`: there is none.
    """
    work = plan_work(files.example_files(split_uri), answers.read_index(answers_uri))
    if not work:
        raise InputError(f"the split must hold files of examples, got none in {split_uri}; look at what made them")
    judging = JudgeRows(spec, files.Transformed(features), model_uri=model_uri, answers_uri=answers_uri)
    locations = {CANDIDATE: model_uri, BASELINE: answers_uri}
    with pipeline:
        _ = (
            pipeline
            | "Rows" >> beam.Create(work)
            | "Judge" >> beam.ParDo(judging)
            # Every range says something, so there is no default to care for; caring would cost two more stages.
            | "Merge" >> beam.CombineGlobally(MergeJudged(spec.flips_kept)).without_defaults()
            | "Write" >> beam.Map(_write, evaluation_uri, spec, locations)
        )
        if contest is not None:
            against_champion.add_pass(pipeline, spec, contest, evaluation_uri)


def _write(judged: Judged, folder: str, spec: GateSpec, locations: dict[str, str]) -> None:
    """Measures every output on every slice and writes TFMA's results, the flips and the seconds."""
    parts = spec.parts()
    results: dict[SliceKey, Measured] = {}
    for (output, key), tally in judged.tallies.items():
        found = measure(parts[output].all_metrics, tally, spec.level, quick=key != ()).of_output(output)
        results[key] = results[key] | found if key in results else found
    tfma_results.write(list(results.items()), folder, spec, locations)
    flips = [
        {"output": output, **flip.to_dict(part.task)} for output, part in parts.items() for flip in judged.flips[output]
    ]
    content = {"task": spec.task, "flips": flips}
    _write_text(f"{folder}/{FLIPS_FILE}", json.dumps(content))
    _write_text(f"{folder}/{SECONDS_FILE}", json.dumps(asdict(judged.seconds)))


def _write_text(path: str, text: str) -> None:
    tf.io.gfile.makedirs(path.rpartition("/")[0])
    with tf.io.gfile.GFile(path, "w") as stream:
        stream.write(text)


def _bless(blessing: ModelBlessing, verdict: Verdict, model: Model, validation_ok: bool) -> None:
    """Writes the blessing as the stock Evaluator does; both our verdict and TFMA's validation must agree to it."""
    blessed = verdict.state == "passed" and validation_ok
    blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri)
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    value = constants.BLESSED_VALUE if blessed else constants.NOT_BLESSED_VALUE
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, value)
    name = constants.BLESSED_FILE_NAME if blessed else constants.NOT_BLESSED_FILE_NAME
    _write_text(f"{blessing.uri}/{name}", "")


def read_flips(evaluation_uri: str) -> list[dict[str, Any]]:
    """The examples whose answer flipped from right to wrong, the baseline's surest first; see `flips.Flip`."""
    with tf.io.gfile.GFile(f"{evaluation_uri}/{FLIPS_FILE}") as stream:
        return json.load(stream)["flips"]
