"""Whoever was refused a moment ago is refused again without being asked about."""

from __future__ import annotations

from collections.abc import Sequence

from scoreboard.api.checks import Allowance, Check, check_of
from scoreboard.api.gate import Gate
from scoreboard.settings import Rate

RATE = Rate(60, 60)
ADDRESS, OTHER = check_of("ip", "192.0.2.1", RATE), check_of("ip", "192.0.2.2", RATE)
USER = check_of("user", "ada", RATE)
SECOND = 1_000_000


class Limiter:
    """Answers as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.left_us = dict.fromkeys((ADDRESS, OTHER, USER), SECOND)
        self.asked: list[list[Check]] = []

    async def check(self, checks: Sequence[Check]) -> Allowance:
        self.asked.append(list(checks))
        return min(
            (Allowance(check, self.left_us[check]) for check in checks), key=lambda a: a.left_us
        )


class World:
    """A gate, its limiter and its clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.limiter = Limiter()
        self.gate = Gate(self.limiter, lambda: self.now)  # type: ignore[arg-type]

    async def ask(self, *checks: Check) -> Allowance:
        return await self.gate.check(checks)


async def test_address_and_user_are_counted_in_one_call() -> None:
    world = World()
    assert (await world.ask(ADDRESS, USER)).allowed
    assert world.limiter.asked == [[ADDRESS, USER]]


async def test_a_refusal_holds_for_as_long_as_it_says_and_nobody_is_asked() -> None:
    world = World()
    world.limiter.left_us[ADDRESS] = -2 * SECOND
    assert not (await world.ask(ADDRESS)).allowed
    world.now += 1.5
    refusal = await world.ask(ADDRESS)
    assert (refusal.check, refusal.left_us) == (ADDRESS, -SECOND // 2)
    assert len(world.limiter.asked) == 1
    world.limiter.left_us[ADDRESS] = SECOND
    world.now += 0.5
    assert (await world.ask(ADDRESS)).allowed


async def test_it_holds_for_nobody_else() -> None:
    world = World()
    world.limiter.left_us[ADDRESS] = -SECOND
    await world.ask(ADDRESS)
    assert (await world.ask(OTHER)).allowed


async def test_a_users_refusal_holds_whatever_the_address_and_refuses_no_address() -> None:
    world = World()
    world.limiter.left_us[USER] = -SECOND
    assert not (await world.ask(ADDRESS, USER)).allowed
    assert (await world.ask(OTHER, USER)).check == USER
    assert len(world.limiter.asked) == 1
    assert (await world.ask(ADDRESS)).allowed


async def test_a_refusal_that_is_over_is_forgotten() -> None:
    world = World()
    world.limiter.left_us[ADDRESS] = -SECOND
    await world.ask(ADDRESS)
    world.limiter.left_us[ADDRESS] = SECOND
    world.now += 1
    assert (await world.ask(ADDRESS)).allowed
    assert not world.gate._ends


async def test_it_remembers_so_many_and_forgets_those_refused_the_longest_ago() -> None:
    world = World()
    for n in range(10_050):
        check = check_of("ip", str(n), RATE)
        world.limiter.left_us[check] = -SECOND
        await world.ask(check)
    assert len(world.gate._ends) == 10_000
