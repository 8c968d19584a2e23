"""When a supervisor replaces a worker that died, and when it gives a successor up."""

from __future__ import annotations

from scoreboard.processes.patience import Patience, Pauses, Renewal

EARLY, LATE = 1.0, 3600.0


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def pause_after(pauses: Pauses, clock: Clock) -> float:
    """The seconds until a worker may be started."""
    begin = clock.seconds
    while not pauses.are_over:
        clock.seconds += 0.5
    return clock.seconds - begin


def test_workers_that_die_of_their_start_are_replaced_ever_more_slowly() -> None:
    clock = Clock()
    pauses = Pauses(Patience(), clock)
    found = []
    for _ in range(8):
        pauses.note_death(EARLY)
        found.append(pause_after(pauses, clock))
    assert found == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]

    pauses.note_death(LATE)
    assert pauses.are_over


def test_a_crash_loop_of_many_hours_goes_on_as_slowly_as_before() -> None:
    clock = Clock()
    pauses = Pauses(Patience(), clock)
    for _ in range(2_000):
        pauses.note_death(EARLY)
    assert pause_after(pauses, clock) == 30.0


def test_what_is_forgiven_starts_at_once() -> None:
    pauses = Pauses(Patience(), Clock())
    pauses.note_death(EARLY)
    assert not pauses.are_over
    pauses.forgive()
    assert pauses.are_over


def test_the_time_of_a_successor_begins_with_its_first_attempt() -> None:
    clock = Clock()
    renewal = Renewal(Patience(), clock)
    clock.seconds = 100.0
    assert not renewal.is_over
    renewal.begin_attempt()
    clock.seconds = 140.0
    renewal.begin_attempt()  # which gives it no more time
    assert not renewal.is_over
    clock.seconds = 146.0
    assert renewal.is_over
