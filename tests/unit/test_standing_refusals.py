"""Whoever was refused a moment ago is refused again without being asked about."""

from __future__ import annotations

from scoreboard.configuration.kinds import Rate
from scoreboard.limits.checks import Allowance, Check, check_of
from scoreboard.limits.refusals import StandingRefusals

RATE = Rate(60, 60)
ADDRESS, OTHER = check_of("ip", "192.0.2.1", RATE), check_of("ip", "192.0.2.2", RATE)
USER = check_of("user", "ada", RATE)
SECOND = 1_000_000


class World:
    """Refusals, and their clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.refusals = StandingRefusals(lambda: self.now)

    def refuse(self, check: Check, seconds: int = 1) -> None:
        self.refusals.remember(Allowance(check, -seconds * SECOND))


def test_a_refusal_holds_for_as_long_as_it_says() -> None:
    world = World()
    world.refuse(ADDRESS, seconds=2)
    world.now += 1.5
    refusal = world.refusals.of([ADDRESS])
    assert refusal is not None
    assert not refusal.allowed
    assert (refusal.check, refusal.left_us) == (ADDRESS, -SECOND // 2)
    world.now += 0.5
    assert world.refusals.of([ADDRESS]) is None


def test_it_holds_for_nobody_else() -> None:
    world = World()
    world.refuse(ADDRESS)
    assert world.refusals.of([OTHER, USER]) is None


def test_a_users_refusal_holds_whatever_the_address_and_refuses_no_address() -> None:
    world = World()
    world.refuse(USER)
    for address in (ADDRESS, OTHER):
        refusal = world.refusals.of([address, USER])
        assert refusal is not None
        assert refusal.check == USER
    assert world.refusals.of([ADDRESS]) is None


def test_a_refusal_that_is_over_is_forgotten() -> None:
    world = World()
    world.refuse(ADDRESS)
    world.now += 1
    assert world.refusals.of([ADDRESS]) is None
    assert len(world.refusals) == 0


def test_it_remembers_so_many_and_forgets_those_refused_the_longest_ago() -> None:
    world = World()
    checks = [check_of("ip", str(n), RATE) for n in range(10_050)]
    for check in checks:
        world.refuse(check)
    assert len(world.refusals) == 10_000
    assert world.refusals.of(checks[:50]) is None
    assert world.refusals.of(checks[50:51]) is not None
