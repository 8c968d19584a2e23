from __future__ import annotations

import asyncio
import threading
import unicodedata
from collections.abc import Iterator

import argon2
import pytest
from argon2.exceptions import HashingError

from scoreboard.accounts.passwords import MEMORY_KIB, PARALLELISM, TIME_COST, Passwords
from scoreboard.errors import Overloaded, ShuttingDown
from tests.eventually import eventually


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    made = Passwords()
    yield made
    made.close()


async def test_a_password_matches_its_own_hash_and_no_other_password_does(
    passwords: Passwords,
) -> None:
    kept = await passwords.hash("correct horse")
    assert await passwords.verify(kept, "correct horse")
    assert not await passwords.verify(kept, "correct horse ")
    assert not await passwords.verify(kept, "")


async def test_hashes_are_argon2id_with_at_least_the_minimum_of_owasp(passwords: Passwords) -> None:
    parameters = argon2.extract_parameters(await passwords.hash("x"))
    assert parameters.type is argon2.Type.ID
    assert (parameters.memory_cost, parameters.time_cost) >= (19 * 1024, 2)
    assert parameters.parallelism == PARALLELISM == 1


async def test_the_same_password_is_hashed_differently_each_time(passwords: Passwords) -> None:
    assert await passwords.hash("x") != await passwords.hash("x")


async def test_a_password_matches_whether_its_letters_were_typed_composed_or_decomposed(
    passwords: Passwords,
) -> None:
    kept = await passwords.hash(unicodedata.normalize("NFC", "café"))
    assert await passwords.verify(kept, unicodedata.normalize("NFD", "café"))


@pytest.mark.parametrize("odd", ["\x00", "a\x00b", "\ud800", "🂡" * 1000])
async def test_any_text_can_be_a_password(passwords: Passwords, odd: str) -> None:
    assert await passwords.verify(await passwords.hash(odd), odd)


@pytest.mark.parametrize("stored", [None, "", "!", "$argon2id$", "$2b$12$abc", "$argon2id$v=19$é"])
async def test_nobodys_password_matches_nothing(passwords: Passwords, stored: str | None) -> None:
    assert not await passwords.verify(stored, "")
    assert not await passwords.verify(stored, "password")


@pytest.mark.parametrize("stored", [None, "!"])
async def test_verifying_for_nobody_is_the_same_work_as_for_somebody(
    passwords: Passwords, stored: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked_on: list[str] = []

    def verify(self: argon2.PasswordHasher, password_hash: str, password: bytes) -> bool:
        worked_on.append(password_hash)
        return False

    kept = await passwords.hash("x")
    monkeypatch.setattr(argon2.PasswordHasher, "verify", verify)
    await passwords.verify(kept, "y")
    await passwords.verify(stored, "y")
    known, nobodys = map(argon2.extract_parameters, worked_on)
    assert known == nobodys


async def test_only_hashes_with_other_parameters_need_a_rehash(passwords: Passwords) -> None:
    weaker = argon2.PasswordHasher(1, MEMORY_KIB, PARALLELISM)
    thinner = argon2.PasswordHasher(TIME_COST, 1024, PARALLELISM)
    assert not passwords.needs_rehash(await passwords.hash("x"))
    assert passwords.needs_rehash(weaker.hash("x"))
    assert passwords.needs_rehash(thinner.hash("x"))


async def test_a_call_past_the_bound_is_refused_at_once_and_the_others_are_answered() -> None:
    passwords = Passwords(workers=1, waiting_max=2)
    outcomes = await asyncio.gather(
        *(passwords.hash("x") for _ in range(5)), return_exceptions=True
    )
    assert [isinstance(outcome, str) for outcome in outcomes] == [True, True, True, False, False]
    assert all(isinstance(outcome, Overloaded) for outcome in outcomes[3:])
    assert await passwords.hash("x")  # the places are free again
    passwords.close()


async def test_a_flood_from_one_network_leaves_the_others_served_and_is_refused_first() -> None:
    passwords = Passwords(workers=1, waiting_max=8)
    done: list[str] = []

    async def hash_from(*path: str) -> None:
        await passwords.hash("x", path)
        done.append(path[0])

    flood = [asyncio.create_task(hash_from("2001:db8::/48", str(n))) for n in range(30)]
    await asyncio.sleep(0)
    await asyncio.gather(*(hash_from(f"198.51.100.{n}") for n in range(3)))
    before_the_last = done.index("198.51.100.2")
    outcomes = await asyncio.gather(*flood, return_exceptions=True)
    passwords.close()

    assert before_the_last <= 6  # one of the flood, one of the others, in turn
    assert sum(isinstance(outcome, Overloaded) for outcome in outcomes) == 24


async def test_places_of_callers_that_hang_up_become_free_again() -> None:
    passwords = Passwords(workers=1, waiting_max=2)
    for _ in range(3):
        callers = [asyncio.create_task(passwords.hash("x")) for _ in range(2)]
        await asyncio.sleep(0)
        for caller in callers:
            caller.cancel()
        outcomes = await asyncio.gather(*callers, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
    passwords.close()


async def test_work_that_its_caller_abandoned_keeps_its_place_until_it_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, finish = threading.Event(), threading.Event()

    def slow(*_: object) -> str:
        begun.set()
        assert finish.wait(5)
        return "hash"

    monkeypatch.setattr(argon2.PasswordHasher, "hash", slow)
    passwords = Passwords(workers=1, waiting_max=0)
    abandoned = asyncio.create_task(passwords.hash("x"))
    await eventually(begun.is_set)
    abandoned.cancel()
    await asyncio.gather(abandoned, return_exceptions=True)
    with pytest.raises(Overloaded):
        await passwords.hash("x")
    finish.set()
    passwords.close()


async def test_the_event_loop_goes_on_while_passwords_are_hashed(passwords: Passwords) -> None:
    hashing = [asyncio.create_task(passwords.hash("x")) for _ in range(4)]
    turns = 0
    while not all(task.done() for task in hashing):
        await asyncio.sleep(0.001)
        turns += 1
    assert turns > 5


async def test_want_of_memory_is_an_overload_and_not_a_wrong_password(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    def starved(*_: object) -> str:
        raise HashingError("Memory allocation error")

    monkeypatch.setattr(argon2.PasswordHasher, "hash", starved)
    with pytest.raises(Overloaded):
        await passwords.hash("x")


async def test_after_closing_calls_are_refused_as_shutting_down() -> None:
    passwords = Passwords()
    passwords.close()
    with pytest.raises(ShuttingDown):
        await passwords.hash("x")
    with pytest.raises(ShuttingDown):
        await passwords.verify(None, "x")


async def test_who_waits_while_the_pool_closes_is_told_so_and_not_cancelled() -> None:
    passwords = Passwords(workers=1)
    waiting = [asyncio.create_task(passwords.hash("x")) for _ in range(3)]
    await asyncio.sleep(0)
    passwords.close()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(outcomes[0], str)
    assert [type(outcome) for outcome in outcomes[1:]] == [ShuttingDown, ShuttingDown]
