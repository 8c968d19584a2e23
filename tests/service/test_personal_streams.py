"""Personal streams through HTTP, on whole instances: what a user hears of themselves."""

from __future__ import annotations

from tests.eventually import eventually
from tests.instances import Instance, Start
from tests.operator import Operator
from tests.personal import PATH, follow, give, opened, place, ranking_is_held, said, stands, told
from tests.world import add_actions, add_users, sql


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
