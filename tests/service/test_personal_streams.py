"""Personal streams through HTTP, on whole instances: what a user hears of themselves, and when it
ends.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from scoreboard.api.schemas.personal import (
    GrantedEventSchema,
    OvertakenEventSchema,
    PlaceEventSchema,
)
from scoreboard.parts import PARTS
from tests.eventually import eventually
from tests.instances import SECRET, Event, Instance, Start, Stream
from tests.operator import Operator
from tests.service.test_streams import FILLER, raw_stream
from tests.world import add_actions, add_users, sql

PATH = "/api/me/stream"
SCHEMAS = {
    "me:place": PlaceEventSchema(),
    "me:overtaken": OvertakenEventSchema(),
    "me:granted": GrantedEventSchema(),
}


async def opened(instance: Instance, user: str, query: str = "") -> Stream:
    return await instance.open_stream(PATH + query, headers=instance.bearer(user))


def told(stream: Stream, name: str) -> list[dict[str, Any]]:
    """The data of all events of a name, each of which is what the document says."""
    found = [event.data for event in stream.events if event.name == name]
    for data in found:
        assert SCHEMAS[name].validate(data) == {}, data
    return found


def place(stream: Stream, board_id: str = "main") -> dict[str, Any]:
    """The newest place on a board, empty before the first."""
    of_board = [data for data in told(stream, "me:place") if data["boardId"] == board_id]
    return of_board[-1] if of_board else {}


async def stands(stream: Stream, rank: int, board_id: str = "main") -> None:
    await eventually(
        lambda: place(stream, board_id).get("rank") == rank,
        within_seconds=15.0,
        message=f"rank {rank} on the stream, which has {place(stream, board_id)}",
    )


async def said(stream: Stream, name: str, count: int = 1) -> list[dict[str, Any]]:
    await eventually(
        lambda: len(told(stream, name)) >= count,
        within_seconds=15.0,
        message=f"{count} times {name} on the stream, which has {stream.events}",
    )
    return told(stream, name)


def give(database_url: str, score: int, *users: str) -> None:
    """Give users a score in the past, whom the service has not seen."""
    sql(
        database_url,
        "INSERT INTO scores (user_id, score, updated_at)"
        " SELECT user_id, %s, '2024-12-09' FROM unnest(%s::uuid[]) AS given (user_id)"
        " ON CONFLICT (user_id) DO UPDATE SET score = excluded.score",
        (score, list(users)),
    )


async def test_a_grant_on_one_instance_is_told_on_a_stream_of_another(
    start: Start, database_url: str
) -> None:
    one, other = await start(), await start()
    ada, bob = add_users(database_url, 2)
    add_actions(database_url, {"run": 5, "swim": 7, "before": 3})
    await one.submit(ada, "before")
    stream = await opened(other, ada)
    await stands(stream, 1)
    assert [event.name for event in stream.events[:2]] == ["connected", "me:place"]
    first = place(stream)
    assert (first["score"], first["total"], first["next"]) == (3, 1, None)

    await one.submit(bob, "run")
    await stands(stream, 2)
    assert place(stream)["next"] == {"userId": bob, "username": "player1", "points": 3}

    assert [await one.submit(ada, action) for action in ("run", "swim")]
    await stands(stream, 1)
    await eventually(lambda: sum(each["count"] for each in told(stream, "me:granted")) == 2)
    granted = told(stream, "me:granted")
    actions = [grant["actionId"] for each in granted for grant in each["grants"]]
    assert (actions, granted[-1]["score"]) == (["run", "swim"], 15)
    assert sum(each["points"] for each in granted) == 12
    assert all(event.event_id is None for event in stream.events)


async def test_nothing_is_told_to_others_and_each_stream_of_a_user_hears_it(
    instance: Instance, database_url: str
) -> None:
    ada, bob = add_users(database_url, 2)
    add_actions(database_url, {"run": 5})
    streams = [await opened(instance, ada), await opened(instance, ada)]
    stranger = await opened(instance, bob)
    for stream in (*streams, stranger):
        await said(stream, "me:place")
        assert place(stream)["score"] is None
    await instance.submit(ada, "run")
    for stream in streams:
        await stands(stream, 1)
        await said(stream, "me:granted")
    await eventually(lambda: instance.metric("personal_turn_seconds_count") > 0)
    assert told(stranger, "me:granted") == []


async def test_who_overtakes_inside_the_first_thousand_is_told_of(
    start: Start, database_url: str
) -> None:
    one, other = await start(), await start()
    ada, *others = add_users(database_url, 6)
    give(database_url, 10, ada)
    give(database_url, 1, *others)
    add_actions(database_url, {f"run{n}": 20 + n for n in range(5)})
    stream = await opened(other, ada)
    await stands(stream, 1)
    await ranking_is_held(other)
    for n, user in enumerate(others):
        await one.submit(user, f"run{n}")
    await stands(stream, 6)
    await eventually(lambda: sum(each["count"] for each in told(stream, "me:overtaken")) == 5)
    last = told(stream, "me:overtaken")[-1]
    assert (last["boardId"], last["season"]["number"], last["rank"]) == ("main", 1, 6)
    assert last["by"][0] == {"userId": others[-1], "username": "player5"}
    assert len(last["by"]) <= 3


async def test_further_down_only_those_are_told_of_whom_a_user_follows(
    start: Start, database_url: str
) -> None:
    """Whoever was unfollowed meanwhile on another instance is not told of either."""
    one, other = await start(), await start()
    crowd = add_users(database_url, 1_000, "crowd")
    ada, friend, stranger, former = add_users(database_url, 4)
    give(database_url, 100, *crowd)
    give(database_url, 10, ada)
    give(database_url, 1, friend, stranger, former)
    add_actions(database_url, {"run": 20, "walk": 1})
    await follow(one, "PUT", ada, former)
    stream = await opened(other, ada)
    await stands(stream, 1_001)
    await ranking_is_held(other)
    await follow(other, "PUT", ada, friend)
    await follow(one, "DELETE", ada, former)
    await one.submit(former, "run")
    await one.submit(stranger, "run")
    await stands(stream, 1_003)
    await one.submit(friend, "run")
    await stands(stream, 1_004)
    [overtaken] = await said(stream, "me:overtaken")
    assert overtaken["by"] == [{"userId": friend, "username": "player1"}]
    assert (overtaken["count"], overtaken["rank"]) == (1, 1_004)


async def test_hidden_users_hear_their_score_and_no_rank(
    instance: Instance, database_url: str
) -> None:
    ada, bob = add_users(database_url, 2)
    add_actions(database_url, {"run": 5, "swim": 7})
    await instance.submit(ada, "run")
    stream = await opened(instance, ada)
    await stands(stream, 1)
    sql(database_url, f"UPDATE users SET hidden_at = now() WHERE user_id = '{ada}'")
    sql(database_url, "UPDATE scores SET hidden = TRUE")
    await eventually(lambda: place(stream)["rank"] is None, within_seconds=15.0)
    assert (place(stream)["score"], place(stream)["total"]) == (5, None)
    await instance.submit(ada, "swim")
    await eventually(lambda: place(stream)["score"] == 12, within_seconds=15.0)
    granted = await said(stream, "me:granted")
    assert [each["grants"][0]["actionId"] for each in granted] == ["swim"]
    await instance.submit(bob, "run")
    sql(database_url, f"UPDATE users SET hidden_at = NULL WHERE user_id = '{ada}'")
    sql(database_url, "UPDATE scores SET hidden = FALSE")
    await stands(stream, 1)


async def test_boards_are_asked_for_by_id_and_those_with_a_token_are_among_them(
    start: Start, database_url: str, operator: Operator
) -> None:
    instance = await start()
    await operator("boards", "add", "weekly", "--title", "Weekly", "--period", "week")
    await operator(
        "boards",
        "add",
        "inner",
        "--title",
        "Inner",
        "--visibility",
        "token",
        "--direction",
        "low",
        "--operator",
        "best",
    )
    [ada] = add_users(database_url, 1)
    add_actions(database_url, {"run": 5})
    stream = await opened(instance, ada, "?boards=weekly,main,inner,weekly")
    await said(stream, "me:place", 3)
    await instance.submit(ada, "run")
    for board_id in ("weekly", "main", "inner"):
        await stands(stream, 1, board_id)
        assert place(stream, board_id)["score"] == 5
    bearer = instance.bearer(ada)
    for board_id in ("weekly", "main"):  # each route and the stream say the same of the season
        for path in ("leaderboard", "me", f"users/{ada}", "entries"):
            address = f"/api/boards/{board_id}/{path}"
            async with instance.client.get(address, headers=bearer) as response:
                season = (await response.json())["season"]
            assert (season, season["number"]) == (place(stream, board_id)["season"], 1)
    for query, status, code in (
        ("?boards=nobodys", 404, "unknown_board"),
        ("?boards=main,,weekly", 404, "unknown_board"),
        ("?boards=", 400, "invalid_payload"),
        ("?boards=main&boards=weekly", 400, "invalid_payload"),
        ("?boards=" + ",".join(f"b{n}" for n in range(21)), 400, "invalid_payload"),
    ):
        async with instance.client.get(PATH + query, headers=bearer) as response:
            assert (response.status, (await response.json())["code"]) == (status, code)
    async with instance.client.get(PATH) as response:
        assert (await response.json())["code"] == "not_authorized"


async def test_when_a_season_turns_a_stream_goes_over_to_the_next_one(
    start: Start, database_url: str, operator: Operator
) -> None:
    instance = await start()
    await operator("boards", "add", "weekly", "--title", "Weekly", "--period", "week")
    ada, bob = add_users(database_url, 2)
    add_actions(database_url, {"run": 5, "swim": 7})
    await instance.submit(ada, "run")
    stream = await opened(instance, ada, "?boards=weekly")
    await stands(stream, 1, "weekly")
    await operator("seasons", "close", "weekly", "--yes")
    await eventually(lambda: place(stream, "weekly")["season"]["number"] == 2, within_seconds=15.0)
    assert place(stream, "weekly")["score"] is None
    await instance.submit(bob, "run")
    await instance.submit(ada, "swim")
    await stands(stream, 1, "weekly")
    assert place(stream, "weekly")["score"] == 7


async def test_a_stalled_stream_is_skipped_gets_the_newest_or_is_cut_off(
    start: Start, database_url: str
) -> None:
    instance = await start(stuck_after_seconds=3.0)
    [ada] = add_users(database_url, 1)
    add_actions(database_url, {f"a{n}": 1 for n in range(30)})
    stalled = raw_stream(instance, _get(instance, ada), receive_buffer=4096)
    healthy = await opened(instance, ada)
    await stands_or_null(healthy)
    room = instance.app[PARTS].personal_streams
    await eventually(lambda: len(room.subscribers) == 2)
    slow = next(iter(room.subscribers))
    slow.transport.write(FILLER)
    unsent = slow.transport.get_write_buffer_size()
    for n in range(3):
        await instance.submit(ada, f"a{n}")
    await eventually(lambda: place(healthy)["score"] == 3, within_seconds=15.0)
    assert slow.transport.get_write_buffer_size() <= unsent
    await eventually(lambda: instance.metric("subscribers_cut_off_total") == 1, within_seconds=15.0)
    assert instance.metric("deliveries_skipped_total") > 0
    await eventually(lambda: instance.metric("personal_streams") == 1)
    stalled.close()


async def test_a_stream_that_reads_again_gets_the_newest_place_and_all_grants_together(
    start: Start, database_url: str
) -> None:
    instance = await start(stuck_after_seconds=60.0)
    [ada] = add_users(database_url, 1)
    add_actions(database_url, {f"a{n}": 1 for n in range(30)})
    stream = await opened(instance, ada)
    await stands_or_null(stream)
    room = instance.app[PARTS].personal_streams
    [subscriber] = room.subscribers
    # Nothing that is written is sent before reading goes on.
    subscriber.transport.get_write_buffer_size = lambda: 1  # type: ignore[method-assign]
    for n in range(3):
        await instance.submit(ada, f"a{n}")
        await turns_pass(instance, 3)
    assert told(stream, "me:granted") == []
    del subscriber.transport.get_write_buffer_size
    await eventually(lambda: place(stream)["score"] == 3, within_seconds=15.0)
    [granted] = told(stream, "me:granted")
    assert (granted["count"], granted["score"]) == (3, 3)
    assert len(told(stream, "me:place")) == 2


async def test_a_personal_stream_ends_with_its_token_and_with_the_instance(
    start: Start, database_url: str
) -> None:
    instance = await start()
    ada, bob = add_users(database_url, 2)
    short = jwt.decode(instance.token(ada), options={"verify_signature": False})
    expires = datetime.now(UTC) + timedelta(seconds=2)
    token = jwt.encode(short | {"exp": int(expires.timestamp()) + 1}, SECRET, "HS256")
    expiring = await instance.open_stream(PATH, headers={"Authorization": f"Bearer {token}"})
    revoked, last = await opened(instance, ada), await opened(instance, bob)
    await farewell(expiring, "expired_token")
    sql(database_url, f"SELECT revoke_access('{ada}', FALSE)")
    await farewell(revoked, "revoked_token")
    instance.app[PARTS].hub.close("shutting_down", "Bye.")
    await farewell(last, "shutting_down")
    late = await opened(instance, bob)
    await farewell(late, "shutting_down")


async def test_a_ban_ends_personal_streams_on_every_instance(
    start: Start, database_url: str, operator: Operator
) -> None:
    one, other = await start(), await start()
    [ada] = add_users(database_url, 1)
    streams = [await opened(one, ada), await opened(other, ada)]
    banned = await operator("users", "ban", f"id:{ada}", "--reason", "a test")
    assert banned.code == 0, banned.err
    for stream in streams:
        await farewell(stream, "banned")


async def test_a_board_that_is_gone_ends_the_streams_that_watch_it(
    start: Start, database_url: str, operator: Operator
) -> None:
    instance = await start()
    await operator("boards", "add", "weekly", "--title", "Weekly")
    [ada] = add_users(database_url, 1)
    stream = await opened(instance, ada, "?boards=weekly")
    await said(stream, "me:place")
    sql(database_url, "UPDATE boards SET season_id = NULL WHERE board_id = 'weekly'")
    sql(database_url, "DELETE FROM boards WHERE board_id = 'weekly'")
    await farewell(stream, "unknown_board")


async def test_personal_streams_count_against_every_limit_of_streams(
    start: Start, database_url: str
) -> None:
    [ada] = add_users(database_url, 1)
    instance = await start(streams_per_user=2)
    await opened(instance, ada)
    await opened(instance, ada)
    async with instance.client.get(PATH, headers=instance.bearer(ada)) as response:
        assert (response.status, (await response.json())["code"]) == (429, "too_many_streams")
    full = await start(subscribers_max=1)
    await opened(full, ada)
    async with full.client.get(PATH, headers=full.bearer(ada)) as response:
        assert (response.status, (await response.json())["code"]) == (503, "overloaded")


async def test_who_leaves_is_forgotten(instance: Instance, database_url: str) -> None:
    [ada, bob] = add_users(database_url, 2)
    await follow(instance, "PUT", ada, bob)
    room = instance.app[PARTS].personal_streams
    with contextlib.closing(raw_stream(instance, _get(instance, ada))):
        await eventually(lambda: len(room.subscribers) == 1)
    await eventually(lambda: not room.subscribers)
    assert instance.metric("personal_streams") == 0
    assert (len(room._watching.users), room._followers._followers) == (0, {})


def _get(instance: Instance, user: str) -> bytes:
    bearer = instance.bearer(user)["Authorization"]
    return f"GET {PATH} HTTP/1.1\r\nHost: test\r\nAuthorization: {bearer}\r\n\r\n".encode()


async def stands_or_null(stream: Stream) -> None:
    await said(stream, "me:place")


async def ranking_is_held(instance: Instance) -> None:
    """Before that nobody tells what moves, so nobody is overtaken."""
    await eventually(lambda: instance.metric("rankings_held") >= 1)
    await turns_pass(instance, 1)


async def turns_pass(instance: Instance, count: int) -> None:
    seen = instance.metric("personal_turn_seconds_count")
    await eventually(
        lambda: instance.metric("personal_turn_seconds_count") >= seen + count,
        within_seconds=15.0,
    )


async def follow(instance: Instance, method: str, user: str, followed: str) -> None:
    path = f"/api/me/follows/{followed}"
    async with instance.client.request(method, path, headers=instance.bearer(user)) as response:
        assert response.status == 204


async def farewell(stream: Stream, code: str) -> None:
    def closing() -> list[Event]:
        return [event for event in stream.events if event.name == "closing"]

    await eventually(lambda: closing() and stream.ended, within_seconds=15.0)
    assert [event.data["code"] for event in closing()] == [code]
