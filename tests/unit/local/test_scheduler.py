"""Which node begins when: order, how many at once, what runs alone, memory, and what an exception ends."""

import threading

import pytest

from compression.room import Room
from pipeline import scheduler
from pipeline.runner import NodeResult, State
from pipeline.scheduler import ROOM_BYTES, Scheduler, has_room

DIAMOND = {"data": [], "left": ["data"], "right": ["data"], "edge": ["left"], "end": ["left", "right", "edge"]}
WAIT_S = 30


class World:
    """Nodes that go on until they are told to end, and what happened."""

    def __init__(self, upstream, **settings):
        self.events = []
        self.changed = threading.Condition()
        self.running, self.allowed, self.passed_over = set(), set(), set()
        self.cancelled = threading.Event()
        self.scheduler = Scheduler(upstream, **settings)
        self.failure = None

    def __call__(self):
        try:
            self.scheduler.run(self.launch, begin=self.begin, end=self.end, cancel=self.cancel)
        except BaseException as error:
            self.failure = error

    def begin(self, node_id):
        self.events.append(f"+{node_id}")
        return node_id not in self.passed_over

    def end(self, result):
        self.events.append(f"-{result.id}")

    def cancel(self):
        self.cancelled.set()
        with self.changed:
            self.changed.notify_all()

    def launch(self, node_id):
        with self.changed:
            self.running.add(node_id)
            self.changed.notify_all()
            assert self.changed.wait_for(lambda: node_id in self.allowed or self.cancelled.is_set(), WAIT_S)
            self.running.remove(node_id)
            self.changed.notify_all()
        return NodeResult(node_id, State.COMPLETE)

    def wait_for(self, *running):
        with self.changed:
            assert self.changed.wait_for(lambda: self.running == {*running}, WAIT_S), self.running

    def finish(self, *nodes):
        with self.changed:
            self.allowed |= {*nodes}
            self.changed.notify_all()


@pytest.fixture
def start():
    """`start(upstream, **settings)` runs a world in a thread of its own."""
    threads = []

    def begin(upstream, **settings):
        world = World(upstream, **{"room": lambda: True, **settings})
        world.thread = threading.Thread(target=world)
        world.thread.start()
        threads.append(world)
        return world

    yield begin
    for world in threads:
        world.finish(*DIAMOND)
        world.thread.join(WAIT_S)
        assert not world.thread.is_alive()


def test_nodes_run_side_by_side_as_soon_as_what_they_need_has_ended(start):
    world = start(DIAMOND, at_once=3)
    world.wait_for("data")
    world.finish("data")
    world.wait_for("left", "right")
    world.finish("left")
    world.wait_for("right", "edge")
    world.finish("right", "edge")
    world.wait_for("end")
    world.finish("end")
    world.thread.join(WAIT_S)
    assert (world.events[-2:], world.failure) == (["+end", "-end"], None)


def test_never_more_than_allowed_and_never_beside_what_measures(start):
    world = start(DIAMOND | {"third": ["data"]}, at_once=2, alone=["edge"])
    world.finish("data")
    world.wait_for("left", "right")
    world.finish("left")
    world.wait_for("right", "third")
    world.finish("right")
    world.wait_for("third")
    world.finish("third")
    world.wait_for("edge")
    world.finish("edge")
    world.wait_for("end")


def test_nothing_begins_beside_another_while_memory_is_short(start):
    world = start(DIAMOND, at_once=2, room=lambda: False)
    world.finish("data")
    world.wait_for("left")
    world.finish("left")
    world.wait_for("right")


def test_what_is_passed_over_lets_others_decide():
    """Whether they begin is not for the scheduler: a tolerant node runs although a branch failed."""
    world = World(DIAMOND, at_once=2, room=lambda: True)
    world.passed_over = {"left", "edge"}
    world.finish(*DIAMOND)
    world()
    assert world.failure is None
    assert {"-data", "-right", "-end"} <= {*world.events}
    assert not {"-left", "-edge"} & {*world.events}


def test_an_exception_here_ends_what_runs():
    world = World(DIAMOND, at_once=2, room=lambda: True)
    world.finish("data")

    def begin(node_id):
        if node_id == "edge":
            raise KeyboardInterrupt
        return True

    world.begin = begin
    world.finish("left")
    world()
    assert isinstance(world.failure, KeyboardInterrupt)
    assert world.cancelled.is_set()
    assert world.running == set(), "right was ended"


def test_an_interruption_that_is_raised_again_ends_nothing_halfway(monkeypatch):
    joins = []

    class Joined(threading.Thread):
        def join(self, timeout=None):
            joins.append(timeout)
            if len(joins) < 3:
                raise KeyboardInterrupt
            super().join(timeout)

    monkeypatch.setattr(scheduler.threading, "Thread", Joined)
    world = World({"first": [], "second": []}, at_once=2, room=lambda: True)

    def begin(node_id):
        if node_id == "second":
            world.wait_for("first")
            raise KeyboardInterrupt
        return True

    world.begin = begin
    world()
    assert isinstance(world.failure, KeyboardInterrupt)
    assert (len(joins), world.running) == (3, set())


def test_a_node_begins_beside_another_while_there_is_memory(monkeypatch):
    for memory_bytes, enough in ((ROOM_BYTES, True), (ROOM_BYTES - 1, False)):
        monkeypatch.setattr(scheduler.Room, "here", lambda folder, memory_bytes=memory_bytes: Room(memory_bytes, 0))
        assert has_room() is enough
