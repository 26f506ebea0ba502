"""The candidate against the champion: both answer the same raw examples, each through its own preprocessing.

A second pass over the raw files with the gate's own means. Its results stand beside TFMA's, which are about the
baseline; the checks that it makes count like all others.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import apache_beam as beam
import tensorflow as tf
from tfx.types.standard_artifacts import Model

from components import model_artifact
from components.evaluate import answers, files
from components.evaluate.champion_answers import Comparable, read_comparable
from components.evaluate.judge_rows import Judged, JudgeRows, MergeJudged, plan_work
from components.evaluate.measures import measure
from components.evaluate.raw_files import Retransformed
from components.evaluate.spec import BASELINE, CANDIDATE, GateSpec
from components.evaluate.verdict import Check, Verdict, check_rules, metric_numbers, together

COMPARED_FILE = "champion.json"
RULE = "max_drop_vs_champion"

_GO_ON = (
    "run once without gate.max_drop_vs_champion to let a new model take its place, or promote a version that fits "
    "today's data"
)


@dataclass(frozen=True)
class Contest:
    """The inputs of one comparison.

    Attributes:
        champion: What is known of the champion.
        answers_uri: Its answers.
        split_uri: Folder of the raw examples.
        transform_uri: Today's transform graph, through which the candidate sees them.
        model_uri: The candidate's artifact.
        model_sha256: Of the candidate's file.
    """

    champion: Comparable
    answers_uri: str
    split_uri: str
    transform_uri: str
    model_uri: str
    model_sha256: str

    def missing(self, baseline: Sequence[answers.AnsweredFile]) -> str:
        """Why nothing can be compared, in words; empty when it can.

        Args:
            baseline: What the baseline has answered: a candidate has as many outputs, and as wide ones.
        """
        if self.champion.reason:
            return self.champion.reason
        ours, theirs = _widths(baseline), _widths(answers.read_index(self.answers_uri))
        if ours and theirs and ours != theirs:
            return f"it answers {_said(theirs)} for an example, a new model {_said(ours)}"
        return ""


def read_contest(champion_answers_uri: str, *, split_uri: str, transform_uri: str, model: Model) -> Contest:
    """The comparison of a candidate with the champion; see `Contest`."""
    file = model_artifact.tflite_path(model)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else ""
    champion = read_comparable(champion_answers_uri)
    return Contest(champion, champion_answers_uri, split_uri, transform_uri, model.uri, sha256)


def _widths(answered: Sequence[answers.AnsweredFile]) -> dict[str, int]:
    return next((dict(sorted(file.widths.items())) for file in answered if file.records), {})


def _said(widths: Mapping[str, int]) -> str:
    return " and ".join(f"{width} numbers{f' of {output}' if output else ''}" for output, width in widths.items())


def add_pass(pipeline: beam.Pipeline, spec: GateSpec, contest: Contest, folder: str) -> None:
    """Adds the second pass to the gate's pipeline; its numbers go into `folder`."""
    work = plan_work(files.example_files(contest.split_uri), answers.read_index(contest.answers_uri))
    told = spec.against_champion()
    source = Retransformed(contest.transform_uri)
    judging = JudgeRows(told, source, model_uri=contest.model_uri, answers_uri=contest.answers_uri)
    _ = (
        pipeline
        | "RawRows" >> beam.Create(work)
        | "JudgeChampion" >> beam.ParDo(judging)
        | "MergeChampion" >> beam.CombineGlobally(MergeJudged(0)).without_defaults()
        | "WriteChampion" >> beam.Map(_write, folder, told, contest)
    )


def _write(judged: Judged, folder: str, told: GateSpec, contest: Contest) -> None:
    tf.io.gfile.makedirs(folder)
    with tf.io.gfile.GFile(f"{folder}/{COMPARED_FILE}", "w") as stream:
        stream.write(json.dumps(conclude(judged, told, contest), allow_nan=False))


def conclude(judged: Judged, told: GateSpec, contest: Contest) -> dict[str, Any]:
    """The numbers and the checks of the comparison, as JSON values.

    Args:
        judged: What the pass has counted, the champion in the baseline's place.
        told: What it was told, `GateSpec.against_champion`.
        contest: The comparison.
    """
    candidate: dict[str, Any] = {}
    champion: dict[str, Any] = {}
    for output, part in told.parts().items():
        found = measure(part.all_metrics, judged.tallies[output, ()], told.level).of_output(output)
        candidate |= found.candidate
        champion |= found.baseline
    checks = [_of_champion(check, contest) for check in check_rules(told, candidate)]
    numbers = metric_numbers(told, {CANDIDATE: candidate, BASELINE: champion})
    renamed = {
        metric: {name if name != BASELINE else "champion": value for name, value in found.items()}
        for metric, found in numbers.items()
    }
    return {"metrics": renamed, "checks": [asdict(check) for check in checks]}


def _of_champion(check: Check, contest: Contest) -> Check:
    if check.rule != "max_drop":
        return check
    against = f"against champion version {contest.champion.version}: "
    if check.value == 0 and contest.model_sha256 == contest.champion.sha256:
        # No sample could say more than that it is the very file.
        reason = f"{against}it is the champion's own file"
        return replace(check, rule=RULE, state="passed", lower=0.0, upper=0.0, needed_examples=None, reason=reason)
    return replace(check, rule=RULE, reason=against + check.reason)


def with_champion(verdict: Verdict, spec: GateSpec, contest: Contest, missing: str, folder: str) -> Verdict:
    """The verdict with what came of the comparison.

    Args:
        verdict: The verdict on the candidate beside the baseline.
        spec: The gate's.
        contest: The comparison.
        missing: What `Contest.missing` said.
        folder: Where `add_pass` has written.
    """
    if not missing:
        with tf.io.gfile.GFile(f"{folder}/{COMPARED_FILE}") as stream:
            content = json.load(stream)
        checks, metrics = [Check(**entry) for entry in content["checks"]], content["metrics"]
    else:
        checks = _incomparable(spec, contest, missing) if contest.champion.version is not None else []
        metrics = {}
    champion = {"version": contest.champion.version, "metrics": metrics, "not_compared": missing or None}
    every = (*verdict.checks, *checks)
    return replace(verdict, state=together(every), checks=every, champion=champion)


def _incomparable(spec: GateSpec, contest: Contest, missing: str) -> list[Check]:
    """A champion that cannot be compared blocks: a worse model must not take its place unseen."""
    reason = (
        f"the champion, version {contest.champion.version}, must answer today's eval examples to be compared with, "
        f"but {missing}; {_GO_ON}"
    )
    return [
        Check("", rule.metric, RULE, "blocked", rule.max_drop_vs_champion, None, None, None, None, reason)
        for rule in spec.rules
        if rule.max_drop_vs_champion is not None
    ]
