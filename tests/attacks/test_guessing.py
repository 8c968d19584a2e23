"""Who tries passwords, and who only wants to know whether somebody is registered."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any

import argon2
import pytest

from tests.attacks.conftest import Start
from tests.eventually import eventually
from tests.instances import Instance

PASSWORD = "correct horse battery staple"
WRONG = "incorrect horse"


async def register(instance: Instance, username: str) -> int:
    body = {"username": username, "email": f"{username}@example.org", "password": PASSWORD}
    async with instance.client.post("/api/auth/register", json=body) as response:
        return response.status


async def log_in(
    instance: Instance, login: str, password: str = WRONG, address: str = ""
) -> tuple[int, dict[str, Any], set[str]]:
    """Status, document and names of the header fields."""
    headers = {"X-Forwarded-For": address} if address else {}
    body = {"username": login, "password": password}
    async with instance.client.post("/api/auth/login", json=body, headers=headers) as response:
        return response.status, await response.json(), set(response.headers)


# Spraying


def full_width(letters: str) -> str:
    """The same letters as East Asian typography has them, which the registry takes for them."""
    return "".join(chr(ord(letter) + 0xFEE0) for letter in letters)


async def test_one_password_tried_on_many_users_is_limited_by_the_address(start: Start) -> None:
    instance = await start(rate_limit_accounts_per_ip="5/hour")
    found = [(await log_in(instance, f"user{n}"))[0] for n in range(7)]
    assert found == [401] * 5 + [429] * 2


async def test_addresses_of_one_ipv6_network_are_one_attacker(start: Start) -> None:
    instance = await start(rate_limit_accounts_per_ip="5/hour", trusted_proxies=["127.0.0.1"])
    addresses = [f"2001:db8:0:1:{n:x}::{n:x}" for n in range(7)]
    found = [(await log_in(instance, f"user{n}", address=a))[0] for n, a in enumerate(addresses)]
    assert found == [401] * 5 + [429] * 2


@pytest.mark.parametrize(
    "spellings",
    [
        ["misha", "MISHA", "MiShA", "mishA"],
        ["misha", full_width("misha"), full_width("MISHA"), "\u24c2isha"],
        ["misha", "m\u0130sha", "mi\u0307sha", "mi\u017fha"],
        ["misha@example.org", "MISHA@example.org", "misha@EXAMPLE.org", "Misha@Example.Org"],
    ],
    ids=["case", "look-alikes", "folding", "address"],
)
async def test_no_spelling_of_a_name_gives_further_attempts(
    start: Start, spellings: list[str]
) -> None:
    """The registry finds one user under all of these, so they are one user to the limit as well."""
    instance = await start(rate_limit_logins_per_user="3/hour", trusted_proxies=["127.0.0.1"])
    await register(instance, "misha")
    found = [
        (await log_in(instance, login, address=f"10.0.0.{n}"))[0]
        for n, login in enumerate(spellings)
    ]
    assert found == [401] * 3 + [429]


async def test_guesses_by_name_and_by_address_of_one_user_count_together(start: Start) -> None:
    """Past the limit no password is right, under whichever of the two."""
    instance = await start(rate_limit_logins_per_user="3/hour")
    await register(instance, "misha")
    for login in ("misha", "misha@example.org", "misha"):
        assert (await log_in(instance, login))[0] == 401
    for login in ("misha", "misha@example.org", "MISHA@example.org"):
        assert (await log_in(instance, login, PASSWORD))[0] != 200
    assert instance.metric("rate_limited_total", limit="guesses") == 3


async def test_the_limit_of_a_user_does_not_tell_which_name_has_which_address(
    start: Start,
) -> None:
    """A name is known to everybody, an address to its owner alone. Whoever uses up the guesses of a
    name learns nothing from what an address is answered then, whosever it is.
    """
    instance = await start(rate_limit_logins_per_user="3/hour")
    await register(instance, "misha")
    for _ in range(5):
        await log_in(instance, "misha")
    assert instance.metric("rate_limited_total", limit="login") == 2
    hers = [await answer(instance, "misha@example.org") for _ in range(5)]
    nobodys = [await answer(instance, "nobody@example.org") for _ in range(5)]
    assert hers == nobodys
    assert [status for status, *_ in hers] == [401] * 3 + [429] * 2


async def answer(instance: Instance, login: str) -> tuple[int, dict[str, Any], dict[str, str]]:
    """All of an answer but what is new with each."""
    body = {"username": login, "password": WRONG}
    async with instance.client.post("/api/auth/login", json=body) as response:
        changes = ("Date", "X-Request-ID", "RateLimit-Reset")
        headers = {name: value for name, value in response.headers.items() if name not in changes}
        headers.pop("Retry-After", None)
        return response.status, await response.json(), headers


async def test_a_guess_that_is_not_looked_at_is_the_same_work(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = await start(rate_limit_logins_per_user="1/hour")
    await register(instance, "misha")
    verified: list[argon2.Parameters] = []
    verify = argon2.PasswordHasher.verify

    def counting(hasher: argon2.PasswordHasher, stored: str, password: bytes) -> bool:
        verified.append(argon2.extract_parameters(stored))
        return verify(hasher, stored, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", counting)
    assert (await log_in(instance, "misha"))[0] == 401
    assert (await log_in(instance, "misha@example.org", PASSWORD))[0] == 401
    assert len(verified) == 2
    assert len(set(map(repr, verified))) == 1


async def test_a_flood_of_log_ins_from_one_network_keeps_nobody_else_waiting(
    start: Start,
) -> None:
    """Each of the flood has a /64 of its own, all within one /48."""
    instance = await start(trusted_proxies=["127.0.0.1"])
    await register(instance, "misha")
    answered = 0

    async def guess(n: int) -> int:
        nonlocal answered
        status = (await log_in(instance, f"user{n}", address=f"2001:db8:0:{n:x}::1"))[0]
        answered += status == 401
        return status

    flood = [asyncio.create_task(guess(n)) for n in range(120)]
    await eventually(lambda: instance.metric("overloads_total", queue="passwords") > 0)
    before = answered
    honest = [
        (await log_in(instance, "misha", PASSWORD, address=f"198.51.100.{n}"))[0] for n in range(3)
    ]
    meanwhile = answered - before
    statuses = await asyncio.gather(*flood)

    assert honest == [200] * 3
    assert meanwhile < 30  # of the 66 that were before them
    assert set(statuses) == {401, 503}


async def test_a_right_password_is_not_told_apart_while_the_limit_holds(start: Start) -> None:
    instance = await start(rate_limit_logins_per_user="2/hour")
    await register(instance, "misha")
    for _ in range(2):
        await log_in(instance, "misha")
    assert await log_in(instance, "misha", PASSWORD) == await log_in(instance, "misha")


# Who is registered?


async def test_an_unknown_user_and_a_wrong_password_get_the_same_answer(instance: Instance) -> None:
    await register(instance, "misha")
    known = await log_in(instance, "misha")
    assert known[0] == 401
    for stranger in ("nobody", "nobody@example.org", "no body", "a", "x" * 255, "\u202emisha"):
        assert await log_in(instance, stranger) == known


async def test_an_unknown_user_and_a_wrong_password_are_the_same_work(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted rather than timed: one verification each, of hashes with the same parameters."""
    await register(instance, "misha")
    verified: list[argon2.Parameters] = []
    verify = argon2.PasswordHasher.verify

    def counting(hasher: argon2.PasswordHasher, stored: str, password: bytes) -> bool:
        verified.append(argon2.extract_parameters(stored))
        return verify(hasher, stored, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", counting)
    for login in ("misha", "nobody", "misha@example.org", "nobody@example.org", "\u202e"):
        before = len(verified)
        await log_in(instance, login)
        assert len(verified) == before + 1, login
    assert len(set(map(repr, verified))) == 1


async def test_an_unknown_user_and_a_wrong_password_take_about_the_same_time(
    instance: Instance,
) -> None:
    """The answer without the work takes a tenth of the time; the machine may be busy meanwhile, so
    turns are taken, and the quickest of each compared.
    """
    await register(instance, "misha")
    seconds: dict[str, list[float]] = {"misha": [], "nobody": []}
    for login in itertools.islice(itertools.cycle(seconds), 18):
        began = time.perf_counter()
        await log_in(instance, login)
        seconds[login].append(time.perf_counter() - began)
    known, unknown = (min(taken) for taken in seconds.values())
    assert 0.4 < known / unknown < 2.5, seconds


async def test_a_name_that_is_taken_costs_the_work_of_one_that_is_free(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = 0
    hash_ = argon2.PasswordHasher.hash

    def counting(hasher: argon2.PasswordHasher, password: bytes) -> str:
        nonlocal hashed
        hashed += 1
        return hash_(hasher, password)

    monkeypatch.setattr(argon2.PasswordHasher, "hash", counting)
    assert [await register(instance, "misha"), await register(instance, "misha")] == [201, 409]
    assert hashed == 2


async def test_a_refused_registration_does_not_say_which_of_the_two_is_taken(
    instance: Instance,
) -> None:
    await register(instance, "misha")
    answers = []
    for username, email in (("misha", "new@example.org"), ("newcomer", "misha@example.org")):
        body = {"username": username, "email": email, "password": PASSWORD}
        async with instance.client.post("/api/auth/register", json=body) as response:
            answers.append((response.status, await response.json()))
    assert answers[0] == answers[1]
    assert answers[0][0] == 409


async def test_logging_out_tells_nothing_about_a_token(instance: Instance) -> None:
    async with instance.client.post(
        "/api/auth/register",
        json={"username": "misha", "email": "misha@example.org", "password": PASSWORD},
    ) as response:
        good = (await response.json())["refreshToken"]
    answers = []
    for token in ("x", "A" * 43, good, good):
        async with instance.client.post(
            "/api/auth/logout", json={"refreshToken": token}
        ) as response:
            answers.append((response.status, await response.json()))
    assert len(set(map(str, answers))) == 1
