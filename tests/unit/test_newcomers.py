"""The time for the heads of first requests, by a clock that jumps."""

from __future__ import annotations

import asyncio

import pytest

from scoreboard.api.http.newcomers import HEAD_SECONDS, Newcomers
from tests.clock import jumping_clock, now


class Client:
    """A connection that notes when it was closed."""

    def __init__(self, *, has_asked: bool = False, is_defect: bool = False) -> None:
        self.has_asked = has_asked
        self.closed_at: float | None = None
        self._is_defect = is_defect

    def force_close(self) -> None:
        self.closed_at = now()
        if self._is_defect:
            raise ZeroDivisionError


@jumping_clock
async def test_each_that_asks_for_nothing_is_closed_when_its_own_time_is_over() -> None:
    newcomers = Newcomers()
    first, asking, left, last = Client(), Client(has_asked=True), Client(), Client()
    for one in (first, asking, left):
        newcomers.enter(one)
    newcomers.leave(left)
    await asyncio.sleep(5)
    newcomers.enter(last)
    await asyncio.sleep(2 * HEAD_SECONDS)

    assert (first.closed_at, last.closed_at) == (HEAD_SECONDS, HEAD_SECONDS + 5)
    assert asking.closed_at is None
    assert left.closed_at is None
    again = Client()
    newcomers.enter(again)  # when nobody was here any more
    await asyncio.sleep(HEAD_SECONDS + 1)
    assert again.closed_at == 5 + 3 * HEAD_SECONDS


@jumping_clock
async def test_a_defect_in_the_end_of_one_keeps_no_other_one() -> None:
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    newcomers = Newcomers()
    defect, beside, later = Client(is_defect=True), Client(), Client()
    newcomers.enter(defect)
    newcomers.enter(beside)
    await asyncio.sleep(1)
    newcomers.enter(later)
    await asyncio.sleep(2 * HEAD_SECONDS)

    assert defect.closed_at == HEAD_SECONDS
    assert beside.closed_at is not None
    assert later.closed_at is not None


@pytest.mark.parametrize("seconds_ago", [0.5, 2.0])
@jumping_clock
async def test_at_the_end_whoever_came_just_now_is_heard_and_nobody_else(
    seconds_ago: float,
) -> None:
    newcomers = Newcomers()
    newcomers.enter(Client())
    await asyncio.sleep(seconds_ago)
    began = now()
    await newcomers.hear()

    assert now() - began == pytest.approx(max(0.0, 1.0 - seconds_ago), abs=0.02)
    newcomers.close()
