"""Fences that one instance keeps in PostgreSQL, and movements that it removes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from scoreboard.ranks.held import HeldRanking
from scoreboard.ranks.keys import MAIN_RANKING, RankingId
from tests.ranks_world import Process, a_process, add_scores, is_level, keys_of
from tests.world import add_board, holding, sql

HOUR: Final = timedelta(hours=1)
RAISE_ALL: Final = "UPDATE scores SET score = score + 10"
KEPT: Final = "SELECT ranking_id, snapshot::text FROM fences ORDER BY ranking_id"
MOVED: Final = "SELECT count(*) FROM movements"


@pytest.fixture
async def keeper(database_url: str) -> AsyncIterator[Process]:
    """It keeps rankings of more than 1,000 entries."""
    async with a_process(database_url, "keeper") as made:
        yield made


def snapshot(database_url: str) -> str:
    [(_, kept)] = sql(database_url, KEPT)
    return str(kept)


async def fresh(database_url: str) -> str:
    """What a process that begins loads `main` from; it says what PostgreSQL counts."""
    async with a_process(database_url, "fresh") as process:
        assert is_level(await process.load(), database_url)
        return "kept" if process.loads("kept") else "scan"


async def test_a_process_that_begins_counts_on_from_what_was_kept(
    keeper: Process, database_url: str
) -> None:
    add_scores(database_url, 5000)
    assert await fresh(database_url) == "scan"
    await keeper.load()
    await keeper.keeping.keep()
    sql(database_url, "UPDATE scores SET score = score + 10 WHERE score > 400")
    sql(database_url, "DELETE FROM scores WHERE score < 100")

    assert await fresh(database_url) == "kept"


async def test_short_rankings_are_not_kept(keeper: Process, database_url: str) -> None:
    add_scores(database_url, 1000)
    await keeper.load()
    await keeper.keeping.keep()

    assert sql(database_url, KEPT) == []


async def test_what_is_kept_follows_and_is_never_set_back(
    keeper: Process, database_url: str
) -> None:
    add_scores(database_url, 3000)
    await keeper.load()
    await keeper.keeping.keep()
    first = snapshot(database_url)
    async with a_process(database_url, "keeper") as behind:  # of the same name
        await behind.load()
        sql(database_url, RAISE_ALL)
        await keeper.ranks.turn()
        await keeper.keeping.keep()
        second = snapshot(database_url)
        assert second != first
        await behind.keeping.keep()

    assert snapshot(database_url) == second
    await keeper.ranks.turn()
    await keeper.keeping.keep()
    assert snapshot(database_url) == second  # nothing has moved


async def test_a_ranking_that_was_kept_is_followed_though_nobody_asks(
    keeper: Process, database_url: str
) -> None:
    add_scores(database_url, 3000)
    async with a_process(database_url, "keeper") as before:
        await before.load()
        await before.keeping.keep()
    first = snapshot(database_url)
    await keeper.keeping.keep()
    await keeper.ranks.load_next()
    assert keeper.ranks.all_held() == []  # nothing has moved

    sql(database_url, RAISE_ALL)
    for _ in range(2):
        await keeper.keeping.keep()
        await keeper.ranks.load_next()
    assert keeper.loads("kept") == 1
    assert snapshot(database_url) != first
    assert await fresh(database_url) == "kept"


async def test_movements_are_removed_once_everybody_has_had_time_to_see_them(
    keeper: Process, database_url: str
) -> None:
    """Also where nobody asks for a place."""
    add_scores(database_url, 10)
    await keeper.keeping.keep()
    assert sql(database_url, MOVED) == [(1,)]

    async with a_process(database_url, "keeper", seen_seconds=0) as late:
        with holding(database_url, "SELECT pg_current_xact_id()"):
            sql(database_url, RAISE_ALL)
            await late.keeping.keep()
        assert sql(database_url, MOVED) == [(1,)]  # what began before is not over
        await late.keeping.keep()
    assert sql(database_url, MOVED) == [(0,)]


async def test_all_that_is_old_is_removed_also_when_it_is_much(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scoreboard.ranks.keeping._REMOVED_AT_ONCE", 3)
    for _ in range(4):
        sql(database_url, "INSERT INTO movements (ranking_id, added) VALUES (0, ''), (7, '')")
    async with a_process(database_url, seen_seconds=0) as process:
        await process.keeping.keep()

    assert sql(database_url, MOVED) == [(0,)]


async def test_what_is_kept_goes_with_the_movements_that_it_needs(
    keeper: Process, database_url: str
) -> None:
    add_scores(database_url, 3000)
    now = datetime.now(UTC)
    add_board(database_url, "other", (now - HOUR, now + HOUR))
    [(season_id,)] = sql(database_url, "SELECT season_id FROM seasons WHERE board_id = 'other'")
    other = RankingId(season_id)
    sql(
        database_url,
        "INSERT INTO season_entries SELECT %s, user_id, score, updated_at FROM scores",
        (other,),
    )
    await keeper.load()
    await keeper.load(other)
    await keeper.keeping.keep()
    assert [ranking_id for ranking_id, _ in sql(database_url, KEPT)] == [0, other]
    sql(database_url, RAISE_ALL)

    async with a_process(database_url, "keeper", seen_seconds=0) as late:
        await late.keeping.keep()

    assert [ranking_id for ranking_id, _ in sql(database_url, KEPT)] == [other]
    assert await fresh(database_url) == "scan"
    async with a_process(database_url) as process:
        assert is_level(await process.load(other), database_url, other)
        assert process.loads("kept") == 1


async def test_what_was_held_before_movements_were_removed_is_not_kept(
    keeper: Process, database_url: str
) -> None:
    add_scores(database_url, 3000)
    await keeper.load()
    sql(database_url, RAISE_ALL)
    async with a_process(database_url, "keeper", seen_seconds=0) as late:
        await late.keeping.keep()

    await keeper.keeping.keep()

    assert sql(database_url, KEPT) == []


async def test_one_instance_keeps_until_it_is_gone(keeper: Process, database_url: str) -> None:
    add_scores(database_url, 3000)
    await keeper.keeping.keep()
    async with a_process(database_url, "other", seen_seconds=0) as other:
        await other.load()
        await other.keeping.keep()
        assert sql(database_url, KEPT) == []
        assert sql(database_url, MOVED) != [(0,)]

        sql(database_url, "UPDATE movements_removed SET kept_at = kept_at - interval '151 seconds'")
        await other.ranks.turn()
        await other.keeping.keep()
        assert len(sql(database_url, KEPT)) == 1
        assert sql(database_url, MOVED) == [(0,)]

        await keeper.load()
        sql(database_url, RAISE_ALL)
        await keeper.ranks.turn()
        before = snapshot(database_url)
        await keeper.keeping.keep()
        assert snapshot(database_url) == before


async def test_who_is_no_longer_the_one_that_keeps_ends_at_once(
    keeper: Process, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was suspended, for example, and somebody took over."""
    add_scores(database_url, 3000)
    await keeper.load()
    held = keeper.ranks.all_held()

    def held_by_another() -> list[HeldRanking]:
        sql(database_url, "UPDATE movements_removed SET keeper = 'other', kept_at = now()")
        return held

    monkeypatch.setattr(keeper.ranks, "all_held", held_by_another)
    await keeper.keeping.keep()

    assert sql(database_url, KEPT) == []


async def test_a_clock_that_was_set_back_does_not_keep_others_from_keeping(
    keeper: Process, database_url: str
) -> None:
    sql(
        database_url,
        "UPDATE movements_removed SET keeper = 'gone', kept_at = now() + interval '1 hour'",
    )
    await keeper.keeping.keep()

    assert sql(database_url, "SELECT keeper FROM movements_removed") == [("keeper",)]


async def test_movements_of_another_cluster_are_removed_before_anything_is_counted(
    keeper: Process, database_url: str
) -> None:
    """As in a backup that is restored: its xids are any, and so are those of what was kept."""
    add_scores(database_url, 3000)
    await keeper.load()
    await keeper.keeping.keep()
    sql(
        database_url,
        "UPDATE movements_removed SET system_identifier = 1, below = '1000000000';"
        "UPDATE movements SET xid = '2000000000'",
    )

    await keeper.keeping.keep()

    assert sql(database_url, MOVED) == [(0,)]
    assert sql(database_url, KEPT) == []
    assert await fresh(database_url) == "scan"


async def test_what_was_kept_of_seasons_that_are_gone_goes(
    keeper: Process, database_url: str
) -> None:
    sql(
        database_url,
        "INSERT INTO fences SELECT 7, system_identifier, pg_current_snapshot(), '', '\\x00000000'"
        " FROM pg_control_system()",
    )
    await keeper.keeping.keep()

    assert sql(database_url, KEPT) == []


@pytest.mark.parametrize("damage", ["keys = keys || '\\x00'", "counts = counts || counts"])
async def test_what_was_damaged_is_not_believed(
    keeper: Process, database_url: str, damage: str
) -> None:
    add_scores(database_url, 3000)
    await keeper.load()
    await keeper.keeping.keep()
    sql(database_url, f"UPDATE fences SET {damage}")

    assert await fresh(database_url) == "scan"


async def test_what_was_kept_wrong_is_found_and_not_loaded_again(
    keeper: Process, database_url: str
) -> None:
    add_scores(database_url, 3000)
    await keeper.load()
    await keeper.keeping.keep()
    sql(database_url, f"UPDATE fences SET counts = '\\x{'00000001' * 6}'")

    async with a_process(database_url) as process:
        assert (await process.load()).total == 6
        await process.ranks.turn()
        assert process.lost("wrong") == 1
        assert is_level(await process.load(), database_url)
        assert process.loads("scan") == 1
        assert len(keys_of(database_url, MAIN_RANKING)) == 3000
