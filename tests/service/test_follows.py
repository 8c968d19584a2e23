"""Whom users follow, through HTTP."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from scoreboard.accounts import follows
from scoreboard.api.schemas.follows import FollowsSchema
from tests.instances import Instance, Start
from tests.world import add_users, sql


async def asked(
    instance: Instance, method: str, user: str, followed: str, **kwargs: Any
) -> tuple[int, str]:
    async with instance.client.request(
        method, f"/api/me/follows/{followed}", headers=instance.bearer(user), **kwargs
    ) as response:
        body = await response.read()
        return response.status, (await response.json())["code"] if body else ""


async def followed_by(instance: Instance, user: str) -> list[str]:
    async with instance.client.get("/api/me/follows", headers=instance.bearer(user)) as response:
        document = await response.json()
        assert response.headers["Cache-Control"] == "no-store"
        assert (response.status, FollowsSchema().validate(document)) == (200, {})
        return [each["username"] for each in document["data"]]


async def test_who_follows_whom_is_listed_by_name_and_repeating_is_safe(
    instance: Instance, database_url: str
) -> None:
    ada, bob, cleo = (add_users(database_url, 1, name)[0] for name in ("ada", "bob", "cleo"))
    for followed in (cleo, bob, bob, cleo.upper()):
        assert await asked(instance, "PUT", ada, followed) == (204, "")
    assert await followed_by(instance, ada) == ["bob0", "cleo0"]
    assert await followed_by(instance, bob) == []
    for _ in range(2):
        assert await asked(instance, "DELETE", ada, bob) == (204, "")
    assert await followed_by(instance, ada) == ["cleo0"]


async def test_what_cannot_be_followed_is_refused_with_what_to_do(
    instance: Instance, database_url: str
) -> None:
    [ada] = add_users(database_url, 1, "ada")
    assert await asked(instance, "PUT", ada, ada) == (400, "invalid_payload")
    for written in ("ada", "%00", "%ff", "x" * 400):
        assert await asked(instance, "PUT", ada, written) == (400, "invalid_payload")
        assert await asked(instance, "DELETE", ada, written) == (400, "invalid_payload")
    assert await asked(instance, "PUT", ada, str(uuid4())) == (404, "nobody_to_follow")
    assert await asked(instance, "DELETE", ada, str(uuid4())) == (204, "")
    stranger = str(uuid4())
    for method in ("PUT", "DELETE"):
        assert await asked(instance, method, stranger, ada) == (403, "unknown_user")


async def test_who_is_hidden_is_nobody_here_and_comes_back_to_their_followers(
    instance: Instance, database_url: str
) -> None:
    """Whatever is asked, the answer is that of an id that nobody has."""
    ada, bob, *others = (add_users(database_url, 1, name)[0] for name in ("ada", "bob", "c", "d"))
    assert await asked(instance, "PUT", ada, bob) == (204, "")
    why = ("hidden_at = now()", "banned_at = now()", "hidden_at = now(), erased_at = now()")
    for user, hidden in zip((bob, *others), why, strict=True):
        sql(database_url, f"UPDATE users SET {hidden} WHERE user_id = '{user}'")
    for user in (bob, *others, str(uuid4())):
        assert await asked(instance, "PUT", ada, user) == (404, "nobody_to_follow")
    for user in (*others, str(uuid4())):
        assert await asked(instance, "DELETE", ada, user) == (204, "")
    assert await followed_by(instance, ada) == []
    sql(database_url, f"UPDATE users SET hidden_at = NULL WHERE user_id = '{bob}'")
    assert await followed_by(instance, ada) == ["bob0"]


async def test_of_many_at_once_on_two_instances_as_many_are_followed_as_anybody_may(
    start: Start, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each statement that counts before it holds the user's row sees the same free places."""
    one, other = await start(), await start()
    most = follows.FOLLOWS_MAX
    [ada] = add_users(database_url, 1, "ada")
    others = add_users(database_url, most + 40)
    values = ", ".join(f"('{ada}', '{each}')" for each in others[: most - 10])
    sql(database_url, f"INSERT INTO follows (user_id, followed_id) VALUES {values}")
    answers = await asyncio.gather(
        *(
            asked(instance, "PUT", ada, followed)
            for number, followed in enumerate(others[most - 10 :])
            for instance in [(one, other)[number % 2]]
        )
    )
    assert answers.count((204, "")) == 10
    assert answers.count((409, "follows_full")) == 40
    assert len(await followed_by(one, ada)) == most
    assert await asked(one, "PUT", ada, others[0]) == (204, "")  # who is followed stays so


async def test_either_side_that_is_erased_takes_the_follow_along(
    instance: Instance, database_url: str
) -> None:
    ada, bob, cleo = (add_users(database_url, 1, name)[0] for name in ("ada", "bob", "cleo"))
    for user, followed in ((ada, bob), (bob, ada), (bob, cleo)):
        assert await asked(instance, "PUT", user, followed) == (204, "")
    sql(database_url, f"DELETE FROM users WHERE user_id = '{ada}'")
    assert sql(database_url, "SELECT followed_id::text FROM follows") == [(cleo,)]
