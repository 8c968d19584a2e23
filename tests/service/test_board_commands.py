"""`scoreboard boards` and `scoreboard board BOARD`: boards are added, loaded, shown, compared,
mended and closed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis

from scoreboard.commands import verification
from tests.operator import Operator, Said
from tests.world import add_actions, add_users, entries, sql, zone_at_noon

ZONE = zone_at_noon()
DAILY = ("--period", "day", "--zone", ZONE)
WEEKLY = ("--period", "week", "--zone", ZONE)
TOML = """
[[boards]]
board_id = "daily"
title = "Today"
period = "day"

[[boards]]
board_id = "runs"
title = "Runs"
counts = "listed"
actions = ["run"]
"""


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A difference in Redis is reported after this long; nothing in these tests mends it."""
    monkeypatch.setattr(verification, "_MENDED_WITHIN_SECONDS", 0.3)


@pytest.fixture
def stored(redis_url: str) -> Iterator[Any]:
    """What is in Redis."""
    with closing(redis.Redis.from_url(redis_url, decode_responses=True)) as client:
        yield client


def grant(database_url: str, user_id: str, action_id: str) -> None:
    """A grant of now, as `main` has it."""
    sql(
        database_url,
        "WITH granted AS (INSERT INTO ledger (user_id, action_id, points_granted, submitted_at)"
        " SELECT %s, action_id, points, now() FROM actions WHERE action_id = %s"
        " RETURNING user_id, points_granted, submitted_at)"
        " INSERT INTO scores (user_id, score, updated_at) SELECT * FROM granted"
        " ON CONFLICT (user_id) DO UPDATE SET score = scores.score + excluded.score",
        (user_id, action_id),
    )


def board_ids(database_url: str) -> set[str]:
    return {board_id for (board_id,) in sql(database_url, "SELECT board_id FROM boards")}


def shown(said: Said) -> list[tuple[str, int]]:
    return [(user["username"], user["score"]) for user in said.document["topUsers"]]


async def test_a_board_that_is_added_has_what_was_granted_in_its_season_and_is_in_redis(
    operator: Operator, database_url: str, stored: Any
) -> None:
    add_actions(database_url, {"walk": 5, "run": 7})
    ada, bob = add_users(database_url, 2)
    grant(database_url, ada, "walk")
    grant(database_url, bob, "run")
    said = await operator("boards", "add", "weekly", "--title", "This week", *WEEKLY)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("Added weekly.\n")
    assert shown(await operator("board", "show", "weekly", "--json")) == [
        ("player1", 7),
        ("player0", 5),
    ]
    assert json.loads(stored.hget("leaderboard:weekly", "board"))["topUsers"][0]["score"] == 7
    said = await operator("boards", "add", "low", "--title", "Low", "--direction", "low", "--json")
    assert "direction low goes with operator best only" in said.failure["message"]
    arguments = (
        "--direction",
        "low",
        "--operator",
        "best",
        "--counts",
        "listed",
        "--action",
        "run",
    )
    said = await operator("boards", "add", "low", "--title", "Low", *arguments, "--json")
    assert said.document["actions"] == ["run"]
    said = await operator("board", "show", "low", "--json")
    assert (shown(said), said.document["direction"]) == ([("player1", 7)], "low")
    assert said.document["season"]["number"] == 1


async def test_all_that_is_wrong_with_a_board_is_said_and_nothing_is_added(
    operator: Operator, database_url: str
) -> None:
    said = await operator(
        *("boards", "add", "Weekly\u202e", "--title", " ", "--zone", "europe/madrid", "--size", "0")
    )
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("scoreboard: Nothing was added.\n")
    for part in ("board_id must be", "title must be", "write Europe/Madrid", "size must be"):
        assert part in said.err
    assert "\u202e" not in said.err
    for arguments in (("main",), ("b", "--counts", "listed", "--action", "none\u202e")):
        said = await operator("boards", "add", *arguments, "--title", "T")
        assert (said.code, "\u202e" in said.err) == (1, False)
    assert board_ids(database_url) == {"main"}


async def test_a_file_is_loaded_whole_and_again_only_what_may_change_changes(
    operator: Operator, database_url: str, tmp_path: Path
) -> None:
    add_actions(database_url, {"run": 7})
    file = tmp_path / "boards.toml"
    file.write_text(TOML)
    said = await operator("boards", "load", str(file))
    assert (said.code, said.out, said.err) == (0, "Loaded 2 boards: 2 added.\n", "")
    await operator("actions", "rename", "run", "sprint")  # the file means the same action
    file.write_text(TOML.replace('"Today"', '"Heute"'))
    said = await operator("boards", "load", str(file), "--json")
    assert said.document == {"added": 0, "changed": 1, "unchanged": 1}
    assert (await operator("boards", "show", "daily", "--json")).document["title"] == "Heute"

    csv = "board_id,title,period\nmore,More,\ndaily,Today,week\nruns,Runs,\n"
    file.write_text(csv)
    said = await operator("boards", "load", str(file))
    assert (said.code, said.out) == (1, "")
    assert "line 3: daily: period cannot change" in said.err
    assert "line 4: runs: counts and actions cannot change" in said.err
    assert board_ids(database_url) == {"main", "daily", "runs"}


async def test_each_problem_of_a_file_has_its_line_and_nothing_is_loaded(
    operator: Operator, database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "boards.toml"
    file.write_text(TOML.replace('"day"', '"fortnight"').replace('"run"', '"\\u202e"'))
    said = await operator("boards", "load", str(file))
    assert (said.code, said.out) == (1, "")
    assert "line 2: period must be none or day or week or month or dates" in said.err
    file.write_text(TOML)
    said = await operator("boards", "load", str(file), "--json")
    assert said.failure["code"] == "board_refused"
    assert "line 7: runs: there is no action 'run'" in said.failure["message"]
    file.write_text("")
    assert "There are no boards" in (await operator("boards", "load", str(file))).err
    assert board_ids(database_url) == {"main"}


async def test_a_board_is_closed_only_when_that_is_meant_and_stays_readable(
    operator: Operator, database_url: str, stored: Any
) -> None:
    add_actions(database_url, {"walk": 5})
    [ada] = add_users(database_url, 1)
    grant(database_url, ada, "walk")
    await operator("boards", "add", "weekly", "--title", "This week", *WEEKLY)
    said = await operator("boards", "close", "weekly", "--json")
    assert said.failure["code"] == "not_confirmed"
    assert "This ends season 1" in said.failure["message"]
    said = await operator("boards", "close", "weekly", "--yes")
    assert (said.code, said.err) == (0, "")
    assert "`scoreboard seasons show weekly 1`" in said.out
    assert json.loads(stored.hget("leaderboard:weekly", "board"))["season"]["state"] == "final"
    assert shown(await operator("board", "show", "weekly", "--json")) == [("player0", 5)]
    assert (await operator("boards", "close", "weekly", "--yes")).code == 1
    for arguments in (("main",), ("main", "--yes")):
        said = await operator("boards", "close", *arguments)
        assert (said.code, "it counts for ever" in said.err) == (1, True)

    said = await operator("boards", "list")
    main, weekly = said.out.splitlines()[1:]
    assert main.split() == ["main", "1", "no", "end", "none", "All", "time"]
    assert weekly.startswith("weekly  1 (over)  closed ")
    assert weekly.endswith(f"week, {ZONE}  This week")
    said = await operator("boards", "list", "--json")
    assert [board["closedAt"] is None for board in said.document] == [True, False]


async def test_a_board_that_is_not_there_is_said_so(operator: Operator) -> None:
    for words in ("boards show", "boards close", "board show", "board verify", "board rebuild"):
        said = await operator(*words.split(), "nothing\u202e", "--json")
        assert (said.code, said.failure["code"]) == (1, "unknown_board"), words
        assert "scoreboard boards list" in said.failure["message"]
        assert "nothing\\\\u202e" in said.err
    assert (await operator("board", "verify", "--all", "weekly")).code == 2


async def test_verify_finds_what_differs_on_each_board_and_rebuild_mends_it(
    operator: Operator, database_url: str, stored: Any
) -> None:
    add_actions(database_url, {"walk": 5, "run": 7})
    users = add_users(database_url, 3)
    for user in users:
        grant(database_url, user, "walk")
    await operator("board", "rebuild")
    for board in ("daily", "weekly"):
        await operator("boards", "add", board, "--title", "T", *DAILY, "--size", "2")
    said = await operator("board", "verify", "--all")
    assert (said.code, said.err) == (0, ""), said.out
    assert "3 boards" in said.out

    stored.delete("leaderboard:daily")  # an instance stores it for who reads it
    assert (await operator("board", "verify", "daily")).code == 0
    stored.hset("leaderboard:daily", "version", 2)  # as a grant does that has seen this version
    assert (await operator("board", "verify", "daily")).code == 0
    sql(database_url, "UPDATE season_entries SET score = 50 WHERE user_id = %s", (users[2],))
    sql(database_url, "DELETE FROM season_entries WHERE user_id = %s", (users[0],))
    sql(database_url, "UPDATE boards SET tenth_score = 4 WHERE board_id = 'weekly'")
    said = await operator("board", "verify", "--all")
    assert said.code == 1
    assert said.out.count(f"daily: user {users[2]}: score 50, ledger 5\n") == 1
    assert said.out.count(f"weekly: user {users[0]}: score None, ledger 5\n") == 1
    assert "weekly: last score: kept 4, ranking 5" in said.out
    assert "weekly: rank 1 under version" in said.out
    assert "main" not in said.out
    assert "`scoreboard board rebuild --all`" in said.out
    said = await operator("board", "verify", "daily")
    assert "`scoreboard board rebuild daily`" in said.out
    said = await operator("board", "verify", "--all", "--json")
    assert [board["boardId"] for board in said.document["boards"]] == ["main", "daily", "weekly"]
    assert [board["ok"] for board in said.document["boards"]] == [True, False, False]

    said = await operator("board", "rebuild", "daily")
    assert (said.code, "2 scores were wrong." in said.out) == (0, True), said.err
    said = await operator("board", "rebuild", "--all", "--json")
    assert [board["corrected"] for board in said.document["boards"]] == [0, 0, 2]
    assert entries(database_url, "weekly") == dict.fromkeys(users, 5)
    assert (await operator("board", "verify", "--all")).code == 0


async def test_verify_finds_ranks_that_are_kept_wrong_and_rebuild_has_them_counted_anew(
    operator: Operator, database_url: str
) -> None:
    add_actions(database_url, {"walk": 5})
    for user in add_users(database_url, 3):
        grant(database_url, user, "walk")
    await operator("board", "rebuild")
    sql(
        database_url,
        "INSERT INTO fences SELECT 0, system_identifier, pg_current_snapshot(), '', '\\x00000003'"
        " FROM pg_control_system()",
    )
    assert (await operator("board", "verify")).code == 0
    sql(database_url, "UPDATE fences SET counts = '\\x00000002'")
    said = await operator("board", "verify")
    assert said.code == 1
    wrong = "1 of 1 parts that are kept differ, of which the first has 2 entries instead of 3"
    assert f"ranks: {wrong}" in said.out

    assert (await operator("board", "rebuild")).code == 0
    assert sql(database_url, "SELECT * FROM fences") == []
    reset = "SELECT ranking_id FROM movements WHERE removed IS NULL AND added IS NULL"
    assert (0,) in sql(database_url, reset)
    assert (await operator("board", "verify")).code == 0

    sql(database_url, "ALTER TABLE scores ENABLE TRIGGER scores_changed")
    said = await operator("board", "verify")
    assert "ranks: what moves is not noted, because a session may switch" in said.out
    sql(database_url, "DROP TRIGGER scores_changed ON scores")
    said = await operator("board", "verify")
    assert "ranks: what moves is not noted, because the trigger scores_changed is" in said.out


async def test_a_copy_that_is_not_the_board_is_found_and_replaced(
    operator: Operator, database_url: str, stored: Any
) -> None:
    await operator("boards", "add", "daily", "--title", "T", *DAILY)
    [(version,)] = sql(database_url, "SELECT version FROM boards WHERE board_id = 'daily'")
    sql(database_url, "UPDATE boards SET version = version - 1 WHERE board_id = 'daily'")
    said = await operator("board", "verify", "daily")
    assert f"Redis holds version {version}, ahead of the ledger's {version - 1}" in said.out
    said = await operator("board", "rebuild", "daily")
    assert f"Redis held version {version}, ahead of the ledger's {version - 1}." in said.out
    sql(database_url, "UPDATE boards SET season_id = NULL WHERE board_id = 'daily'")
    said = await operator("board", "verify", "daily")
    assert said.code == 1
    assert "Redis shows season 1 (running" in said.out
    assert "the ledger no season" in said.out
    stored.set("leaderboard:daily", "x")
    said = await operator("board", "rebuild", "daily")
    assert "Redis held something that is no hash; it was replaced." in said.out


async def test_who_is_renamed_or_deleted_is_so_in_the_copy_of_each_board(
    operator: Operator, database_url: str, stored: Any
) -> None:
    add_actions(database_url, {"walk": 5})
    ada, bob = add_users(database_url, 2)
    for user in (ada, bob):
        grant(database_url, user, "walk")
    await operator("boards", "add", "daily", "--title", "T", *DAILY)

    def names(key: str) -> list[str]:
        users = json.loads(stored.hget(key, "board"))["topUsers"]
        return [user["username"] for user in users]

    assert (
        await operator("users", "rename", "player0", "countess", "--reason", "Asked for it")
    ).code == 0
    assert names("leaderboard:daily") == names("leaderboard") == ["countess", "player1"]
    assert (await operator("users", "erase", "player1", "--yes", "--reason", "x")).code == 0
    assert names("leaderboard:daily") == names("leaderboard") == ["countess"]
    assert (await operator("board", "verify", "--all")).code == 0


async def test_what_redis_does_not_take_is_a_remark_and_the_change_is_made(
    operator: Operator, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCOREBOARD_REDIS_URL", "redis://127.0.0.1:1/0")
    said = await operator("boards", "add", "daily", "--title", "T", *DAILY)
    assert said.code == 0
    assert said.err.count("Redis did not take the new board") == 1
    assert board_ids(database_url) == {"main", "daily"}
