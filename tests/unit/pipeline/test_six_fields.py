"""Cron expressions of six fields; what the scheduler's own parser says to them is asked by `make test-kfp`."""

from pathlib import Path

import pytest

from pipeline.config.six_fields import fault_of

CRONS = [line.split("\t") for line in (Path(__file__).parent / "crons.tsv").read_text().splitlines()]


@pytest.mark.parametrize("expression", [text for text, fault in CRONS if fault == "accepted"])
def test_accepted(expression):
    assert fault_of(expression) is None


@pytest.mark.parametrize(("expression", "fault"), [row for row in CRONS if row[1] != "accepted"])
def test_refused_with_the_reason(expression, fault):
    assert fault in (fault_of(expression) or "")


BASE = 'kubeflow: {root: "s3://bucket/x", image: "registry.example/x:1", '


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        (
            "host: kubeflow.example}",
            "kubeflow.host: must be the address of Kubeflow Pipelines such as https://kubeflow.example/pipeline; "
            'got "kubeflow.example"; it begins with http:// or https://',
        ),
        (
            'schedule: "0 2 * * *"}',
            "kubeflow.schedule: must be a cron expression of six fields: second, minute, hour, day of month, month, "
            'day of week; got "0 2 * * *"; it has five fields; put the second in front: 0 0 2 * * *',
        ),
        ("namespace: Team_A}", "kubeflow.namespace: must be"),
        ('experiment: ""}', "kubeflow.experiment: must"),
    ],
)
def test_keys_of_the_client_are_checked_when_the_file_is_read(configs, key, fault):
    line = len(configs.base.splitlines()) + 1
    (found,) = configs.faults(configs.base + BASE + key)
    assert found.startswith(f"{line}: {fault}")


def test_keys_of_the_client_are_kept(configs):
    keys = 'host: "https://k.example/pipeline/", namespace: team-a, experiment: Nightly runs, schedule: "0  0 2 * * *"}'
    section = configs.load(configs.base + BASE + keys).kubeflow
    assert section.host == "https://k.example/pipeline"
    assert (section.namespace, section.experiment, section.schedule) == ("team-a", "Nightly runs", "0 0 2 * * *")
