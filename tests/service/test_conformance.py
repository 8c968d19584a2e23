"""The specification's sections 3.1 and 3.2, line by line."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import jwt
import pytest

from tests.instances import SECRET, Instance
from tests.world import add_actions, add_users


async def post(instance: Instance, body: Any, **headers: str) -> tuple[int, dict[str, Any]]:
    async with instance.client.post("/api/actions", json=body, headers=headers) as response:
        return response.status, await response.json()


async def test_a_submission_answers_200_success_and_score_updated(
    instance: Instance, database_url: str
) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})

    status, document = await instance.submit(user, "run")

    assert status == 200
    assert list(document.items())[:2] == [("success", True), ("message", "Score Updated")]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "not_authorized"),
        ({"Authorization": "Bearer nonsense"}, "invalid_token"),
        ({"Authorization": "Basic YTpi"}, "invalid_token"),
    ],
)
async def test_without_a_good_token_the_answer_is_403(
    instance: Instance, headers: dict[str, str], code: str
) -> None:
    status, document = await post(instance, {"actionId": "run"}, **headers)
    assert (status, document["success"], document["code"]) == (403, False, code)


async def test_an_expired_token_is_403(instance: Instance, database_url: str) -> None:
    [user] = add_users(database_url, 1)
    claims = {
        "userId": user,
        "sub": user,
        "iss": "scoreboard",
        "aud": "scoreboard",
        "exp": 1_700_000_000,
    }
    token = jwt.encode(claims, SECRET, "HS256")

    status, document = await post(instance, {"actionId": "run"}, Authorization=f"Bearer {token}")

    assert (status, document["code"]) == (403, "expired_token")


@pytest.mark.parametrize("body", [{}, {"actionId": None}, {"actionId": 7}, {"actionId": ""}, []])
async def test_a_missing_or_malformed_action_id_is_400(
    instance: Instance, database_url: str, body: Any
) -> None:
    [user] = add_users(database_url, 1)
    status, document = await post(instance, body, **instance.bearer(user))
    assert (status, document["success"], document["code"]) == (400, False, "invalid_payload")
    assert document["errors"]


async def test_an_action_granted_before_is_400_with_the_original_grant(
    instance: Instance, database_url: str
) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    _, granted = await instance.submit(user, "run")

    status, document = await instance.submit(user, "run")

    assert (status, document["success"], document["code"]) == (400, False, "already_granted")
    assert document["grant"]["points"] == 50
    assert document["grant"]["grantedAt"] == granted["data"]["grantedAt"]
    assert (await instance.board())["data"][0]["score"] == 50


async def test_an_action_that_does_not_exist_is_400_with_its_own_code(
    instance: Instance, database_url: str
) -> None:
    [user] = add_users(database_url, 1)
    status, document = await instance.submit(user, "nothing")
    assert (status, document["code"]) == (400, "unknown_action")


async def test_the_leaderboard_is_the_top_10_highest_first(
    instance: Instance, database_url: str
) -> None:
    users = add_users(database_url, 12)
    add_actions(database_url, {f"worth-{n}": n for n in range(1, 13)})
    for worth, user in enumerate(users, 1):
        assert (await instance.submit(user, f"worth-{worth}"))[0] == 200

    document = await instance.board()

    assert document["success"] is True
    assert [(e["userId"], e["score"]) for e in document["data"]] == [
        (users[worth - 1], worth) for worth in range(12, 2, -1)
    ]


async def test_ties_rank_who_reached_the_score_first_higher(
    instance: Instance, database_url: str
) -> None:
    first, second, third = add_users(database_url, 3)
    add_actions(database_url, {"ten": 10, "five": 5, "also-five": 5})
    for user, action in [(third, "ten"), (first, "five"), (second, "ten"), (first, "also-five")]:
        await instance.submit(user, action)
    assert [e["userId"] for e in (await instance.board())["data"]] == [third, second, first]


@pytest.mark.parametrize("path", ["/api/leaderboard/stream", "/api/scoreboard/stream"])
async def test_a_stream_says_connected_then_the_board_then_each_update(
    instance: Instance, database_url: str, path: str
) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    stream = await instance.open_stream(path)
    await stream.until(1)

    await instance.submit(user, "run")
    await stream.until(2)

    assert stream.response.headers["Content-Type"] == "text/event-stream"
    assert stream.response.headers["X-Accel-Buffering"] == "no"
    connected, board, update = stream.events
    assert (connected.name, connected.data) == (
        "connected",
        {"message": "Connected to leaderboard stream"},
    )
    assert (board.name, board.data["topUsers"], board.event_id) == ("score:update", [], "1")
    assert (update.name, update.event_id) == ("score:update", "2")
    [entry] = update.data["topUsers"]
    assert (entry["userId"], entry["score"]) == (user, 50)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", update.data["timestamp"])
    assert datetime.fromisoformat(update.data["timestamp"])
    assert stream.retries


async def test_reading_and_streaming_need_no_token_unless_a_setting_says_so(
    start: Any, database_url: str
) -> None:
    [user] = add_users(database_url, 1)
    closed = await start(require_token_to_read=True)
    for path in ("/api/leaderboard", "/api/leaderboard/stream"):
        async with closed.client.get(path) as response:
            assert response.status == 403
            assert (await response.json())["code"] == "not_authorized"
        async with closed.client.get(path, headers=closed.bearer(user)) as response:
            assert response.status == 200


async def test_the_redis_key_leaderboard_holds_the_board(
    instance: Instance, database_url: str, redis_url: str
) -> None:
    import redis

    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    await instance.submit(user, "run")
    with redis.Redis.from_url(redis_url) as client:
        cached = client.hgetall("leaderboard")
    assert cached[b"version"] == b"2"
    assert user.encode() in cached[b"board"]
