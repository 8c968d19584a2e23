"""One timer for all that goes on at once ends each of them in its time, and nothing else."""

from __future__ import annotations

import asyncio
import time

import pytest

from scoreboard.connections.deadlines import Deadlines
from tests.eventually import eventually

AT_ONCE = 0.02
SOON = 0.5
NEVER = 3600.0


async def wait_within(deadlines: Deadlines, end: asyncio.Event) -> str:
    try:
        with deadlines.next():
            await end.wait()
    except TimeoutError:
        return "late"
    return "in time"


async def test_what_takes_too_long_is_ended_and_what_does_not_goes_on() -> None:
    deadlines, end = Deadlines(AT_ONCE), asyncio.Event()
    end.set()
    assert await wait_within(deadlines, end) == "in time"
    async with asyncio.timeout(20):
        assert await wait_within(deadlines, asyncio.Event()) == "late"
        assert await wait_within(deadlines, end) == "in time"
        await asyncio.sleep(0)  # nobody is cancelled after its end


async def test_each_is_ended_though_the_timer_waits_for_the_first_alone() -> None:
    deadlines, end = Deadlines(SOON), asyncio.Event()
    end.set()
    assert await wait_within(deadlines, end) == "in time"
    began = time.monotonic()
    await eventually(lambda: time.monotonic() > began + SOON / 10)

    async with asyncio.timeout(20):
        never = [wait_within(deadlines, asyncio.Event()) for _ in range(3)]
        assert await asyncio.gather(*never) == ["late"] * 3


async def test_who_is_cancelled_as_well_ends_by_that() -> None:
    """A task that took its end for a lost call would go on."""
    deadlines, entered = Deadlines(NEVER), asyncio.Event()

    async def work() -> None:
        with deadline:
            entered.set()
            await asyncio.Event().wait()

    deadline = deadlines.next()
    task = asyncio.create_task(work())
    await entered.wait()
    deadline.expire()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    deadlines.close()


async def test_what_fails_at_its_end_fails_with_its_own_error() -> None:
    deadlines = Deadlines(AT_ONCE)

    async def work() -> None:
        with deadlines.next():
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise LookupError from None

    async with asyncio.timeout(20):
        with pytest.raises(LookupError):
            await work()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_one_within_another_ends_alone() -> None:
    outer, inner = Deadlines(NEVER), Deadlines(AT_ONCE)
    async with asyncio.timeout(20):
        with outer.next():
            assert await wait_within(inner, asyncio.Event()) == "late"
            await asyncio.sleep(0)
    outer.close()


async def test_a_thousand_in_turn_need_one_timer_and_leave_none_that_rings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deadlines, loop = Deadlines(NEVER), asyncio.get_running_loop()
    timers: list[asyncio.TimerHandle] = []
    call_later = loop.call_later

    def noted(*arguments: object, **options: object) -> asyncio.TimerHandle:
        timers.append(call_later(*arguments, **options))  # type: ignore[arg-type]
        return timers[-1]

    monkeypatch.setattr(loop, "call_later", noted)
    end = asyncio.Event()
    end.set()
    for _ in range(1000):
        await wait_within(deadlines, end)
    deadlines.close()
    await eventually(lambda: [timer.cancelled() for timer in timers] == [True])
