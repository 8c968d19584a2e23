"""GET /api/me: my score, and my rank by the rule of the board."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from scoreboard.parts import PARTS
from scoreboard.scoring import counting
from scoreboard.timestamps import timestamp
from tests.instances import Instance
from tests.service.conftest import Start
from tests.world import add_actions, add_users, sql


async def me(instance: Instance, user: str) -> dict[str, Any]:
    async with instance.client.get("/api/me", headers=instance.bearer(user)) as response:
        assert response.status == 200
        assert response.headers["Cache-Control"] == "no-store"
        document = await response.json()
    assert document["success"] is True
    data: dict[str, Any] = document["data"]
    return data


async def test_it_is_as_of_the_submission_before(instance: Instance, database_url: str) -> None:
    ada, bob = add_users(database_url, 2)
    add_actions(database_url, {"run": 50, "win": 100})
    nothing = {"userId": bob, "username": "player1", "score": 0, "rank": None, "rankAbove": None}
    nothing |= {"hasPassword": False, "email": "player1@example.org"}
    [(made,)] = sql(database_url, "SELECT created_at FROM users WHERE user_id = %s", (bob,))
    nothing["createdAt"] = timestamp(made)
    assert await me(instance, bob) == nothing
    await instance.submit(ada, "win")
    await instance.submit(bob, "run")
    assert await me(instance, bob) == nothing | {"score": 50, "rank": 2}
    await instance.submit(bob, "win")
    assert await me(instance, bob) == nothing | {"score": 150, "rank": 1}
    assert (await me(instance, ada))["rank"] == 2


async def test_ranks_are_those_of_the_ranking_rule_among_ties_too(
    instance: Instance, database_url: str
) -> None:
    users = add_users(database_url, 12)
    sql(
        database_url,
        # Three scores, two times: ties of every kind.
        "INSERT INTO scores (user_id, score, updated_at) SELECT user_id, 10 + n %% 3,"
        " timestamptz '2024-12-09 14:30:45+00' + make_interval(secs => n %% 2)"
        " FROM unnest(%s::uuid[]) WITH ORDINALITY AS users (user_id, n)",
        (users,),
    )
    ranking = sql(
        database_url,
        "SELECT user_id::text FROM scores ORDER BY score DESC, updated_at, user_id",
    )
    for rank, (user,) in enumerate(ranking, 1):
        assert (await me(instance, user))["rank"] == rank


async def test_a_rank_past_the_bound_is_not_counted_while_the_ranking_is_not_held(
    instance: Instance, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: Any) -> None:
        """A ranking that is loaded takes its time."""

    monkeypatch.setattr(counting, "RANKS_MAX", 3)
    monkeypatch.setattr(instance.app[PARTS].ranks, "wait", nothing)
    users = add_users(database_url, 5)
    add_actions(database_url, {"run": 50})
    for user in users:
        await instance.submit(user, "run")
    found = [await me(instance, user) for user in users]
    assert [each["rank"] for each in found] == [1, 2, 3, None, None]
    assert [each["rankAbove"] for each in found] == [None, None, None, 1000, 1000]
    monkeypatch.undo()
    assert [(await me(instance, user))["rank"] for user in users] == [1, 2, 3, 4, 5]


async def test_who_is_hidden_is_told_the_score_and_nothing_else(
    instance: Instance, database_url: str
) -> None:
    [ada] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    await instance.submit(ada, "run")
    sql(database_url, "UPDATE scores SET hidden = TRUE")
    found = await me(instance, ada)
    assert (found["score"], found["rank"], found["rankAbove"]) == (50, None, None)


async def test_it_is_for_the_bearer_of_a_token_alone(start: Start, database_url: str) -> None:
    instance = await start()
    async with instance.client.get("/api/me") as response:
        assert (response.status, (await response.json())["code"]) == (403, "not_authorized")
    stranger = instance.bearer(str(uuid.uuid4()))
    async with instance.client.get("/api/me", headers=stranger) as response:
        assert (response.status, (await response.json())["code"]) == (403, "unknown_user")
    streams = await start(role="stream")
    async with streams.client.get("/api/me", headers=stranger) as response:
        assert response.status == 404
