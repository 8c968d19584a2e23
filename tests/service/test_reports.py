"""What commands report as JSON, and how their lists are sifted and paged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scoreboard import cli
from scoreboard.console.reports import Report
from tests.operator import Operator
from tests.service.conftest import Start
from tests.world import add_actions, add_users, sql, zone_at_noon

PASSWORD = "a long enough password"
KEY = "the key that was added"
WHY = ("--reason", "asked for it")


def declared() -> dict[str, Report]:
    """What each command says that it reports."""
    return {one.words: one.report for one in cli.declare().declared if one.report is not None}


def assert_is_as_declared(words: str, document: Any) -> None:
    """All the members, in no other order, and beside them only optional ones."""
    report = declared()[words]
    assert isinstance(document, list) is report.is_list
    for each in document if report.is_list else [document]:
        assert set(report.members) <= set(each) <= {*report.members, *report.optional}, words


async def test_every_report_has_the_members_that_are_declared(
    start: Start,
    operator: Operator,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    instance = await start()
    [user, *_] = add_users(database_url, 3)
    add_actions(database_url, {"first": 5, "never": 1})
    await instance.submit(user, "first")
    await instance.stop()
    sql(
        database_url,
        "INSERT INTO results"
        " (source, receipt, user_id, board_id, season_id, value, played_at, recorded_at)"
        " VALUES ('arena', 'match-1', %s, 'main', 1, 5, now(), now())",
        (user,),
    )
    file = tmp_path / "actions.csv"
    file.write_text("action_id,points\nnew,1\n")
    names = tmp_path / "names.txt"
    names.write_text("root\n")
    boards = tmp_path / "boards.csv"
    boards.write_text("board_id,title\never,Ever\n")
    monkeypatch.setattr("scoreboard.commands.users.read_password", lambda **_: PASSWORD)
    commands = (
        ("check",),
        ("migrate",),
        ("migrate", "--check"),
        ("actions load", str(file)),
        ("actions list",),
        ("actions disable", "first"),
        ("actions list",),
        ("actions enable", "first"),
        ("actions rename", "first", "second"),
        ("actions remove", "never"),
        ("users create", "grace", "grace@example.org"),
        ("users list",),
        ("users show", "grace"),
        ("users hide", "grace", *WHY),
        ("users unhide", "grace", *WHY),
        ("users ban", "grace", *WHY),
        ("users unban", "grace", *WHY),
        ("users rename", "grace", "hopper", *WHY),
        ("users correct", f"id:{user}", "--board", "main", "--points", "5", *WHY),
        ("users revoke-grant", f"id:{user}", "second", *WHY),
        ("users revoke-result", "arena", "match-1", *WHY),
        ("audit list",),
        ("audit verify",),
        ("users set-email", "hopper", "hopper@example.org"),
        ("users set-password", "hopper"),
        ("users revoke", "hopper"),
        ("users erase", "hopper", "--yes", "--reason", "asked for it"),
        ("users delete-demo",),
        ("keys add", "arena", "--title", "Arena", "--scope", "results"),
        ("keys rotate", KEY),
        ("keys list",),
        ("keys reseal",),
        ("keys revoke", KEY),
        ("invitations add", "--note", "games"),
        ("invitations list",),
        ("invitations revoke", "1"),
        ("names refuse", "admin", "user*"),
        ("names list",),
        ("names list", "--users"),
        ("names load", str(names)),
        ("names allow", "admin"),
        ("boards add", "daily", "--title", "Today", "--period", "day", "--zone", zone_at_noon()),
        ("boards load", str(boards)),
        ("boards list",),
        ("boards show", "daily"),
        ("board show",),
        ("board show", "daily"),
        ("board verify",),
        ("board verify", "--all"),
        ("board rebuild",),
        ("board rebuild", "--all"),
        ("seasons list", "daily"),
        ("seasons close", "daily", "--yes"),
        ("seasons show", "daily", "1"),
        ("seasons verify", "daily"),
        ("boards close", "daily", "--yes"),
        ("version",),
    )
    for words, *arguments in commands:
        if KEY in arguments:
            [key] = (await operator("keys", "list", "--json")).document
        meant = [key["keyId"] if argument == KEY else argument for argument in arguments]
        said = await operator(*words.split(), *meant, "--json")
        assert said.code in (0, 1), (words, said.err)
        assert_is_as_declared(words, said.document)
    assert {words for words, *_ in commands} == set(declared())
    [entry] = (await operator("board", "show", "--json")).document["topUsers"]
    assert entry.keys() == {"rank", "userId", "score", "username", "reachedAt"}


async def test_a_failure_is_one_line_of_json_with_a_code_and_nothing_is_on_standard_output(
    operator: Operator, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for argv, code, exit_code in (
        (("users", "show", "nobody"), "unknown_user", 1),
        (("users", "create", "-", "x"), "invalid_payload", 1),
        (("actions", "disable", "nothing"), "unknown_action", 1),
        (("actions", "load", "/nowhere"), "command_failed", 1),
        (("migrate", "--rollback", "1"), "not_confirmed", 1),
        (("users", "list", "--limit", "none"), "invalid_arguments", 2),
        (("users", "list", "--since", "yesterday"), "invalid_arguments", 2),
        (("users", "list", "--since", "9999-12-31T23:59-23:59"), "invalid_arguments", 2),
        (("board", "show", "--limit", "10001"), "invalid_arguments", 2),
        (("boards", "add", "daily"), "invalid_arguments", 2),
        (("boards", "add", "main", "--title", "Main"), "bad_board", 1),
        (("boards", "load", "/nowhere"), "command_failed", 1),
        (("board", "show", "nothing"), "unknown_board", 1),
        (("seasons", "show", "main", "7"), "unknown_season", 1),
        (("seasons", "verify"), "invalid_arguments", 2),
        (("migrate", "--unknown"), "invalid_arguments", 2),
    ):
        said = await operator(*argv, "--json")
        assert (said.code, said.out) == (exit_code, ""), argv
        assert said.failure["code"] == code, argv
        assert said.failure["success"] is False
        assert said.failure["message"]
    monkeypatch.setenv("SCOREBOARD_DATABASE_URL", "")
    assert (await operator("users", "list", "--json")).failure["code"] == "invalid_settings"
    monkeypatch.setenv("SCOREBOARD_DATABASE_URL", "postgresql://127.0.0.1:1/scoreboard")
    assert (await operator("migrate", "--json")).failure["code"] == "migration_failed"


async def test_migrate_check_says_what_is_missing_and_changes_nothing(
    operator: Operator, database_url: str
) -> None:
    said = await operator("migrate", "--check")
    assert (said.code, said.out) == (0, "Every migration is applied.\n")
    sql(database_url, "DELETE FROM _yoyo_migration WHERE migration_id LIKE '0009%%'")
    said = await operator("migrate", "--check", "--json")
    assert said.code == 1
    assert said.document["missing"] == ["0009.disabled-and-renamed-actions"]
    assert (await operator("migrate", "--check")).code == 1


async def test_users_are_sifted_by_name_time_and_problems_and_paged(
    operator: Operator, database_url: str
) -> None:
    add_users(database_url, 25, "player")
    add_users(database_url, 2, "guest")
    sql(database_url, "UPDATE users SET created_at = '2020-01-01' WHERE username LIKE 'player1%%'")
    sql(database_url, "UPDATE users SET username = 'Player24' WHERE username = 'player24'")
    sql(database_url, "UPDATE users SET username = 'x' WHERE username = 'guest1'")

    async def names(*argv: str) -> list[str]:
        said = await operator("users", "list", "--json", *argv)
        assert said.code == 0, said.err
        return [user["username"] for user in said.document]

    everybody = await names()
    assert len(everybody) == 27
    assert await names("--name", "PLAYER2") == [
        "player2",
        *(f"player2{n}" for n in range(4)),
        "Player24",
    ]
    assert len(await names("--since", "2024-01-01")) == 27 - 11
    assert await names("--name", "player1", "--since", "2024-01-01") == []
    assert await names("--problems") == ["x"]
    assert await names("--demo") == []
    pages: list[str] = []
    while page := await names("--limit", "10", *(["--after", pages[-1]] if pages else [])):
        pages += page
    assert pages == everybody
    [(user_id,)] = sql(database_url, "SELECT user_id::text FROM users WHERE username = 'player8'")
    assert await names("--after", f"id:{user_id}") == ["player9"]
    assert (await operator("users", "list", "--limit", "1")).out.count("\n") == 1


async def test_the_ranking_is_shown_past_the_board_by_rank_name_and_time(
    start: Start, operator: Operator, database_url: str
) -> None:
    instance = await start()
    users = add_users(database_url, 14)
    add_actions(database_url, {f"a{n}": n for n in range(1, 15)})
    for number, user in enumerate(users, 1):
        assert (await instance.submit(user, f"a{number}"))[0] == 200

    async def ranks(*argv: str) -> list[int]:
        said = await operator("board", "show", "--json", *argv)
        assert said.code == 0, said.err
        return [entry["rank"] for entry in said.document["topUsers"]]

    assert await ranks() == list(range(1, 11))
    assert await ranks("--after", "10") == [11, 12, 13, 14]
    assert await ranks("--limit", "3", "--after", "4") == [5, 6, 7]
    assert await ranks("--name", "player1") == [1, 2, 3, 4, 13]
    assert await ranks("--since", "2100-01-01") == []
    said = await operator("board", "show", "--json", "--after", "13")
    [last] = said.document["topUsers"]
    assert (last["userId"], last["score"]) == (users[0], 1)
    said = await operator("board", "show", "--after", "900")
    assert "nobody has such a place" in said.out


async def test_actions_are_sifted_and_paged(operator: Operator, database_url: str) -> None:
    add_actions(database_url, {f"login-{n:02}": 1 for n in range(25)} | {"win": 5})
    await operator("actions", "disable", "login-03")

    async def ids(*argv: str) -> list[str]:
        said = await operator("actions", "list", "--json", *argv)
        return [action["actionId"] for action in said.document]

    assert await ids("--state", "disabled") == ["login-03"]
    assert len(await ids("--state", "enabled", "--name", "login")) == 24
    assert await ids("--limit", "2", "--after", "login-23") == ["login-24", "win"]
