"""When a watcher looks: every due time once, whatever the clock does."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.config import load
from pipeline.cycles.schedule import Schedule, pause


class SetClock:
    """A clock that a test sets."""

    def __init__(self, text: str) -> None:
        self.time = datetime.fromisoformat(text).replace(tzinfo=UTC)
        self.seconds = 0.0
        self.waits: list[float] = []

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.seconds

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.seconds += seconds
        return False

    def wake(self) -> None:
        raise AssertionError("nobody wakes it")

    def go(self, **span: float) -> None:
        self.time += timedelta(**span)


def fired(schedule, clock, *, hours: int) -> list[str]:
    """Times at which it fires within so many hours, looked at every minute."""
    times = []
    for _ in range(hours * 60):
        clock.go(minutes=1)
        if schedule.is_due():
            times.append(clock.now().strftime("%d %H:%M"))
    return times


def test_every_due_time_fires_once():
    clock = SetClock("2026-06-01T00:00")
    assert fired(Schedule("30 3,15 * * *", "UTC", clock), clock, hours=48) == [
        "01 03:30", "01 15:30", "02 03:30", "02 15:30"
    ]  # fmt: skip


def test_times_are_those_of_the_zone():
    clock = SetClock("2026-06-01T00:00")
    assert fired(Schedule("0 3 * * *", "Europe/Berlin", clock), clock, hours=24) == ["01 01:00"]


def test_in_spring_a_time_that_does_not_exist_comes_once():
    clock = SetClock("2026-03-28T12:00")  # clocks go from 02:00 to 03:00 at 01:00 UTC on the 29th
    assert fired(Schedule("30 2 * * *", "Europe/Berlin", clock), clock, hours=48) == ["29 01:00", "30 00:30"]


def test_in_autumn_a_time_that_exists_twice_comes_once():
    clock = SetClock("2026-10-24T12:00")  # clocks go from 03:00 to 02:00 at 01:00 UTC on the 25th
    times = fired(Schedule("30 2 * * *", "Europe/Berlin", clock), clock, hours=48)
    assert len(times) == 2
    assert times[0] in ("25 00:30", "25 01:30")
    assert times[1] == "26 01:30"


def test_times_that_were_slept_through_count_as_one():
    clock = SetClock("2026-06-01T00:00")
    schedule = Schedule("0 * * * *", "UTC", clock)
    clock.go(hours=10, minutes=5)
    assert schedule.is_due()
    assert not schedule.is_due()
    assert schedule.next == datetime(2026, 6, 1, 11, tzinfo=UTC)


def test_a_clock_that_is_set_back_fires_no_time_twice_and_waits_for_no_year():
    clock = SetClock("2026-06-01T02:30")
    schedule = Schedule("0 3 * * *", "UTC", clock)
    clock.go(minutes=31)
    assert schedule.is_due()
    clock.go(hours=-1)
    assert not schedule.is_due()
    clock.go(hours=1)
    assert not schedule.is_due(), "the same minute came a second time"
    clock.go(days=-365)
    assert not schedule.is_due()
    assert schedule.next - clock.now() < timedelta(days=1)


def test_pauses_are_measured_by_the_monotonic_clock():
    clock = SetClock("2026-06-01T00:00")
    assert not pause(clock, 100)
    assert sum(clock.waits) == pytest.approx(100)
    assert max(clock.waits) <= 30


@pytest.mark.parametrize(
    ("cycle", "fault"),
    [
        ('{schedule: "0 3 * *"}', "cycle.schedule: must be a cron expression"),
        ('{schedule: "61 3 * * *"}', "cycle.schedule: must be a cron expression"),
        ('{schedule: "* * * * * *"}', "cycle.schedule: must be a cron expression"),
        ("{time_zone: Europe/Atlantis}", "cycle.time_zone: must be a time zone such as Europe/Berlin"),
        ("{max_failures: 0}", "cycle.max_failures: must be at least 1"),
    ],
)
def test_wrong_settings_are_named(tmp_path, cycle, fault):
    path = tmp_path / "edge.yaml"
    path.write_text(
        "name: x\ndata: {format: tfrecord, path: data, label: label}\nmodel: {module: m, task: multiclass}\n"
        "variants: {int8: [quantize: {mode: int8}]}\ngate: {metric: accuracy, max_drop: 0.1}\n"
        f"cycle: {cycle}\n"
    )
    with pytest.raises(Exception, match=f"edge.yaml:6: {fault}"):
        load(path)
