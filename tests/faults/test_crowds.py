"""Crowds of readers, and readers who hang up: what they cost those who have to go on."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import aiohttp

from scoreboard.model import MAIN
from scoreboard.parts import PARTS
from tests.eventually import eventually
from tests.instances import Instance, Start
from tests.world import (
    add_actions,
    add_board,
    add_users,
    board_version,
    holding,
    sql,
    waiting_for_locks,
)


def sessions(database_url: str, pool: str) -> set[tuple[Any, ...]]:
    """The sessions of a pool, and since when they are there."""
    statement = f"""SELECT pid, backend_start FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'scoreboard.%.{pool}'"""
    return set(sql(database_url, statement))


async def test_whoever_hangs_up_costs_no_connection_to_postgresql(
    start: Start, database_url: str
) -> None:
    one = await start(query_connections=1)
    await one.client.post(
        "/api/auth/register",
        json={"username": "ada", "email": "ada@example.org", "password": "a long sentence, ada"},
    )
    [user] = add_users(database_url, 1)
    login = {"username": "ada", "password": "a long sentence, ada"}
    async with one.client.post("/api/auth/login", json=login) as response:
        token = {"refreshToken": (await response.json())["refreshToken"]}
    requests: dict[str, dict[str, Any]] = {
        "/api/me": {"method": "GET", "headers": one.bearer(user)},
        "/api/actions": {"method": "GET"},
        "/api/auth/login": {"method": "POST", "json": login},
        "/api/auth/refresh": {"method": "POST", "json": token},
    }
    before = sessions(database_url, "queries")
    assert len(before) == 1

    for number, (path, request) in enumerate(requests.items(), 1):
        lock = "LOCK TABLE users, scores, actions, refresh_tokens IN ACCESS EXCLUSIVE MODE"
        with holding(database_url, lock):
            asking = asyncio.create_task(ask(one, path, **request))
            await eventually(lambda: is_waiting(database_url))
            asking.cancel()
            await eventually(partial(has_abandoned, one, number))
        # What was abandoned ends, or the next one would wait for its session.
        await eventually(lambda: one.app[PARTS].queries.idle == 1)
    async with one.client.get("/api/actions") as response:
        assert response.status == 200
    assert sessions(database_url, "queries") == before


def has_abandoned(instance: Instance, number: int) -> bool:
    """Whether so many left before their answer."""
    return instance.metric("postgres_abandoned_total", pool="queries") == number


def is_waiting(database_url: str) -> bool:
    """Whether a client's statement waits for a lock."""
    statement = """SELECT 1 FROM pg_stat_activity WHERE datname = current_database()
        AND wait_event_type = 'Lock' AND application_name LIKE '%.queries'"""
    return bool(sql(database_url, statement))


async def ask(instance: Instance, path: str, method: str, **request: Any) -> None:
    with suppress(aiohttp.ClientError):
        async with instance.client.request(method, path, **request) as response:
            await response.read()


async def test_rankings_that_are_counted_keep_nobody_else_waiting(
    start: Start, database_url: str
) -> None:
    """While one is followed and another one loaded, both slowly, boards arrive and access ends."""
    one = await start(database_timeout_seconds=60.0)
    [user, other] = add_users(database_url, 2)
    now = datetime.now(UTC)
    add_board(database_url, "daily", (now, now + timedelta(days=1)))
    await place(one, "main", user)
    await eventually(lambda: one.metric("rankings_held") == 1)
    with holding(database_url, "LOCK TABLE movements_removed IN ACCESS EXCLUSIVE MODE"):
        asking = asyncio.create_task(place(one, "daily", user))
        await eventually(lambda: waiting_for_locks(database_url) >= 2)
        sql(database_url, "UPDATE board SET version = version + 1, changed_at = now()")
        sql(database_url, f"DELETE FROM users WHERE user_id = '{other}'")

        await eventually(lambda: one.app[PARTS].hub.version(MAIN) == board_version(database_url))
        await eventually(lambda: is_refused(one, other))
        asking.cancel()


async def place(instance: Instance, board_id: str, user: str) -> None:
    path = f"/api/boards/{board_id}/me"
    async with instance.client.get(path, headers=instance.bearer(user)) as response:
        await response.read()


async def is_refused(instance: Instance, user: str) -> bool:
    async with instance.client.get("/api/me", headers=instance.bearer(user)) as response:
        return response.status == 403


async def test_a_crowd_that_holds_every_reader_keeps_nobody_else_waiting(
    start: Start, database_url: str
) -> None:
    """Neither the comparison with the ledger, nor readiness, nor the end of access tokens, nor the
    board, nor those who submit.
    """
    one = await start(database_timeout_seconds=60.0)
    [user, other] = add_users(database_url, 2)
    add_actions(database_url, {"run": 5})
    assert (await one.submit(user, "run"))[0] == 200
    sql(database_url, "CREATE TABLE held ()")
    health = one.app[PARTS].health
    [postgresql] = [part for part in health._parts if part.name == "postgresql"]
    with holding(database_url, "LOCK TABLE actions IN ACCESS EXCLUSIVE MODE"):
        crowd = [asyncio.create_task(ask(one, "/api/actions", "GET")) for _ in range(200)]
        await eventually(lambda: waiting_for_locks(database_url) == 4)
        await eventually(lambda: one.app[PARTS].standings._postgres.waiting > 150)
        postgresql.up = False
        sql(database_url, "UPDATE board SET version = version + 1, changed_at = now()")
        sql(database_url, f"DELETE FROM users WHERE user_id = '{other}'")

        await eventually(lambda: one.app[PARTS].hub.version(MAIN) == board_version(database_url))
        await eventually(lambda: postgresql.up)
        async with one.client.get("/readyz") as response:
            assert response.status == 200
        await eventually(lambda: is_refused(one, other))
        assert (await one.board())["data"][0]["userId"] == user
        for each in crowd:
            each.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)
