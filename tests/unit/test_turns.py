"""Whose turn it is: networks take turns, wide ones first, and the greediest is refused first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from scoreboard.accounts.turns import Path, Turns
from scoreboard.errors import Overloaded, ShuttingDown
from tests.eventually import eventually


class Crowd:
    """Callers that write down in which order they are let in and refused."""

    def __init__(self, at_once: int = 1, waiting_max: int = 64) -> None:
        self.overloads = 0
        self.turns = Turns(at_once, waiting_max, self._overloaded)
        self.let_in: list[str] = []
        self.refused: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []

    def _overloaded(self) -> None:
        self.overloads += 1

    async def come(self, *names: str) -> None:
        """Come one after another. `b/2` is somebody in network b, `b/x/2` in b's network x."""
        for name in names:
            path = tuple(name.split("/")[:-1])
            self.tasks.append(asyncio.create_task(self._enter(name, path)))
            for _ in range(2):  # it comes; who is refused for it hears of that
                await asyncio.sleep(0)

    async def _enter(self, name: str, path: Path) -> None:
        try:
            await self.turns.take(path)
        except (Overloaded, ShuttingDown):
            self.refused.append(name)
        else:
            self.let_in.append(name)

    async def go(self, times: int) -> None:
        """So many are done, one after another."""
        for _ in range(times):
            self.turns.give_back()
            await asyncio.sleep(0)


@pytest.fixture
async def crowd() -> AsyncIterator[Crowd]:
    made = Crowd()
    yield made
    made.turns.close()
    await asyncio.gather(*made.tasks, return_exceptions=True)


async def test_as_many_as_may_are_let_in_at_once_and_the_rest_wait() -> None:
    crowd = Crowd(at_once=2)
    await crowd.come("a/1", "a/2", "a/3")
    assert crowd.let_in == ["a/1", "a/2"]
    await crowd.go(1)
    assert crowd.let_in == ["a/1", "a/2", "a/3"]


async def test_callers_of_one_network_are_let_in_as_they_came(crowd: Crowd) -> None:
    await crowd.come("a/1", "a/2", "a/3", "a/4")
    await crowd.go(3)
    assert crowd.let_in == ["a/1", "a/2", "a/3", "a/4"]


async def test_who_comes_after_a_flood_is_let_in_after_one_of_it(crowd: Crowd) -> None:
    await crowd.come(*(f"flood/{n}" for n in range(40)), "b/1", "c/1", "b/2")
    await crowd.go(6)
    assert crowd.let_in[1:] == ["flood/1", "b/1", "c/1", "flood/2", "b/2", "flood/3"]


async def test_networks_within_one_network_share_its_turns(crowd: Crowd) -> None:
    """Many /64s of one /48 are no more than one network to everybody else."""
    await crowd.come("x/0/0", *(f"flood/{n}/0" for n in range(20)), "b/1/0", "b/2/0", "b/2/1")
    await crowd.go(7)
    expected = ["flood/0/0", "b/1/0", "flood/1/0", "b/2/0", "flood/2/0", "b/2/1", "flood/3/0"]
    assert crowd.let_in[1:] == expected


async def test_within_a_network_its_networks_take_turns_too(crowd: Crowd) -> None:
    await crowd.come("x/0/0", *(f"a/flood/{n}" for n in range(20)), "a/other/0")
    await crowd.go(3)
    assert crowd.let_in[1:] == ["a/flood/0", "a/other/0", "a/flood/1"]


async def test_when_too_many_wait_the_newest_of_the_greediest_is_refused() -> None:
    crowd = Crowd(waiting_max=4)
    await crowd.come("x/0", "a/1", "a/2", "a/3", "b/1")
    await crowd.come("c/1")
    assert crowd.refused == ["a/3"]
    await crowd.come("a/4")
    assert crowd.refused == ["a/3", "a/4"]
    assert crowd.overloads == 2
    await crowd.go(4)
    assert crowd.let_in == ["x/0", "a/1", "b/1", "c/1", "a/2"]


async def test_of_networks_that_are_as_greedy_the_newest_caller_is_refused() -> None:
    crowd = Crowd(waiting_max=2)
    await crowd.come("x/0", "a/1", "b/1", "c/1")
    assert crowd.refused == ["c/1"]


async def test_greed_is_that_of_the_widest_network() -> None:
    """Else one network of many small ones would push everybody else out."""
    crowd = Crowd(waiting_max=6)
    await crowd.come("x/0/0", "b/1/0", "b/1/1", *(f"flood/{n}/0" for n in range(6)))
    assert crowd.refused == ["flood/4/0", "flood/5/0"]
    await crowd.come("c/0/0")
    assert crowd.refused == ["flood/4/0", "flood/5/0", "flood/3/0"]


async def test_who_leaves_while_waiting_holds_no_place() -> None:
    crowd = Crowd(waiting_max=2)
    await crowd.come("x/0", "a/1", "b/1")
    crowd.tasks[1].cancel()
    crowd.turns.give_back()  # in the same moment: the turn is b's
    await eventually(lambda: crowd.let_in == ["x/0", "b/1"])
    await crowd.come("c/1", "d/1")
    assert crowd.refused == []
    await crowd.go(2)
    assert crowd.let_in == ["x/0", "b/1", "c/1", "d/1"]


async def test_who_leaves_in_the_moment_of_its_turn_passes_it_on() -> None:
    crowd = Crowd()
    await crowd.come("x/0", "a/1", "b/1")
    crowd.turns.give_back()
    crowd.tasks[1].cancel()
    await eventually(lambda: crowd.let_in == ["x/0", "b/1"])


async def test_who_leaves_in_the_moment_of_its_refusal_is_forgotten() -> None:
    crowd = Crowd(waiting_max=1)
    await crowd.come("x/0", "a/1")
    refused = asyncio.create_task(crowd.turns.take(("a",)))
    await asyncio.sleep(0)
    refused.cancel()
    await asyncio.gather(refused, return_exceptions=True)
    await crowd.go(1)
    assert crowd.let_in == ["x/0", "a/1"]


async def test_whoever_waits_or_comes_after_the_end_is_told_so(crowd: Crowd) -> None:
    await crowd.come("x/0", "a/1", "b/1")
    crowd.turns.close()
    await crowd.come("c/1")
    assert crowd.refused == ["a/1", "b/1", "c/1"]
    assert crowd.overloads == 0


async def test_networks_in_which_nobody_waits_are_forgotten(crowd: Crowd) -> None:
    await crowd.come("x/0", *(f"{n}/1/1" for n in range(20)))
    await crowd.go(21)
    assert crowd.turns._queue.within == {}
