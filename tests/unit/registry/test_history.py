"""Who made which version current and why; a rollback that stays one; old versions that leave."""

import json

import pytest

from registry import Registry, RegistryError
from registry.pointer import Event, previous


@pytest.fixture(params=["folder", "objects"])
def registry(request, tmp_path):
    """The same promises on a disk and on an object store (here fsspec's in memory)."""
    return Registry(tmp_path / "registry" if request.param == "folder" else f"memory://{tmp_path}/registry")


@pytest.fixture
def push(registry, tmp_path):
    """`push("a")` pushes a model of that content."""

    def call(content: str, **more):
        path = tmp_path / "model.tflite"
        path.write_bytes(content.encode())
        return registry.push(path, {"identity": content, "run_id": f"run-{content}"}, **more)

    return call


def told(registry):
    return [(event.action, event.before, event.after) for event in registry.history()]


def test_every_push_is_told_with_who_when_and_which_run(registry, push):
    push("a")
    push("b")
    push("b")
    assert told(registry) == [("push", None, 1), ("push", 1, 2)]
    event = registry.history()[-1]
    assert "@" in event.who
    assert event.when.endswith("Z")
    assert (event.number, event.run_id) == (2, "run-b")


def test_rollbacks_go_back_one_version_each(registry, push):
    for content in "abc":
        push(content)
    assert registry.rollback(why="too slow on the old phones") == 2
    assert registry.current().version == 2
    assert registry.history()[-1].why == "too slow on the old phones"
    assert registry.rollback() == 1
    with pytest.raises(RegistryError, match="holds none that was current before"):
        registry.rollback()
    assert told(registry)[3:] == [("rollback", 3, 2), ("rollback", 2, 1)]


def test_a_push_of_what_was_rolled_back_from_changes_nothing_until_it_is_promoted(registry, push):
    push("a")
    push("b")
    registry.rollback()
    again = push("b")
    assert (again.version, again.created, again.withdrawn) == (2, False, True)
    assert registry.current().version == 1
    assert registry.promote(2, "the phones were mended") == 2
    assert registry.current().version == 2
    assert not push("b").withdrawn
    assert registry.numbers() == [1, 2]


def test_another_model_is_pushed_after_a_rollback_as_ever(registry, push):
    push("a")
    push("b")
    registry.rollback()
    assert push("c").version == 3
    assert registry.current().version == 3
    assert registry.rollback() == 1


def test_what_is_current_cannot_be_made_so_and_what_is_not_there_neither(registry, push):
    push("a")
    with pytest.raises(RegistryError, match="must not be current already"):
        registry.promote(1)
    with pytest.raises(RegistryError, match="Version 7 must stand in"):
        registry.promote(7)
    assert told(registry) == [("push", None, 1)]


def test_old_versions_leave_but_not_the_current_one_nor_the_way_back(registry, push):
    for content in "abcde":
        push(content)
    registry.rollback(2)
    assert registry.collect(1, dry_run=True) == (3, 4)
    assert registry.numbers() == [1, 2, 3, 4, 5]
    assert registry.collect(1, "disk") == (3, 4)
    assert registry.numbers() == [1, 2, 5]
    assert (registry.history()[-1].action, registry.history()[-1].removed) == ("gc", (3, 4))
    assert registry.current().read("model.tflite") == b"b"
    assert push("f").version == 6, "numbers are never given twice"


def test_a_push_may_keep_few(registry, push):
    for content in "abcd":
        push(content, keep=2)
    assert registry.numbers() == [3, 4]


def test_an_event_that_a_killed_writer_left_in_the_pointer_is_told_and_kept(registry, push):
    push("a")
    push("b")
    (name,) = [name for name in registry.storage.listed("history") if name.startswith("00000002")]
    before = registry.history()
    if registry.place.startswith("memory"):
        registry.storage._files.rm_file(f"{registry.storage._root}/history/{name}")
    else:
        (registry.root / "history" / name).unlink()
    assert name not in registry.storage.listed("history")
    assert registry.history() == before
    push("c")
    assert name in registry.storage.listed("history")


def test_versions_that_a_killed_collection_left_are_removed_by_the_next_writer(registry, push):
    for content in "abc":
        push(content)
    pointer = json.loads(registry.storage.get("current.json"))
    pointer["event"] |= {"number": 4, "action": "gc", "removed": [1]}
    registry.storage.replace("current.json", json.dumps(pointer).encode())
    assert registry.numbers() == [1, 2, 3]
    push("d")
    assert registry.numbers() == [2, 3, 4]


def test_the_order_does_not_depend_on_the_clock(registry, push, monkeypatch):
    for content, clock in (("a", "2030-01-01T00:00:00Z"), ("b", "2020-01-01T00:00:00Z"), ("c", "2025-01-01T00:00:00Z")):
        monkeypatch.setattr("registry.versions.now", lambda clock=clock: clock)
        push(content)
    assert [event.when[:4] for event in registry.history()] == ["2030", "2020", "2025"], "the clock went backwards"
    assert [event.after for event in registry.history()] == [1, 2, 3]
    assert registry.current().version == 3
    assert registry.previous() == 2


def event(number, action, after):
    return Event(number, action, None, after)


def test_the_way_back_worked_by_hand():
    events = [event(1, "push", 1), event(2, "push", 2), event(3, "push", 3), event(4, "rollback", 2)]
    assert previous(events, [1, 2, 3]) == 1
    assert previous([*events, event(5, "promote", 3)], [1, 2, 3]) == 2
    assert previous([*events, event(5, "promote", 3)], [1, 3]) == 1
    assert previous(events[:1], [1]) is None
