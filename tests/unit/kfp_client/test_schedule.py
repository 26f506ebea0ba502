"""`schedule` against a server on loopback: one schedule, never two that fire, and never none for long."""

import json

import pytest

CRON = "0 0 2 * * *"
REQUESTS = 11
"""Of one replacement."""


@pytest.fixture
def scheduled(stub, tool):
    """The command with a server and a cron; gives what it says as JSON."""

    def call(*options, cron=CRON):
        given = ["--cron", cron] if cron else []
        code, result, _ = tool.json("schedule", "--host", stub.url, *given, *options)
        assert code == result.get("error", {}).get("exit_code", 0)
        assert all(len(set(names)) == len(names) for names in stub.history), "two schedules were active at once"
        return result

    return call


def names(stub):
    return [each["display_name"] for each in stub.recurring.values()]


def changed(tool):
    tool.package["defaultPipelineRoot"] = f"{tool.package.get('defaultPipelineRoot', 's3://')}x"


def test_a_schedule_is_made_once(stub, tool, scheduled):
    assert scheduled()["action"] == "created"
    (made,) = stub.recurring.values()
    assert made["trigger"] == {"cron_schedule": {"cron": CRON}}
    assert (made["max_concurrency"], made["no_catchup"], made["mode"]) == ("1", True, "ENABLE")
    assert made["service_account"] == "trainer"
    assert (made["display_name"], made["experiment_id"]) == ("digits", next(iter(stub.experiments)))
    again = scheduled()
    assert (again["action"], again["id"], again["active"]) == ("unchanged", made["recurring_run_id"], True)
    assert len(stub.recurring) == 1
    code, out, err = tool("schedule", "--host", stub.url, "--cron", f" {CRON}  ")
    assert (code, err) == (0, "")
    assert out.startswith(f"nothing to do: the schedule digits is there, {CRON}, with the same content\n")


@pytest.mark.parametrize("change", ["package", "cron", "experiment", "service account"])
def test_a_change_replaces_it_without_two_at_once(stub, tool, scheduled, change):
    first = scheduled()["id"]
    stub.create_experiment({"display_name": "other"}, {}, None)
    options, cron = [], CRON
    if change == "package":
        changed(tool)
    elif change == "cron":
        cron = "0 0 3 * * *"
    elif change == "experiment":
        options = ["--experiment", "other"]
    else:
        tool.file.write_text(tool.file.read_text().replace("trainer", "other"))
    result = scheduled(*options, cron=cron)
    assert (result["action"], result["removed"], result["active"]) == ("replaced", [first], True)
    (left,) = stub.recurring.values()
    assert (left["recurring_run_id"], left["mode"]) == (result["id"], "ENABLE")
    assert left["trigger"]["cron_schedule"]["cron"] == cron
    # From the first to the last request of the replacement, one was there.
    assert scheduled(*options, cron=cron)["action"] == "unchanged"


def test_a_paused_schedule_stays_paused_when_it_is_replaced(stub, tool, scheduled):
    scheduled()
    assert scheduled("--pause", cron=None)["action"] == "paused"
    assert scheduled()["active"] is False
    changed(tool)
    assert scheduled()["active"] is False
    assert scheduled("--resume", cron=None)["active"] is True
    assert [each["mode"] for each in stub.recurring.values()] == ["ENABLE"]


@pytest.mark.parametrize("kind", ["from there on", "this one alone", "answered too late"])
@pytest.mark.parametrize("number", range(1, REQUESTS + 2))
def test_a_replacement_that_is_cut_off_anywhere_is_finished_by_the_next_call(stub, tool, scheduled, number, kind):
    scheduled()
    changed(tool)
    before = len(stub.requests)
    stub.wrong, fault = None, (503, "", "text/plain")
    if kind == "answered too late":  # the server does it, and the client does not hear so
        stub.lose = number + before
    else:
        count = iter(range(1, 100))
        stub.wrong = lambda *_: fault if (n := next(count)) == number or (n > number and kind[0] == "f") else None
    failed = "error" in scheduled()
    assert len(stub.recurring) >= 1, "the schedule was lost"
    if kind == "this one alone":
        assert stub.history[-1] == ["digits"], "a passing fault must leave one active"
    stub.wrong = stub.lose = None
    result = scheduled()
    assert result["action"] in ("replaced", "unchanged")
    (left,) = stub.recurring.values()
    assert (left["recurring_run_id"], left["mode"]) == (result["id"], "ENABLE")
    assert result["content"] in left["description"]
    assert failed == (number <= REQUESTS), "the sweep must hit every request of a replacement, and end behind the last"


def test_a_replacement_that_was_cut_off_and_then_changed_again_leaves_one(stub, tool, scheduled):
    scheduled()
    changed(tool)
    stub.wrong = lambda method, path: (503, "", "text/plain") if method == "GET" and path.endswith("/runs") else None
    # The client cannot undo its steps either.
    undone = stub.wrong
    stub.wrong = lambda method, path: (
        (503, "", "text/plain") if method == "DELETE" or path.endswith(":enable") else undone(method, path)
    )
    assert "error" in scheduled()
    assert [each["mode"] for each in stub.recurring.values()] == ["DISABLE", "DISABLE"]
    stub.wrong = None
    resumed = scheduled("--resume", cron=None)["error"]["message"]
    assert (
        resumed == "the schedule digits must be there once, got it half replaced; call schedule CONFIG to finish that"
    )
    changed(tool)
    assert len(scheduled()["removed"]) == 2
    assert [each["mode"] for each in stub.recurring.values()] == ["ENABLE"]


def test_it_is_not_replaced_under_a_run_of_it(stub, tool, scheduled):
    first = scheduled()["id"]
    run = stub._made(stub.runs, "run_id", {"recurring_run_id": first, "state": "RUNNING"})
    changed(tool)
    error = scheduled()["error"]
    assert error["exit_code"] == 1
    assert error["message"].startswith(f"the schedule digits was left as it was: its run {run['run_id']} is going on")
    (left,) = stub.recurring.values()
    assert (left["recurring_run_id"], left["mode"]) == (first, "ENABLE")
    run["state"] = "SUCCEEDED"
    assert scheduled()["action"] == "replaced"


def test_of_two_clients_at_once_one_schedule_is_left(stub, tool, scheduled):
    real = stub.create_recurring

    def twice(value, query, identity):
        stub.create_recurring = real
        real(json.loads(json.dumps(value)) | {"mode": "DISABLE"}, query, identity)
        return real(value, query, identity)

    stub.create_recurring = twice
    result = scheduled()
    assert (result["action"], names(stub)) == ("unchanged", ["digits"])


def test_a_schedule_of_others_is_left_alone(stub, tool, scheduled):
    scheduled("--name", "mine")
    (mine,) = stub.recurring.values()
    mine["description"] = "made on a page"
    message = scheduled("--name", "mine")["error"]["message"]
    assert message.startswith(f"the schedule mine must be one that this command made, got {mine['recurring_run_id']}")
    for option in ("--pause", "--resume", "--delete"):
        assert scheduled("--name", "mine", option, cron=None)["error"]["exit_code"] == 2
    assert (names(stub), mine["mode"]) == (["mine"], "ENABLE")


def test_names_that_differ_in_case_are_two(stub, tool, scheduled):
    scheduled("--name", "Nightly")
    next(iter(stub.recurring.values()))["description"] = "made on a page"
    assert scheduled("--name", "nightly")["action"] == "created"


def test_delete_and_list(stub, tool, scheduled):
    first, second = scheduled()["id"], scheduled("--name", "hourly", cron="0 0 * * * *")["id"]
    scheduled("--name", "hourly", "--pause", cron=None)
    stub.recurring[first] = stub.recurring.pop(first)  # whatever order the server has
    rows = {row["id"]: row for row in scheduled("--list", cron=None)["schedules"]}
    assert [(rows[key]["name"], rows[key]["cron"], rows[key]["active"]) for key in (first, second)] == [
        ("digits", CRON, True),
        ("hourly", "0 0 * * * *", False),
    ]
    _, out, _ = tool("schedule", "--host", stub.url, "--list")
    assert sorted(out.splitlines()) == [f"digits  {CRON}  active  {first}", f"hourly  0 0 * * * *  paused  {second}"]
    assert scheduled("--delete", cron=None)["removed"] == [first]
    assert scheduled("--delete", cron=None) == {"action": "unchanged", "name": "digits", "removed": []}
    assert list(stub.recurring) == [second]


@pytest.mark.parametrize("option", ["--pause", "--resume"])
def test_what_is_not_there_cannot_be_paused(stub, scheduled, option):
    error = scheduled(option, cron=None)["error"]
    assert (error["exit_code"], error["message"].split(";")[0]) == (2, "a schedule digits must exist, got none")


def test_the_configuration_says_when(stub, tool, scheduled):
    tool.set("schedule", "0 15 4 * * mon")
    assert scheduled(cron=None)["cron"] == "0 15 4 * * mon"
    assert scheduled()["cron"] == CRON


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "kubeflow.schedule: must say when it runs, or --cron, got neither"),
        (["--cron", "0 2 * * *"], "put the second in front: 0 0 2 * * *"),
        (["--cron", "0 0 2 30 2 *"], "it never comes"),
        (["--cron", CRON, "--pause"], "--cron must stand without --pause"),
    ],
)
def test_when_must_be_said_and_be_right(stub, tool, options, message):
    code, _, err = tool("schedule", "--host", stub.url, *options)
    assert code == 2
    assert message in err
    assert stub.requests == []
