"""How the state of a registry changes: which version is current, which are removed, which somebody turned away from."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from registry.atomic import json_bytes, parse_object
from registry.errors import RegistryError, failing_as
from registry.pointer import Action, Event, Pointer, now, who
from registry.reading import Reader
from registry.storage import HISTORY, Outdated, StateFiles, event_names

TRIES = 20
"""How often a writer decides anew when others change the registry at the same time."""


class Writer(Reader):
    """The versions at one place, with the means to change which of them are there and current."""

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Under the lock, after what a killed writer began has been brought to its end."""
        with failing_as(f"write {self.place}"), self.storage.locked():
            state = self._state()
            if state.event is not None:
                self._settle(state, state.event)
            yield

    def _settle(self, state: Pointer, event: Event) -> None:
        name = _event_name(event)
        if self.pointer().event != event:
            # Readers still see the state before: the one that decides was not copied to where they look.
            with suppress(Outdated):
                self.storage.publish(StateFiles(name, self.storage.get(name)))
        else:
            self.storage.create(name, json_bytes(state.to_dict()))
        self._remove(state.removing)

    def _state(self) -> Pointer:
        """The state that counts: that of the pointer, or a later one that a writer could not copy there any more."""
        state, names = self.pointer(), event_names(self.storage)
        number = state.event.number if state.event else 0
        if names and int(names[-1].partition(".")[0]) > number:
            place = f"{HISTORY}/{names[-1]}"
            state = Pointer.from_dict(parse_object(self.storage.get(place), f"{self.place}/{place}"), place)
        return state

    def _change(self, decide: Callable[[Pointer], StateFiles | None]) -> None:
        """Publishes what `decide` makes of the state; `None` changes nothing. Decides anew when others were quicker."""
        for _ in range(TRIES):
            after = decide(self._state())
            if after is None:
                return
            try:
                self.storage.publish(after)
            except Outdated:
                continue
            return
        raise RegistryError(
            f"A change of {self.place} must come to its end; others changed it {TRIES} times in a row at the same "
            "time. Try again."
        )

    def _make_current(self, number: int, sha256: str, run_id: str | None) -> None:
        """Points to a version that a push made or found."""

        def decide(before: Pointer) -> StateFiles | None:
            """Nothing to do when it is current already."""
            if (before.version, before.sha256) == (number, sha256):
                return None
            if number in before.removing:
                raise RegistryError(
                    f"Version {number} must be there to be made current; another writer is removing it. Push again."
                )
            return self._next(before, "push", number, sha256, run_id=run_id)

        self._change(decide)

    def _move(self, action: Action, number: int | None, why: str) -> int:
        """Makes a version current by hand; `None` is the one that was current before."""
        # What a bare rollback goes to is settled once: whoever pushes meanwhile must not change it.
        goal = self.previous() if number is None else number
        if goal is None:
            raise RegistryError(
                f"A rollback must have a version to go to; {self.place} holds none that was current before. "
                "Name one, or promote one."
            )

        def decide(before: Pointer) -> StateFiles:
            """Refuses what is current, or on its way out."""
            if goal == before.version:
                raise RegistryError(
                    f"Version {goal} must not be current already to be made so; it is. Name another one."
                )
            if goal in before.removing:
                raise RegistryError(
                    f"Version {goal} must be there to be made current; it is being removed. Name another."
                )
            return self._next(before, action, goal, self.version(goal).sha256, why=why)

        self._change(decide)
        return goal

    def _victims(self, keep: int, state: Pointer) -> tuple[int, ...]:
        numbers = [number for number in self.numbers() if number not in state.removing]
        # A version that somebody turned away from is what tells a push that it must not come back.
        stay = {*numbers[-keep:], state.version, self.previous(), *state.withdrawn.values()}
        return tuple(number for number in numbers if number not in stay)

    def _collect(self, keep: int, why: str) -> tuple[int, ...]:
        victims: tuple[int, ...] = ()

        def decide(before: Pointer) -> StateFiles | None:
            """Chooses anew what leaves: somebody may have rolled back to it meanwhile."""
            nonlocal victims
            victims = self._victims(keep, before)
            if not victims:
                return None
            # Told first, so that what a killed writer leaves is removed by the next one.
            return self._next(before, "gc", before.version, before.sha256, why=why, removed=victims)

        self._change(decide)
        self._remove(victims)
        return victims

    def _remove(self, numbers: tuple[int, ...]) -> None:
        for number in set(numbers) & set(self.storage.numbers()):
            self.storage.remove(number)

    def _next(
        self,
        before: Pointer,
        action: Action,
        number: int | None,
        sha256: str,
        *,
        why: str = "",
        run_id: str | None = None,
        removed: tuple[int, ...] = (),
    ) -> StateFiles:
        """The state that follows `before`."""
        turn = before.event.number + 1 if before.event else 1
        event = Event(turn, action, before.version, number, removed, why, who(), now(), run_id, uuid.uuid4().hex)
        withdrawn = {model: version for model, version in before.withdrawn.items() if model != sha256}
        if action in ("rollback", "promote") and before.version is not None:
            withdrawn[before.sha256] = before.version
        there = set(self.storage.numbers())
        after = replace(
            before,
            version=number,
            sha256=sha256,
            highest_version=max(self._highest(before), number or 0),
            withdrawn=withdrawn,
            removing=(*(old for old in before.removing if old in there), *removed),
            event=event,
        )
        return StateFiles(_event_name(event), json_bytes(after.to_dict()))

    def _highest(self, state: Pointer) -> int:
        """The highest number ever given; the state remembers it for versions removed since."""
        return max(state.version or 0, state.highest_version, *self.storage.numbers(), 0)


def _event_name(event: Event) -> str:
    return f"{HISTORY}/{event.number:08d}.json"
