"""`scoreboard seasons`: seasons are listed, shown as they ended, verified, and ended by hand; and
`scoreboard check` tells of those that nobody turns.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
import redis

from scoreboard.fitness import fitness
from scoreboard.parts import PARTS
from tests.eventually import eventually
from tests.operator import Operator
from tests.service.conftest import Start
from tests.world import add_actions, add_board, add_users, sql, zone_at_noon

DATES = "--period", "dates"
DAILY = "--period", "day", "--zone", zone_at_noon()


def ago(**span: float) -> str:
    """A time that is over, as an operator writes it."""
    return (datetime.now(UTC) - timedelta(**span)).strftime("%Y-%m-%dT%H:%M:%SZ")


def grant_at(database_url: str, user_id: str, action_id: str, at: str) -> None:
    sql(
        database_url,
        "INSERT INTO ledger (user_id, action_id, points_granted, submitted_at)"
        " SELECT %s, action_id, points, %s FROM actions WHERE action_id = %s",
        (user_id, at, action_id),
    )


@pytest.fixture
async def cup(operator: Operator, database_url: str) -> list[str]:
    """A board with two seasons that are over, in which two users played, and one that runs."""
    add_actions(database_url, {"walk": 5, "run": 7, "swim": 9})
    users = add_users(database_url, 2)
    grant_at(database_url, users[0], "walk", ago(days=8))
    grant_at(database_url, users[0], "run", ago(days=5))
    grant_at(database_url, users[1], "run", ago(days=5, hours=1))
    grant_at(database_url, users[1], "swim", ago(days=1))
    seasons = [
        *("--season", f"{ago(days=9)}/{ago(days=6)}"),
        *("--season", f"{ago(days=6)}/{ago(days=3)}"),
        *("--season", f"{ago(days=3)}/{ago(days=-3)}"),
    ]
    said = await operator("boards", "add", "cup", "--title", "Cup", *DATES, *seasons)
    assert said.code == 0, said.err
    return users


async def test_seasons_are_listed_newest_first_in_pages(operator: Operator, cup: list[str]) -> None:
    said = await operator("seasons", "list", "cup", "--json")
    assert [(each["number"], each["state"]) for each in said.document] == [
        (3, "running"),
        (2, "final"),
        (1, "final"),
    ]
    said = await operator("seasons", "list", "cup", "--limit", "1", "--after", "3", "--json")
    assert [each["number"] for each in said.document] == [2]
    assert (await operator("seasons", "list", "cup", "--after", "1", "--json")).document == []
    assert (await operator("seasons", "list", "cup")).out.count("\n") == 4
    assert (await operator("seasons", "list", "main")).out.splitlines()[1].endswith("no end")
    said = await operator("seasons", "list", "cup", "--after", str(2**31), "--json")
    assert (said.code, said.failure["code"]) == (2, "invalid_arguments")


async def test_times_are_those_of_the_zone_of_the_board(operator: Operator) -> None:
    arguments = ("--period", "day", "--zone", "Asia/Tokyo")
    await operator("boards", "add", "daily", "--title", "Today", *arguments)
    for line in (await operator("seasons", "list", "daily")).out.splitlines()[1:]:
        assert line.count("T00:00:00+09:00") == 2
    said = await operator("seasons", "list", "daily", "--json")
    assert all(each["startsAt"].endswith("T15:00:00Z") for each in said.document)


async def test_a_season_is_shown_as_it_ended_with_a_digest_of_just_that(
    operator: Operator, cup: list[str], database_url: str
) -> None:
    said = await operator("seasons", "show", "cup", "2", "--json")
    users = said.document["topUsers"]
    assert [(user["userId"], user["score"]) for user in users] == [(cup[1], 7), (cup[0], 7)]
    lines = [
        f"{user['rank']} {user['userId']} {user['score']} {user['reachedAt']}" for user in users
    ]
    assert said.document["digest"] == hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert said.document["season"]["state"] == "final"
    text = (await operator("seasons", "show", "cup", "2")).out
    assert text.startswith("season 2, final, from ")
    assert text.endswith(f"\ndigest {said.document['digest']}\n")
    assert "`scoreboard board show cup`" in (await operator("seasons", "show", "cup", "3")).out
    said = await operator("seasons", "show", "cup", "4", "--json")
    assert said.failure["code"] == "unknown_season"
    assert "scoreboard seasons list cup" in said.failure["message"]


async def test_a_final_board_that_somebody_changed_is_found(
    operator: Operator, cup: list[str], database_url: str
) -> None:
    said = await operator("seasons", "verify", "cup")
    assert (said.code, said.out) == (
        0,
        "All agree: what was kept of 2 seasons follows from the ledger.\n",
    )
    sql(
        database_url,
        "UPDATE seasons SET final = jsonb_set(final, '{0,score}', '99') WHERE board_id = 'cup'"
        " AND number = 2",
    )
    said = await operator("seasons", "verify", "cup", "2")
    assert said.code == 1
    assert f"cup, season 2: rank 1: user {cup[1]} with 99" in said.out
    assert "cup, season 2: the digest is not that of" in said.out
    assert "docs/operations.md" in said.out
    assert (await operator("seasons", "verify", "cup", "1")).code == 0
    said = await operator("seasons", "verify", "--all", "--json")
    assert (said.code, said.document["ok"]) == (1, False)
    assert [(each["number"], each["ok"]) for each in said.document["seasons"]] == [
        (2, False),
        (1, True),
    ]
    said = await operator("seasons", "verify", "cup", "3", "--json")
    assert (said.code, said.failure["code"]) == (1, "board_refused")
    assert (await operator("seasons", "verify", "cup", "9", "--json")).failure[
        "code"
    ] == "unknown_season"
    assert (await operator("seasons", "verify", "main")).out == "No season has ended yet.\n"
    assert (await operator("seasons", "verify")).code == 2


async def test_a_season_is_ended_by_hand_and_the_next_one_begins_at_once(
    operator: Operator, database_url: str, redis_url: str
) -> None:
    add_actions(database_url, {"walk": 5})
    [user] = add_users(database_url, 1)
    await operator("boards", "add", "daily", "--title", "Today", *DAILY)
    grant_at(database_url, user, "walk", ago())
    await operator("board", "rebuild", "daily")
    said = await operator("seasons", "close", "daily", "--json")
    assert (said.code, said.failure["code"]) == (1, "not_confirmed")
    assert "This ends season 1" in said.failure["message"]
    said = await operator("seasons", "close", "daily", "--yes", "--json")
    assert (said.code, said.err) == (0, "")
    ended, season = said.document["ended"], said.document["season"]
    assert (ended["number"], ended["state"], season["number"]) == (1, "final", 2)
    assert ended["endsAt"] == season["startsAt"]
    with closing(redis.Redis.from_url(redis_url, decode_responses=True)) as client:
        stored = json.loads(client.hget("leaderboard:daily", "board"))  # type: ignore[arg-type]
    assert (stored["season"]["number"], stored["version"]) == (2, said.document["version"])
    [entry] = (await operator("seasons", "show", "daily", "1", "--json")).document["topUsers"]
    assert (entry["userId"], entry["score"]) == (user, 5)
    assert (await operator("board", "verify", "daily")).code == 0
    said = await operator("seasons", "close", "main", "--yes")
    assert (said.code, "it counts for ever" in said.err) == (1, True)


async def test_the_check_tells_of_seasons_that_nobody_turns_and_of_zones_that_nobody_knows(
    operator: Operator, database_url: str
) -> None:
    now = datetime.now(UTC)

    async def seasons() -> dict[str, str]:
        found = await fitness.findings(database_url, "stream", 7)
        return {each.state: each.sentence for each in found if each.name == "seasons"}

    assert await seasons() == {"ok": "1 board counts; none ends."}
    await operator("boards", "add", "daily", "--title", "Today", *DAILY)
    [said] = (await seasons()).values()
    assert said.startswith("2 boards count; the next season is due at ")
    add_board(database_url, "late", (now - timedelta(days=9), now - timedelta(hours=50)))
    add_board(database_url, "later", (now - timedelta(days=9), now - timedelta(hours=3)))
    found = await seasons()
    assert list(found) == ["warning"]
    assert "A season of the board late has been due for 2 days, and 1 more" in found["warning"]
    assert "role all or api" in found["warning"]
    sql(database_url, "UPDATE seasons SET state = 'final', final = '[]', digest = ''")
    sql(database_url, "UPDATE boards SET zone = 'Mars/Olympus' WHERE board_id = 'daily'")
    found = await seasons()
    assert "does not know the time zone Mars/Olympus of daily." in found["warning"]
    assert "Mars/Olympus" in (await operator("boards", "show", "daily")).out


async def test_running_instances_follow_what_the_operator_says(
    start: Start, operator: Operator, database_url: str
) -> None:
    add_actions(database_url, {"walk": 5, "run": 7})
    [user] = add_users(database_url, 1)
    instance = await start()
    boards = instance.app[PARTS].boards

    async def season() -> tuple[int, list[int]]:
        board = (await (await boards.of("daily")).read()).board
        assert board.season is not None
        return board.season.number, [entry.score for entry in board.entries]

    await operator("boards", "add", "daily", "--title", "Today", *DAILY)
    assert (await instance.submit(user, "walk"))[0] == 200
    assert await season() == (1, [5])
    await operator("seasons", "close", "daily", "--yes")
    assert await season() == (2, [])
    assert (await instance.submit(user, "run"))[0] == 200
    assert await season() == (2, [7])
    await operator("boards", "close", "daily", "--yes")
    await eventually(lambda: any(each.closed_at is not None for each in boards.all()))
    assert await season() == (2, [7])
    assert (await operator("seasons", "verify", "daily")).code == 0
    assert (await operator("board", "verify", "--all")).code == 0
