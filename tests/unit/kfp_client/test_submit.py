"""`submit` against a server on loopback that holds every request to the API."""

import json

import pytest

from kubeflow.commands.submit import task_names


def detail(name, state, begin="2026-01-01T00:00:00Z", end="0001-01-01T00:00:00Z", **rest):
    return {"display_name": name, "state": state, "start_time": begin, "end_time": end, **rest}


def ended(name, state="SUCCEEDED", **rest):
    driver = detail(f"{name}-driver", "SUCCEEDED", end="2026-01-01T00:00:01Z")
    return [driver, detail(name, state, begin="2026-01-01T00:00:01Z", end="2026-01-01T00:00:05Z", **rest)]


def at(state, *tasks, **rest):
    return {"state": state, "run_details": {"task_details": [each for task in tasks for each in task]}, **rest}


def test_a_run_is_made_in_the_pipelines_experiment_and_followed_to_its_end(stub, tool):
    stub.script = [
        at("PENDING"),
        at("RUNNING", [detail("ingest-driver", "RUNNING")]),
        at("RUNNING", ended("ingest"), [detail("train-driver", "SUCCEEDED"), detail("train", "RUNNING")]),
        at("SUCCEEDED", ended("ingest"), ended("train"), ended("push")),
    ]
    code, out, err = tool("submit", "--host", stub.url)
    (run,) = stub.runs.values()
    (version,) = stub.versions.values()
    (experiment,) = stub.experiments.values()
    assert code == 0
    assert (experiment["display_name"], run["experiment_id"]) == ("digits", experiment["experiment_id"])
    assert run["pipeline_version_reference"]["pipeline_version_id"] == version["pipeline_version_id"]
    assert run["service_account"] == "trainer"
    assert version["pipeline_spec"] == tool.package
    assert [line.split() for line in err.splitlines()] == [
        ["ingest", "5.0", "s", "done"],
        ["train", "5.0", "s", "done"],
        ["push", "5.0", "s", "done"],
    ]
    assert f"{stub.url}/#/runs/details/{run['run_id']}" in out
    assert out.endswith("run      succeeded\n")


def test_a_failed_run_gives_1_and_names_the_task(stub, tool):
    error = {"code": 2, "message": "exit code 1"}
    stub.script = [
        at("FAILED", ended("ingest"), ended("train", "FAILED", error=error), error={"message": "a child failed"})
    ]
    code, result, err = tool.json("submit", "--host", stub.url)
    assert code == 1
    assert (result["state"], result["exit_code"]) == ("FAILED", 1)
    assert [(row["name"], row["state"]) for row in result["tasks"]] == [
        ("ingest", "SUCCEEDED"),
        ("train", "FAILED"),
        ("push", "NOT_RUN"),
    ]
    assert err.splitlines() == [
        "the run failed: a child failed",
        "train failed: exit code 1",
        f"logs     {result['page']}",
    ]


def test_a_driver_that_fails_fails_its_task(stub, tool):
    stub.script = [at("FAILED", [detail("ingest-driver", "FAILED", end="2026-01-01T00:00:02Z")])]
    code, _, err = tool("submit", "--host", stub.url)
    assert (code, err.splitlines()[0].split()) == (1, ["ingest", "2.0", "s", "failed"])


def test_a_stopped_run_gives_1(stub, tool):
    stub.script = [at("CANCELED")]
    code, _, err = tool("submit", "--host", stub.url)
    assert (code, err.splitlines()[0]) == (1, "the run was stopped")


def test_nothing_new_succeeds_and_says_what_did_not_run(stub, tool):
    stub.script = [at("SUCCEEDED", ended("ingest"), [detail("train-driver", "SUCCEEDED"), detail("train", "SKIPPED")])]
    code, out, _ = tool("submit", "--host", stub.url)
    assert code == 0
    assert out.endswith("run      succeeded; not run: train, push\n")


def test_no_wait_ends_with_the_run_made(stub, tool):
    code, result, err = tool.json("submit", "--host", stub.url, "--no-wait", "--run-name", "mine")
    assert (code, err, result["state"]) == (0, "", "PENDING")
    assert [run["display_name"] for run in stub.runs.values()] == ["mine"]
    assert not any(method == "GET" and "/runs/" in path for method, path in stub.requests)


def test_a_run_can_be_forced(stub, tool):
    tool("submit", "--host", stub.url, "--no-wait", "--force")
    tool("submit", "--host", stub.url, "--no-wait")
    assert [run.get("runtime_config") for run in stub.runs.values()] == [{"parameters": {"force": "yes"}}, None]


def test_the_same_package_makes_no_second_version(stub, tool):
    for _ in range(2):
        tool("submit", "--host", stub.url, "--no-wait")
    assert (len(stub.runs), len(stub.versions), len(stub.pipelines), len(stub.experiments)) == (2, 1, 1, 1)
    tool.package["defaultPipelineRoot"] = "s3://other"
    tool("submit", "--host", stub.url, "--no-wait")
    assert (len(stub.runs), len(stub.versions), len(stub.pipelines)) == (3, 2, 1)


def test_lists_are_read_to_their_last_page(stub, tool):
    stub.page = 1
    for name in ("DIGITS", "Digits", "digits"):  # alike for the server's database
        stub.create_experiment({"display_name": name}, {}, None)
    assert tool("submit", "--host", stub.url, "--no-wait")[0] == 0
    (run,) = stub.runs.values()
    assert stub.experiments[run["experiment_id"]]["display_name"] == "digits"
    assert len(stub.experiments) == 3


def test_an_experiment_that_was_named_must_exist(stub, tool):
    stub.create_experiment({"display_name": "nightly"}, {}, None)
    code, _, err = tool("submit", "--host", stub.url, "--experiment", "nightli")
    assert (code, err) == (2, "the experiment nightli must exist, got no such name; did you mean nightly?\n")
    assert not stub.runs
    tool.set("experiment", "nightly")
    assert tool("submit", "--host", stub.url, "--no-wait")[0] == 0


def test_an_archived_experiment_is_refused(stub, tool):
    stub.create_experiment({"display_name": "digits", "storage_state": "ARCHIVED"}, {}, None)
    code, _, err = tool("submit", "--host", stub.url)
    assert code == 2
    assert err.startswith("the experiment digits must be in use, got an archived one")


def test_the_namespace_goes_along(stub, tool):
    stub.namespaces = {"team"}
    assert tool("submit", "--host", stub.url, "--namespace", "team", "--no-wait")[0] == 0
    assert {each["namespace"] for each in (*stub.experiments.values(), *stub.pipelines.values())} == {"team"}


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [([], 400, "Namespace is required"), (["--namespace", "nobody"], 403, "no rights in nobody")],
)
def test_a_namespace_that_is_missing_or_unknown(stub, tool, options, status, said):
    stub.namespaces = {"team"}
    code, _, err = tool("submit", "--host", stub.url, *options)
    assert (code, err.count("\n")) == (2, 1)
    assert str(status) in err
    assert said in err


def test_an_interrupt_leaves_the_run_alone_and_says_so(stub, tool, monkeypatch):
    def interrupt(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr("kubeflow.live.follow.__defaults__", (None, interrupt))
    stub.script = [at("RUNNING")]
    code, result, err = tool.json("submit", "--host", stub.url)
    (run,) = stub.runs
    assert (code, result["error"]["exit_code"]) == (130, 130)
    assert err == f"interrupted; the run goes on: {stub.url}/#/runs/details/{run}\n"
    assert ("POST", f"/apis/v2beta1/runs/{run}:terminate") not in stub.requests


def test_a_limit_to_the_waiting(stub, tool):
    stub.script = [at("RUNNING")]
    code, _, err = tool("submit", "--host", stub.url, "--wait-at-most", "0.01")
    assert code == 1
    assert err.endswith("did not end within 0.01 s (--wait-at-most); it goes on\n")


def test_a_server_that_is_away_for_moments_is_waited_for(stub, tool):
    away = (503, "", "text/plain")
    looks = iter([away, away, away, None, away, away, away, None])
    stub.wrong = lambda method, path: next(looks, None) if "/runs/" in path else None
    stub.script = [at("RUNNING"), at("SUCCEEDED")]
    assert tool("submit", "--host", stub.url)[0] == 0


def test_a_server_that_stays_away_is_given_up_and_the_run_named(stub, tool):
    stub.wrong = lambda method, path: (503, "", "text/plain") if "/runs/" in path else None
    code, _, err = tool("submit", "--host", stub.url)
    (run,) = stub.runs
    assert code == 1
    assert err == f"{stub.url} failed (503); its logs tell more; the run {run} goes on\n"
    assert sum("/runs/" in path for _, path in stub.requests) == 0


def test_a_token_that_expires_meanwhile_is_told_with_the_run(stub, tool):
    stub.wrong = lambda method, path: (401, "", "application/json") if "/runs/" in path else None
    code, _, err = tool("submit", "--host", stub.url)
    (run,) = stub.runs
    assert (code, err.endswith(f"; the run {run} goes on\n")) == (2, True)


def test_a_version_that_another_client_made_meanwhile_is_taken(stub, tool, monkeypatch):
    tool("submit", "--host", stub.url, "--no-wait")
    real, blind = stub.list_versions, [True]
    stub.list_versions = lambda *args: {} if blind and blind.pop() else real(*args)
    assert tool("submit", "--host", stub.url, "--no-wait")[0] == 0
    assert len(stub.versions) == 1


def test_tasks_stand_behind_those_that_they_wait_for(tool):
    assert task_names(tool.text()) == ["ingest", "train", "push"]


@pytest.mark.parametrize(
    ("kind", "body", "fault"),
    [
        ("V2beta1RecurringRun", {"max_concurrency": 1}, "body.max_concurrency must be str, got 1"),
        ("V2beta1RecurringRun", {"no_catchup": "yes"}, "body.no_catchup must be bool, got 'yes'"),
        ("V2beta1RecurringRun", {"mode": "ON"}, "body.mode must be one of"),
        ("V2beta1RecurringRun", {"trigger": {"cron": "* * * * * *"}}, "body.trigger must hold ['cron_schedule'"),
        ("V2beta1Run", {"name": "x"}, "body must hold"),
        ("V2beta1Run", {"pipeline_version_reference": "x"}, "body.pipeline_version_reference must be V2beta1Pipe"),
    ],
)
def test_the_stub_itself_refuses_what_the_api_does_not_define(violated, kind, body, fault):
    hold_to_model, violation = violated
    with pytest.raises(violation) as caught:
        hold_to_model(body, kind)
    assert str(caught.value).startswith(fault)


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("GET", "/apis/v1beta1/runs", b""),
        ("PUT", "/apis/v2beta1/runs", b"{}"),
        ("GET", "/apis/v2beta1/runs?job=1", b""),
        ("POST", "/apis/v2beta1/runs", b'{"nme": "x"}'),
        ("GET", "/apis/v2beta1/runs?filter=" + json.dumps({"predicate": []}), b""),
    ],
)
def test_the_stub_refuses_paths_parameters_and_bodies_that_are_none(stub, method, target, body):
    status, _ = stub.answer(method, target, {"content-type": "application/json"}, body)
    assert status == 400
    assert len(stub.violations) == 1
    stub.violations.clear()
