"""POST /api/auth/email, and the address in GET /api/me."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest

from tests.instances import Instance, Start
from tests.person import PASSWORD, Person, enter
from tests.world import sql

PATH = "/api/auth/email"
ADDRESS = "countess@example.org"
GAME = "game"
GAME_SECRET = "a-secret-of-the-game-0123456789abcdef"
WANTED = {"password": PASSWORD, "email": ADDRESS}


async def email_of(instance: Instance, bearer: dict[str, str]) -> Any:
    async with instance.client.get("/api/me", headers=bearer) as response:
        assert response.status == 200
        return (await response.json())["data"]["email"]


async def test_it_is_changed_and_shown_to_its_owner_alone(start: Start) -> None:
    instance = await start(jwt_trusted_issuers={GAME: [GAME_SECRET]})
    ada = await enter(instance, "register")
    assert await email_of(instance, ada.bearer) == "ada@example.org"
    async with instance.client.post(PATH, json=WANTED, headers=ada.bearer) as response:
        assert response.status == 200
        assert response.headers["Cache-Control"] == "no-store"
        assert await response.json() == {"success": True, "data": {"email": ADDRESS}}
    assert await email_of(instance, ada.bearer) == ADDRESS
    assert await ada.refreshes(instance)
    now = int(time.time())
    claims = {"sub": ada.user_id, "iss": GAME, "aud": "scoreboard", "iat": now, "exp": now + 60}
    game = {"Authorization": f"Bearer {jwt.encode(claims, GAME_SECRET, 'HS256')}"}
    assert await email_of(instance, game) is None
    async with instance.client.post(PATH, json=WANTED, headers=game) as response:
        assert (response.status, (await response.json())["code"]) == (403, "invalid_token")


async def test_who_has_no_address_is_told_of_none(start: Start, database_url: str) -> None:
    instance = await start()
    ada = await enter(instance, "register")
    sql(database_url, "UPDATE users SET email = user_id || '@users.invalid', email_given = NULL")
    assert await email_of(instance, ada.bearer) is None


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"password": "wrong"}, 401, "bad_credentials"),
        ({"email": "bob@example.org"}, 409, "account_taken"),
        ({"email": "BOB@example.org"}, 409, "account_taken"),
        ({"email": "no address"}, 400, "invalid_payload"),
        ({"email": None}, 400, "invalid_payload"),
        ({"password": ""}, 400, "invalid_payload"),
    ],
)
async def test_a_refusal_says_why_and_changes_nothing(
    start: Start, change: dict[str, Any], status: int, code: str
) -> None:
    instance = await start()
    ada = await enter(instance, "register")
    bob = {"username": "bob", "email": "bob@example.org", "password": PASSWORD}
    async with instance.client.post("/api/auth/register", json=bob) as response:
        assert response.status == 201
    async with instance.client.post(PATH, json=WANTED | change, headers=ada.bearer) as response:
        document = await response.json()
        assert (response.status, document["code"]) == (status, code)
    assert await email_of(instance, ada.bearer) == "ada@example.org"


async def test_without_a_token_nothing_is_changed(start: Start) -> None:
    instance = await start()
    async with instance.client.post(PATH, json=WANTED) as response:
        assert (response.status, (await response.json())["code"]) == (403, "not_authorized")


async def test_guesses_of_the_password_are_counted_with_those_of_a_change_of_password(
    start: Start,
) -> None:
    instance = await start(rate_limit_logins_per_user="3/hour")
    ada = await enter(instance, "register")
    wrong = WANTED | {"password": "wrong"}
    codes = [await ada.asks(instance, "POST", PATH, wrong) for _ in range(3)]
    assert codes == ["bad_credentials"] * 3
    assert await ada.asks(instance, "POST", PATH, WANTED) == "rate_limited"
    change = {"currentPassword": PASSWORD, "newPassword": "lantern over quiet water"}
    assert await ada.asks(instance, "POST", "/api/auth/password", change) == "rate_limited"


async def test_with_many_accounts_nobody_learns_faster_which_addresses_are_taken(
    start: Start,
) -> None:
    instance = await start(rate_limit_accounts_per_ip="4/hour")
    people: list[Person] = []
    for name in ("ada", "bob"):
        body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
        async with instance.client.post("/api/auth/register", json=body) as response:
            people.append(Person(await response.json()))
    [ada, bob] = people
    probe = {"password": PASSWORD, "email": "bob@example.org"}
    assert await ada.asks(instance, "POST", PATH, probe) == "account_taken"
    assert await bob.asks(instance, "POST", PATH, WANTED) == "200"
    for person in people:
        assert await person.asks(instance, "POST", PATH, probe) == "rate_limited"
