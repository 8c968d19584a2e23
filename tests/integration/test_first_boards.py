"""The boards that a newcomer finds: two that `make run` makes, and the demo's own."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from datetime import timedelta

import pytest

from scoreboard.commands import demo_rounds, embedding
from scoreboard.configuration import sources as configuration
from scoreboard.connections.postgres import Postgres
from scoreboard.console import exports
from scoreboard.ledger.definitions import Definitions
from scoreboard.ledger.ledger import Ledger
from scoreboard.model import BoardId
from tests.eventually import eventually
from tests.world import sql


async def boards(database_url: str) -> list[tuple[str, bool]]:
    return sql(
        database_url,
        "SELECT board_id, closed_at IS NULL FROM boards WHERE board_id <> 'main' ORDER BY 1",
    )


async def test_daily_and_weekly_are_made_once_and_stay_closed_where_they_were_closed(
    database_url: str,
) -> None:
    settings = dataclasses.replace(configuration.load(), database_url=database_url)

    await embedding.fill(settings)
    assert await boards(database_url) == [("daily", True), ("weekly", True)]

    postgres = Postgres(database_url, sessions=1, timeout_seconds=5.0, name="test")
    for board_id in ("daily", "weekly"):
        await Definitions(postgres).close(BoardId(board_id))
    await postgres.finish()
    await embedding.fill(settings)
    assert await boards(database_url) == [("daily", False), ("weekly", False)]


async def test_the_demos_board_goes_from_season_to_season_as_long_as_somebody_plays(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        exports, "found", lambda: [f"    export SCOREBOARD_DATABASE_URL={database_url}"]
    )
    monkeypatch.setattr(demo_rounds, "_SEASON", timedelta(seconds=0.5))
    monkeypatch.setattr(demo_rounds, "_AHEAD", timedelta(seconds=1))
    monkeypatch.setattr(demo_rounds, "_LOOK_SECONDS", 0.1)
    told: list[str] = []
    postgres = Postgres(database_url, sessions=1, timeout_seconds=5.0, name="test")
    ledger = Ledger(postgres, postgres)

    async def number() -> int:
        await ledger.turn()
        [(shown,)] = sql(
            database_url,
            "SELECT coalesce(max(number), 0) FROM boards JOIN seasons USING (season_id)"
            " WHERE boards.board_id = 'demo'",
        )
        return int(shown)

    async def played_until(season: int) -> int:
        playing = asyncio.create_task(demo_rounds.play_rounds(told.append))
        while (reached := await number()) < season:
            assert not playing.done()
            await asyncio.sleep(0.05)
        playing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await playing
        return reached

    async with asyncio.timeout(30):
        first = await played_until(3)
        await played_until(first + 2)  # the next demo goes on with the board of the last one
    assert told == []

    await Definitions(postgres).close(demo_rounds.BOARD)
    refused = asyncio.create_task(demo_rounds.play_rounds(told.append))
    await eventually(lambda: bool(told))
    assert "demo: the board was closed" in told[0]
    assert not refused.done()  # people play on
    refused.cancel()
    await postgres.finish()


async def test_without_embedded_servers_the_demo_adds_no_board(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "found", list)
    monkeypatch.setenv("SCOREBOARD_DATABASE_URL", database_url)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            await demo_rounds.play_rounds(pytest.fail)
    assert await boards(database_url) == []
