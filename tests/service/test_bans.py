"""Who is banned is refused by every instance, for as long as the ban lasts, and let in after it."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from scoreboard.accounts import bans, revocations
from scoreboard.accounts.bans import read_bans
from scoreboard.accounts.revocations import RevocationReader
from scoreboard.parts import PARTS
from tests.eventually import eventually
from tests.instances import Instance, Start
from tests.person import PASSWORD, SOON_SECONDS, Person, end_with, enter, only_hear, streams_of
from tests.world import add_actions, grants, sql

BAN = "UPDATE users SET banned_at = {} WHERE username = 'ada'"


async def told(instance: Instance, path: str, body: dict[str, Any]) -> tuple[int, str]:
    async with instance.client.post(path, json=body) as response:
        return response.status, (await response.json()).get("code", "")


async def log_in(instance: Instance, password: str) -> tuple[int, str]:
    return await told(instance, "/api/auth/login", {"username": "ada", "password": password})


@pytest.fixture
async def closed(start: Start) -> list[Instance]:
    """Two instances that only bearers of a token may read; the second one shows streams only."""
    return [await start(require_token_to_read=True, role=role) for role in ("all", "stream")]


async def test_a_banned_user_is_out_of_every_instance_through_every_door_and_back_when_it_is_lifted(
    closed: list[Instance], database_url: str
) -> None:
    add_actions(database_url, {"run": 5})
    ada = await enter(closed[0], "register")
    streams = await streams_of(ada, closed)
    sql(database_url, BAN.format("now()"))
    await end_with(streams, "banned")
    await only_hear(ada, closed[:1], "banned")
    assert await ada.asks(closed[1], "GET", "/api/leaderboard") == "banned"
    assert grants(database_url) == []
    refresh = {"refreshToken": ada.refresh_token}
    assert await told(closed[0], "/api/auth/refresh", refresh) == (403, "banned")
    assert await log_in(closed[0], PASSWORD) == (403, "banned")
    assert await log_in(closed[0], "a guess at the password") == (401, "bad_credentials")

    sql(database_url, BAN.format("NULL"))
    for instance in closed:
        await eventually(functools.partial(is_let_in, ada, instance), within_seconds=SOON_SECONDS)
    assert await ada.asks(closed[0], "POST", "/api/actions", {"actionId": "run"}) == "200"
    assert await ada.refreshes(closed[0])
    assert (await log_in(closed[0], PASSWORD))[0] == 200


async def is_let_in(person: Person, instance: Instance) -> bool:
    return await person.asks(instance, "GET", "/api/leaderboard") == "200"


async def test_a_banned_user_reads_open_boards_as_a_stranger(
    start: Start, database_url: str
) -> None:
    instance = await start()
    ada = await enter(instance, "register")
    [stream] = await streams_of(ada, [instance])
    sql(database_url, BAN.format("now()"))
    await eventually(
        lambda: instance.app[PARTS].access.revocations.refusal(ada.user_id, 0) is not None,
        within_seconds=SOON_SECONDS,
    )
    assert await ada.asks(instance, "GET", "/api/me") == "banned"
    assert await is_let_in(ada, instance)
    assert not stream.ended


async def test_a_ban_of_long_ago_is_known_before_an_instance_serves_among_more_than_are_remembered(
    start: Start, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor do an hour's purge and the clock of revocations take anything from it."""
    one = await start()
    ada = await enter(one, "register")
    sql(database_url, BAN.format("'2001-01-01T00:00Z'"))
    for _ in range(3):
        sql(database_url, "INSERT INTO bans VALUES (gen_random_uuid(), '2001-01-01T00:00Z')")
    await one.app[PARTS].accounts.families.purge()

    async def never(_: RevocationReader) -> None:
        await eventually(lambda: False, within_seconds=3600)

    monkeypatch.setattr(RevocationReader, "run", never)
    monkeypatch.setattr(revocations, "REMEMBERED_MAX", 2)
    monkeypatch.setattr(bans, "_PAGE", 2)
    restarted = await start()
    parts = restarted.app[PARTS]
    assert len(await read_bans(parts.watch)) == 4  # no page is empty, none is left out
    parts.access.revocations.forget_before(2**62)
    assert await ada.asks(restarted, "GET", "/api/me") == "banned"
    assert parts.metrics.registry.get_sample_value("scoreboard_users_banned") == 4


async def test_what_a_restored_backup_says_of_bans_is_what_holds(
    start: Start, database_url: str
) -> None:
    """Its list and its reading are older than what the instance knows."""
    instance = await start()
    ada = await enter(instance, "register")
    sql(database_url, BAN.format("now()"))
    await eventually(
        lambda: instance.app[PARTS].access.revocations.refusal(ada.user_id, 0) is not None,
        within_seconds=SOON_SECONDS,
    )
    sql(
        database_url,
        "SET session_replication_role = replica;"
        "UPDATE users SET banned_at = NULL; DELETE FROM bans;"
        "UPDATE held_lists SET reading = 0 WHERE list = 'bans'",
    )

    async def is_known_again() -> bool:
        return await ada.asks(instance, "GET", "/api/me") == "200"

    await eventually(is_known_again, within_seconds=SOON_SECONDS)


async def test_the_ban_of_a_providers_user_outlives_the_user_and_no_other_does(
    start: Start, database_url: str
) -> None:
    """Because an own account has a new id, and that of the provider's user is always the same."""
    await start()
    sql(
        database_url,
        "INSERT INTO users (username, email, password_hash, source) VALUES"
        " ('ours', 'a', '-', NULL), ('theirs', 'b', '-', 'https://id.example');"
        "UPDATE users SET banned_at = now();"
        "DELETE FROM users",
    )
    assert sql(database_url, "SELECT count(*) FROM bans") == [(1,)]
    assert sql(database_url, "SELECT deleted FROM bans JOIN revocations USING (user_id)") == [
        (True,)
    ]
