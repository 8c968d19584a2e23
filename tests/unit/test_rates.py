"""The rate algorithm in memory, on a clock of our own, and what an answer tells the client."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoreboard.configuration.kinds import Rate
from scoreboard.limits.checks import Allowance, Check
from scoreboard.limits.local_rates import LocalRates
from tests.properties.strategies import examples
from tests.properties.strategies import rates as any_rate

SECOND = 1_000_000


class Clock:
    """Microseconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_us = 1_000 * SECOND

    def monotonic_ns(self) -> int:
        return self.now_us * 1000


@pytest.fixture
def clock() -> Clock:
    return Clock()


def nobody() -> None:
    """Is told what was forgotten."""


def rates_on(
    clock: Clock, on_forget: Callable[[], None] = nobody, *, keys_max: int = 1000
) -> LocalRates:
    return LocalRates(on_forget, keys_max=keys_max, clock_ns=clock.monotonic_ns)


def check(count: int = 5, seconds: int = 60, key: str = "somebody", name: str = "ip") -> Check:
    return Check(name, key, Rate(count, seconds))


def ask(local: LocalRates, question: Check) -> Allowance:
    [left_us] = local.left_us([question])
    return Allowance(question, left_us)


def test_the_whole_quota_may_be_used_at_once_and_not_one_more(clock: Clock) -> None:
    local = rates_on(clock)

    answers = [ask(local, check(count=5)) for _ in range(6)]

    assert [answer.allowed for answer in answers] == [True] * 5 + [False]
    assert [answer.remaining for answer in answers] == [4, 3, 2, 1, 0, 0]


def test_after_the_time_that_is_given_one_more_passes_and_only_one(clock: Clock) -> None:
    local = rates_on(clock)
    for _ in range(5):
        ask(local, check())
    refused = ask(local, check())
    assert refused.retry_after_seconds == 12

    clock.now_us += refused.retry_after_seconds * SECOND

    assert ask(local, check()).allowed
    assert not ask(local, check()).allowed


def test_a_refused_request_uses_nothing_up(clock: Clock) -> None:
    """Else a client that keeps asking would never get in again."""
    local = rates_on(clock)
    for _ in range(100):
        ask(local, check())

    clock.now_us += 12 * SECOND

    assert ask(local, check()).allowed


def test_each_name_and_key_counts_for_itself(clock: Clock) -> None:
    local = rates_on(clock)

    assert ask(local, check(count=1)).allowed
    assert not ask(local, check(count=1)).allowed
    assert ask(local, check(count=1, key="another")).allowed
    assert ask(local, check(count=1, name="user")).allowed


@examples(100)
@given(any_rate(), st.lists(st.integers(0, 90 * SECOND), max_size=60))
def test_no_span_of_time_sees_more_than_the_rate_and_one_quota(
    clock: Clock, rate: Rate, pauses: list[int]
) -> None:
    local, question = rates_on(clock), Check("ip", "somebody", rate)
    passed: list[int] = []

    for pause in pauses:
        clock.now_us += pause
        if ask(local, question).allowed:
            passed.append(clock.now_us)

    for first, start in enumerate(passed):
        for count, end in enumerate(passed[first:], 1):
            assert count <= rate.count + (end - start) / question.interval_us


def test_a_request_that_one_check_refuses_uses_up_nothing_of_the_others(clock: Clock) -> None:
    local = rates_on(clock)
    address, user = check(count=3), check(count=1, name="user")

    refused = [min(local.left_us([address, user])) < 0 for _ in range(10)]

    assert refused == [False] + [True] * 9
    assert ask(local, address).remaining == 1


def test_the_least_recently_seen_is_forgotten_first(clock: Clock) -> None:
    """A flood of addresses must not cost memory without bound."""
    forgotten: list[int] = []
    local = rates_on(clock, lambda: forgotten.append(1), keys_max=2)
    for key in ("a", "b", "a", "c"):
        assert ask(local, check(count=2, key=key)).allowed
    assert forgotten == [1]

    assert not ask(local, check(count=2, key="a")).allowed  # kept
    assert ask(local, check(count=2, key="b")).remaining == 1  # forgotten


def test_who_is_being_refused_is_not_forgotten(clock: Clock) -> None:
    """Else a flood of others would give whoever keeps asking a new quota again and again."""
    local = rates_on(clock, keys_max=10)
    passed = 0
    for number in range(100):
        passed += ask(local, check(count=2)).allowed
        ask(local, check(key=f"other{number}"))

    assert passed == 2


def test_many_networks_of_one_request_are_bounded_too(clock: Clock) -> None:
    local = rates_on(clock, keys_max=10)
    for number in range(100):
        local.left_us([check(key=f"{number}/{width}") for width in range(3)])
        assert len(local) <= 10


def test_what_is_forgotten_when_it_was_over_is_no_loss(clock: Clock) -> None:
    forgotten: list[int] = []
    local = rates_on(clock, lambda: forgotten.append(1), keys_max=2)
    for key in ("a", "b", "c"):
        ask(local, check(key=key))
        clock.now_us += 12 * SECOND

    assert forgotten == []


def test_the_header_fields_of_an_answer(clock: Clock) -> None:
    local = rates_on(clock)

    assert ask(local, check(count=2)).headers() == {
        "RateLimit-Limit": "2",
        "RateLimit-Remaining": "1",
        "RateLimit-Reset": "30",
        "RateLimit-Policy": "2;w=60",
    }
    ask(local, check(count=2))
    assert ask(local, check(count=2)).headers() == {
        "RateLimit-Limit": "2",
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": "60",
        "RateLimit-Policy": "2;w=60",
        "Retry-After": "30",
    }


def test_nobody_is_told_to_retry_after_0_seconds(clock: Clock) -> None:
    local = rates_on(clock)
    ask(local, check(count=1, seconds=1))
    clock.now_us += SECOND - 1

    assert ask(local, check(count=1, seconds=1)).headers()["Retry-After"] == "1"


@pytest.mark.parametrize("rate", [Rate(3_000_000, 1), Rate(7, 1), Rate(1, 3600), Rate(1000, 60)])
def test_odd_rates_round_to_microseconds_and_never_to_zero(clock: Clock, rate: Rate) -> None:
    local, question = rates_on(clock), Check("ip", "somebody", rate)

    assert question.interval_us >= 1
    assert ask(local, question).remaining == rate.count - 1
