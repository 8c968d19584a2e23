"""Group commit: who shares a batch, who hears what, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextvars import ContextVar

import pytest

from scoreboard.connections.coalescing import Coalescer
from scoreboard.errors import Overloaded, ShuttingDown
from tests.clock import jumping_clock, now
from tests.eventually import eventually


class Server:
    """Answers a batch of numbers with their doubles, when `open` lets it."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.under_way = self.most_under_way = 0
        self.open = asyncio.Event()
        self.open.set()

    async def process(self, numbers: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(numbers))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await self.open.wait()
        self.under_way -= 1
        return [KeyError(number) if number < 0 else 2 * number for number in numbers]

    def coalescer(
        self,
        *,
        batch_max: int = 100,
        waiting_max: int = 100,
        concurrency: int = 1,
        parts: int = 1,
        part_min: int = 1,
        on_overload: Callable[[], None] = lambda: None,
    ) -> Coalescer[int, int]:
        return Coalescer(
            self.process,
            batch_max=batch_max,
            waiting_max=waiting_max,
            concurrency=concurrency,
            parts=parts,
            part_min=part_min,
            on_overload=on_overload,
        )


def slow_coalescer() -> tuple[list[list[int]], list[float], Coalescer[int, int]]:
    """One whose batches take 3 s, and whose items wait for 2 s; with its batches, and the moments
    at which it refused.
    """
    batches: list[list[int]] = []
    refusals: list[float] = []

    async def slow(numbers: Sequence[int]) -> list[int | Exception]:
        batches.append(list(numbers))
        await asyncio.sleep(3)
        return list(numbers)

    coalescer: Coalescer[int, int] = Coalescer(
        slow,
        batch_max=10,
        waiting_max=10,
        waiting_seconds=2,
        on_overload=lambda: refusals.append(now()),
    )
    return batches, refusals, coalescer


@pytest.fixture
async def server() -> Server:
    return Server()


async def joined(coalescer: Coalescer[int, int], *numbers: int) -> list[asyncio.Task[int]]:
    """A caller for each number, each of which has joined."""
    callers = [asyncio.create_task(coalescer.join(number)) for number in numbers]
    await asyncio.sleep(0)
    return callers


async def test_calls_of_one_turn_share_a_batch_and_each_gets_its_own_result(server: Server) -> None:
    coalescer = server.coalescer()

    results = await asyncio.gather(*(coalescer.join(number) for number in range(5)))

    assert results == [0, 2, 4, 6, 8]
    assert server.batches == [[0, 1, 2, 3, 4]]


async def test_those_that_arrive_while_a_batch_is_on_its_way_make_up_the_next_one(
    server: Server,
) -> None:
    coalescer = server.coalescer()
    server.open.clear()
    first = await joined(coalescer, 1)
    await eventually(lambda: server.batches == [[1]])

    others = await joined(coalescer, 2, 3)
    assert coalescer.waiting == 2
    server.open.set()

    assert await asyncio.gather(*first, *others) == [2, 4, 6]
    assert server.batches == [[1], [2, 3]]


async def test_a_caller_that_joins_again_in_the_turn_of_its_answer_is_served(
    server: Server,
) -> None:
    """A worker that counts as busy until its done callback leaves this caller waiting for ever."""
    coalescer = server.coalescer()

    async with asyncio.timeout(5):
        assert [await coalescer.join(number) for number in range(20)] == list(range(0, 40, 2))


async def test_no_batch_is_larger_than_it_may_be(server: Server) -> None:
    coalescer = server.coalescer(batch_max=4)

    await asyncio.gather(*(coalescer.join(number) for number in range(10)))

    assert [len(batch) for batch in server.batches] == [4, 4, 2]


async def test_as_many_batches_are_under_way_as_may_be_and_no_more(server: Server) -> None:
    coalescer = server.coalescer(batch_max=1, concurrency=3)
    server.open.clear()
    callers = await joined(coalescer, *range(12))
    await eventually(lambda: server.under_way == 3)
    assert coalescer.waiting == 9

    server.open.set()
    await asyncio.gather(*callers)

    assert server.most_under_way == 3
    assert len(server.batches) == 12


async def test_an_exception_among_the_results_is_raised_to_its_caller_alone(server: Server) -> None:
    coalescer = server.coalescer()

    good, bad, also_good = await asyncio.gather(
        coalescer.join(1), coalescer.join(-1), coalescer.join(3), return_exceptions=True
    )

    assert (good, also_good) == (2, 6)
    assert isinstance(bad, KeyError)


async def test_when_the_batch_fails_every_caller_hears_of_it_and_the_next_one_is_served() -> None:
    async def fail_once(numbers: Sequence[int]) -> list[int | Exception]:
        if 1 in numbers:
            raise ConnectionError("away")
        return list(numbers)

    coalescer: Coalescer[int, int] = Coalescer(fail_once, batch_max=10, waiting_max=10)

    failed = await asyncio.gather(coalescer.join(1), coalescer.join(2), return_exceptions=True)

    assert [type(error) for error in failed] == [ConnectionError, ConnectionError]
    assert await coalescer.join(3) == 3


async def test_a_caller_that_is_cancelled_leaves_and_its_batch_is_finished(server: Server) -> None:
    coalescer = server.coalescer()
    server.open.clear()
    leaving, staying = await joined(coalescer, 1, 2)
    await eventually(lambda: server.batches)

    leaving.cancel()
    server.open.set()

    assert await staying == 4
    assert leaving.cancelled() or leaving.cancelling()
    assert server.batches == [[1, 2]]


async def test_what_a_caller_left_behind_while_it_waited_is_still_done(server: Server) -> None:
    """It was accepted: a submission whose client hung up is granted all the same."""
    coalescer = server.coalescer()
    server.open.clear()
    [first] = await joined(coalescer, 1)
    await eventually(lambda: server.batches)
    [leaving] = await joined(coalescer, 2)

    leaving.cancel()
    server.open.set()
    await first
    await coalescer.close()

    assert server.batches == [[1], [2]]


async def test_one_too_many_is_refused_at_once_and_the_others_are_served(server: Server) -> None:
    refusals: list[int] = []
    coalescer = server.coalescer(waiting_max=2, on_overload=lambda: refusals.append(1))
    server.open.clear()
    first = await joined(coalescer, 1)
    await eventually(lambda: server.batches)
    waiting = await joined(coalescer, 2, 3)

    with pytest.raises(Overloaded):
        await coalescer.join(4)
    assert refusals == [1]
    server.open.set()

    assert await asyncio.gather(*first, *waiting) == [2, 4, 6]
    assert await coalescer.join(5) == 10


@jumping_clock
async def test_whoever_has_waited_too_long_is_refused_and_is_in_no_batch() -> None:
    """Its client has given up by now: doing the work would only keep the others waiting."""
    batches, refusals, coalescer = slow_coalescer()
    first = await joined(coalescer, 1)
    await asyncio.sleep(0.5)
    early = await joined(coalescer, 2)
    await asyncio.sleep(1)
    late = await joined(coalescer, 3)

    answers = await asyncio.gather(*first, *early, *late, return_exceptions=True)

    assert isinstance(answers[1], Overloaded)
    assert (answers[0], answers[2]) == (1, 3)
    assert batches == [[1], [3]]
    assert refusals == [3.0]


async def left_behind(coalescer: Coalescer[int, int], *numbers: int) -> None:
    """Items whose callers have left."""
    leaving = await joined(coalescer, *numbers)
    for caller in leaving:
        caller.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)


async def test_what_was_left_behind_comes_after_those_who_wait(server: Server) -> None:
    coalescer = server.coalescer(batch_max=2)
    server.open.clear()
    [first] = await joined(coalescer, 1)
    await eventually(lambda: server.batches)
    await left_behind(coalescer, 2, 3, 4)
    staying = await joined(coalescer, 5, 6, 7)
    server.open.set()

    assert await asyncio.gather(first, *staying) == [2, 10, 12, 14]
    await coalescer.close()
    assert server.batches == [[1], [5, 6], [7, 2], [3, 4]]


async def test_what_was_left_behind_makes_room_for_who_comes() -> None:
    batches: list[list[int]] = []
    permits = asyncio.Semaphore(0)

    async def permitted(numbers: Sequence[int]) -> list[int | Exception]:
        batches.append(list(numbers))
        await permits.acquire()
        return list(numbers)

    refusals: list[int] = []
    coalescer: Coalescer[int, int] = Coalescer(
        permitted, batch_max=1, waiting_max=3, on_overload=lambda: refusals.append(1)
    )
    [first] = await joined(coalescer, 1)
    await eventually(lambda: batches == [[1]])
    await left_behind(coalescer, 2, 3)
    [second] = await joined(coalescer, 4)
    with pytest.raises(Overloaded):  # that the others have left is found with the next batch
        await coalescer.join(5)
    assert len(refusals) == 1
    permits.release()
    await eventually(lambda: batches == [[1], [4]])

    staying = await joined(coalescer, 6, 7, 8)
    assert len(refusals) == 3  # what was left behind was dropped for two of them
    with pytest.raises(Overloaded):
        await coalescer.join(9)
    for _ in range(5):
        permits.release()

    assert await asyncio.gather(first, second, *staying) == [1, 4, 6, 7, 8]
    await coalescer.close()
    assert batches == [[1], [4], [6], [7], [8]]


@jumping_clock
async def test_what_was_left_behind_is_dropped_like_any_other_when_it_is_late() -> None:
    batches, refusals, coalescer = slow_coalescer()
    [first] = await joined(coalescer, 1)
    await asyncio.sleep(0.5)
    await left_behind(coalescer, 2)
    await asyncio.sleep(1)
    await left_behind(coalescer, 3)
    await first
    await coalescer.close()

    assert batches == [[1], [3]]
    assert refusals == [3.0]


async def test_nobody_waits_for_ever_when_a_batch_has_too_few_results() -> None:
    async def forget_one(numbers: Sequence[int]) -> list[int | Exception]:
        return [number for number in numbers if number != 1]

    coalescer: Coalescer[int, int] = Coalescer(forget_one, batch_max=10, waiting_max=10)

    async with asyncio.timeout(5):
        answers = await asyncio.gather(coalescer.join(1), coalescer.join(2), return_exceptions=True)

    assert [type(answer) for answer in answers] == [RuntimeError, RuntimeError]


async def test_close_finishes_what_was_accepted_and_takes_nothing_more(server: Server) -> None:
    coalescer = server.coalescer(batch_max=1)
    server.open.clear()
    callers = await joined(coalescer, 1, 2, 3)
    closing = asyncio.create_task(coalescer.close())
    await eventually(lambda: server.batches)

    with pytest.raises(ShuttingDown):
        await coalescer.join(4)
    assert not closing.done()
    server.open.set()
    await closing

    assert [caller.result() for caller in callers] == [2, 4, 6]


async def test_nobody_waits_for_ever_when_a_batch_is_cancelled() -> None:
    async def cancelled(numbers: Sequence[int]) -> list[int | Exception]:
        raise asyncio.CancelledError

    coalescer: Coalescer[int, int] = Coalescer(cancelled, batch_max=10, waiting_max=10)

    callers = await joined(coalescer, 1, 2)

    await eventually(lambda: all(caller.cancelled() for caller in callers))


async def test_a_batch_runs_in_a_context_of_its_own() -> None:
    """It works for all who wait: what it logs is not the first one's."""
    whose: ContextVar[str] = ContextVar("whose", default="nobody's")

    async def ask(numbers: Sequence[int]) -> list[str | Exception]:
        return [whose.get()] * len(numbers)

    coalescer: Coalescer[int, str] = Coalescer(ask, batch_max=10, waiting_max=10)
    whose.set("the first one's")

    assert await coalescer.join(1) == "nobody's"


async def test_those_who_are_in_flight_travel_in_parts(server: Server) -> None:
    """What waits leaves as soon as it may, and leaves a part behind that is answered meanwhile."""
    server.open.clear()
    coalescer = server.coalescer(concurrency=3, parts=2)

    first = await joined(coalescer, *range(8))
    await eventually(lambda: server.under_way == 2)
    second = await joined(coalescer, 8, 9)
    await eventually(lambda: server.under_way == 3)
    server.open.set()

    assert await asyncio.gather(*first, *second) == [2 * number for number in range(10)]
    assert server.batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert await coalescer.join(10) == 20
    assert server.batches[-1] == [10]


async def test_who_was_alone_leaves_in_the_next_turn(server: Server) -> None:
    """And who was not waits one turn more, for those who are read in it."""
    coalescer = server.coalescer()
    for numbers, turns in (((1,), 1), ((2,), 1), ((3, 4), 1), ((5,), 2), ((6,), 1)):
        before, callers = len(server.batches), await joined(coalescer, *numbers)
        for _ in range(turns):
            assert len(server.batches) == before
            await asyncio.sleep(0)
        assert server.batches[before:] == [list(numbers)]
        await asyncio.gather(*callers)


async def test_few_travel_together(server: Server) -> None:
    coalescer = server.coalescer(concurrency=3, parts=2, part_min=5)

    few = await joined(coalescer, *range(5))
    await asyncio.gather(*few)
    more = await joined(coalescer, *range(9))
    await asyncio.gather(*more)

    assert [len(batch) for batch in server.batches] == [5, 5, 4]
