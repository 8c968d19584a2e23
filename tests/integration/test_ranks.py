"""Fences of rankings are level with a real PostgreSQL, whatever order commits come in."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
import pytest

from scoreboard.errors import LedgerUnavailable
from scoreboard.ranks import load, moves, turn
from scoreboard.ranks.anchors import Moves
from scoreboard.ranks.fences import PART
from scoreboard.ranks.keys import MAIN_RANKING, RankingId
from tests.eventually import eventually
from tests.ranks_world import Process, a_process, add_scores, is_level, keys_of
from tests.samples import counted
from tests.servers import PostgresServer
from tests.servers.postgres_replica import command
from tests.world import holding, sql

RAISE_ALL = "UPDATE scores SET score = score + 10"


async def taken_anew(process: Process) -> bool:
    """Whether a turn was taken: the server is there again, if it was away."""
    try:
        await process.ranks.turn()
    except LedgerUnavailable:
        return False
    return True


@pytest.fixture
async def process(database_url: str) -> AsyncIterator[Process]:
    async with a_process(database_url) as made:
        yield made


@pytest.mark.parametrize("steps", [1, 4, 100])
async def test_a_loaded_ranking_says_what_postgresql_counts(
    process: Process, database_url: str, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """Walked along in pieces, and a tenth of all has one score."""
    monkeypatch.setattr(load, "_STEPS", steps)
    add_scores(database_url, 10 * PART)
    sql(database_url, "DELETE FROM scores WHERE score = 10")
    sql(database_url, "UPDATE scores SET score = 500 WHERE score BETWEEN 450 AND 550")

    held = await process.load()

    assert is_level(held, database_url)
    assert process.loads("scan") == 1


@pytest.mark.parametrize("count", [PART - 1, PART, PART + 1, 4 * PART - 1, 4 * PART, 4 * PART + 1])
async def test_a_ranking_that_ends_where_a_part_or_a_piece_does_is_counted_to_its_end(
    process: Process, database_url: str, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(load, "_STEPS", 2)
    add_scores(database_url, count)
    sql(database_url, "UPDATE scores SET score = 1 WHERE score < 500")

    held = await process.load()

    assert is_level(held, database_url)


async def test_a_ranking_without_entries_is_held_as_well(process: Process) -> None:
    held = await process.load()

    assert (held.total, held.at(1).before, held.at(1).until) == (0, 0, None)


async def test_a_turn_follows_what_has_moved(process: Process, database_url: str) -> None:
    add_scores(database_url, 5000)
    before = await process.load()
    keys = keys_of(database_url)
    add_scores(database_url, 5000)
    sql(database_url, "UPDATE scores SET score = score + 5 WHERE random() < 0.1")
    sql(database_url, "UPDATE scores SET hidden = TRUE WHERE random() < 0.1")
    sql(database_url, "DELETE FROM scores WHERE random() < 0.1")

    for _ in range(10):  # each looks at another part
        await process.ranks.turn()
        assert is_level(process.ranks.held(MAIN_RANKING), database_url)
    assert process.loads("scan") == 1
    # Who counts with what was held counts as of its snapshot.
    assert (before.total, before.at(3000)) == (len(keys), before.before(keys[2999]))


async def test_a_season_is_a_ranking_of_its_own(process: Process, database_url: str) -> None:
    add_scores(database_url, 3000)
    for season in (7, 8):
        sql(
            database_url,
            "INSERT INTO season_entries (season_id, user_id, score, updated_at)"
            " SELECT %s, user_id, -score, updated_at FROM scores LIMIT 1000 * (%s - 5)",
            (season, season),
        )
    for season in (RankingId(7), RankingId(8)):
        await process.load(season)
    sql(
        database_url,
        "UPDATE season_entries SET season_id = 8 WHERE score = -300 AND season_id = 7"
        " AND user_id NOT IN (SELECT user_id FROM season_entries WHERE season_id = 8)",
    )
    sql(database_url, "UPDATE season_entries SET score = score - 1 WHERE score < -500")

    await process.ranks.turn()

    for season in (RankingId(7), RankingId(8)):
        assert is_level(process.ranks.held(season), database_url, season)


async def test_what_began_earlier_and_is_committed_later_is_counted_once(
    process: Process, database_url: str
) -> None:
    add_scores(database_url, 3000)
    half = "UPDATE scores SET score = score + 10 WHERE user_id::text {} '8'"
    with holding(database_url, half.format("<")) as earlier:
        await process.load()
        sql(database_url, half.format(">="))
        await process.ranks.turn()
        assert is_level(process.ranks.held(MAIN_RANKING), database_url)
        earlier.commit()
    for _ in range(3):
        await process.ranks.turn()
        assert is_level(process.ranks.held(MAIN_RANKING), database_url)


async def test_an_open_transaction_holds_nothing_up(process: Process, database_url: str) -> None:
    """Nor one that is rolled back."""
    add_scores(database_url, 3000)
    await process.load()
    with holding(database_url, "SELECT pg_current_xact_id(); DELETE FROM scores WHERE score = 10"):
        for _ in range(3):
            sql(database_url, "UPDATE scores SET score = score + 10 WHERE score > 20")
            await process.ranks.turn()
            assert is_level(process.ranks.held(MAIN_RANKING), database_url)
    await process.ranks.turn()
    assert is_level(process.ranks.held(MAIN_RANKING), database_url)


@pytest.mark.parametrize("step", ["read_present", "follow"])
async def test_what_is_committed_during_a_turn_is_counted_by_the_next_one(
    process: Process, database_url: str, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A turn counts, divides and compares as of one snapshot."""
    add_scores(database_url, 3000)
    await process.load()
    real = getattr(turn, step)

    async def beside(*given: Any) -> Any:
        answer = await real(*given)
        sql(database_url, "UPDATE scores SET score = score + 10 WHERE score < 500")
        return answer

    monkeypatch.setattr(turn, step, beside)
    for _ in range(3):
        await process.ranks.turn()
    monkeypatch.undo()
    await process.ranks.turn()

    assert is_level(process.ranks.held(MAIN_RANKING), database_url)
    assert process.loads("scan") == 1


async def test_what_is_committed_during_a_load_is_counted_by_the_next_turn(
    process: Process, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_scores(database_url, 3000)
    real = load.scan

    async def beside(*given: Any) -> Any:
        sql(database_url, RAISE_ALL)
        return await real(*given)

    monkeypatch.setattr(load, "scan", beside)
    await process.load()
    await process.ranks.turn()

    assert is_level(process.ranks.held(MAIN_RANKING), database_url)
    assert process.loads("scan") == 1


async def test_who_came_and_went_since_the_last_turn_counts_nothing(
    process: Process, database_url: str
) -> None:
    await process.load()
    add_scores(database_url, 10)
    sql(database_url, RAISE_ALL)
    await process.ranks.turn()

    assert is_level(process.ranks.held(MAIN_RANKING), database_url)


async def test_the_parts_of_a_transaction_that_were_rolled_back_count_nothing(
    process: Process, database_url: str
) -> None:
    add_scores(database_url, 3000)
    await process.load()
    sql(
        database_url,
        "SAVEPOINT one; DELETE FROM scores WHERE score > 500; ROLLBACK TO one;"
        "SAVEPOINT two; UPDATE scores SET score = score + 7 WHERE score < 300; RELEASE two",
    )
    await process.ranks.turn()
    assert is_level(process.ranks.held(MAIN_RANKING), database_url)


async def test_two_processes_are_level_and_one_that_slept_catches_up(
    process: Process, database_url: str
) -> None:
    add_scores(database_url, 3000)
    await process.load()
    async with a_process(database_url, "other") as other:
        await other.load()
        for _ in range(3):
            sql(database_url, RAISE_ALL)
            await process.ranks.turn()
        await other.ranks.turn()
        for each in (process, other):
            assert is_level(each.ranks.held(MAIN_RANKING), database_url)


async def test_while_postgresql_is_away_all_is_held_on(
    process: Process, database_url: str, postgres_under_fault: PostgresServer
) -> None:
    add_scores(database_url, 3000)
    held = await process.load()
    postgres_under_fault.stop()

    with pytest.raises(LedgerUnavailable):
        await process.ranks.turn()
    assert process.ranks.held(MAIN_RANKING) is held


async def test_turns_go_on_after_one_that_failed(
    process: Process, database_url: str, postgres_under_fault: PostgresServer
) -> None:
    add_scores(database_url, 10)
    await process.load()
    running = asyncio.create_task(process.ranks.run())
    try:
        postgres_under_fault.stop()
        await eventually(
            lambda: running.done() or counted(process.metrics, "rank_turns_failed_total") > 0
        )
        postgres_under_fault.start()
        await eventually(lambda: running.done() or process.loads("scan") == 2)
        assert not running.done()
    finally:
        running.cancel()


async def test_a_server_that_was_restarted_is_another_one(
    process: Process, database_url: str, postgres_under_fault: PostgresServer
) -> None:
    add_scores(database_url, 3000)
    await process.load()
    postgres_under_fault.restart()

    await eventually(lambda: taken_anew(process))
    assert process.ranks.held(MAIN_RANKING) is None
    assert process.lost("server") == 1
    assert is_level(await process.load(), database_url)


async def test_a_server_that_recovered_from_a_killed_process_gives_ids_out_again(
    process: Process, database_url: str, postgres_under_fault: PostgresServer
) -> None:
    """It never stopped, and knows nothing of ids that were rolled back and not yet on disk."""
    add_scores(database_url, 3000)
    with slow_to_disk(postgres_under_fault), closing(psycopg2.connect(database_url)) as session:
        with session.cursor() as cursor:
            for _ in range(1000):
                cursor.execute("SELECT pg_current_xact_id()")
                session.rollback()
            held = await process.load()
        os.kill(session.get_backend_pid(), signal.SIGKILL)
        await eventually(lambda: taken_anew(process))
        add_scores(database_url, 100)
    seen = "SELECT count(*) FROM movements WHERE pg_visible_in_snapshot(xid, %s::pg_snapshot)"
    assert sql(database_url, seen, (held.snapshot,)) == [(2,)]  # as if what was held had counted it

    await process.ranks.turn()
    assert process.lost("server") == 1
    assert is_level(await process.load(), database_url)


@contextmanager
def slow_to_disk(server: PostgresServer) -> Iterator[None]:
    """What nobody waits for is written to disk some seconds later."""
    command(server, "ALTER SYSTEM SET wal_writer_delay = '10s'")
    command(server, "SELECT pg_reload_conf()")
    try:
        yield
    finally:
        command(server, "ALTER SYSTEM RESET wal_writer_delay")
        command(server, "SELECT pg_reload_conf()")


async def test_who_slept_until_movements_were_removed_counts_anew(
    process: Process, database_url: str
) -> None:
    add_scores(database_url, 3000)
    await process.load()
    sql(database_url, RAISE_ALL)
    async with a_process(database_url, "keeper", seen_seconds=0) as keeper:
        await keeper.keeping.keep()
    assert sql(database_url, "SELECT * FROM movements") == []

    await process.ranks.turn()

    assert process.lost("removed") == 1
    assert is_level(await process.load(), database_url)


async def test_emptied_tables_are_counted_anew(process: Process, database_url: str) -> None:
    add_scores(database_url, 3000)
    await process.load()
    sql(database_url, "TRUNCATE scores")
    add_scores(database_url, 10)

    await process.ranks.turn()

    assert process.lost("reset") == 1
    assert is_level(await process.load(), database_url)


async def test_more_than_can_be_followed_is_counted_anew(
    process: Process, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moves, "MOVES_MAX", 5999)
    add_scores(database_url, 3000)
    await process.load()
    sql(database_url, RAISE_ALL)

    await process.ranks.turn()

    assert process.lost("backlog") == 1
    assert is_level(await process.load(), database_url)


@pytest.mark.parametrize("wrong", ["score = score + 1000", "hidden = TRUE"])
async def test_entries_that_moved_unnoticed_are_found_and_counted_anew(
    process: Process, database_url: str, wrong: str
) -> None:
    add_scores(database_url, 5000)
    await process.load()
    sql(
        database_url,
        "ALTER TABLE scores DISABLE TRIGGER scores_changed;"
        f"UPDATE scores SET {wrong} WHERE score < 300;"
        "ALTER TABLE scores ENABLE ALWAYS TRIGGER scores_changed",
    )

    for _ in range(10):  # parts
        await process.ranks.turn()
    assert process.lost("wrong") == 1
    assert is_level(await process.load(), database_url)


async def test_an_entry_that_goes_and_was_never_counted_is_found_at_once(
    process: Process, database_url: str
) -> None:
    await process.load()
    sql(database_url, "ALTER TABLE scores DISABLE TRIGGER scores_added")
    add_scores(database_url, 10)
    sql(database_url, "DELETE FROM scores")

    await process.ranks.turn()

    assert process.lost("wrong") == 1


async def test_listeners_hear_of_all_moves_after_they_count(
    process: Process, database_url: str
) -> None:
    add_scores(database_url, 3)
    [first, *_] = keys_of(database_url)
    await process.load()
    heard: list[Moves] = []

    def listen(told: Sequence[Moves]) -> None:
        held = process.ranks.held(MAIN_RANKING)
        assert held is not None
        assert held.total == 2
        heard.extend(told)

    process.ranks.on_moves(listen)
    await process.ranks.turn()
    assert heard == []
    # By its key: two may have one score.
    sql(
        database_url,
        "DELETE FROM scores WHERE ranking_key(score, updated_at, user_id) = %s",
        (first,),
    )
    await process.ranks.turn()
    assert heard == [Moves(MAIN_RANKING, (first,), ())]


async def test_turns_follow_sooner_while_much_moves(process: Process, database_url: str) -> None:
    """Each rank that is asked for adds up all that has moved since the last one."""
    await process.load()
    seldom = process.ranks.pause_seconds
    add_scores(database_url, 600)
    await process.ranks.turn()
    assert process.ranks.pause_seconds < seldom
    await process.ranks.turn()
    assert process.ranks.pause_seconds == seldom


async def test_who_waits_hears_as_soon_as_the_ranking_is_loaded(
    process: Process, database_url: str
) -> None:
    add_scores(database_url, 10)
    running = asyncio.create_task(process.ranks.run())
    try:
        held = await process.ranks.wait(MAIN_RANKING, 10)
        assert held is not None
        assert held.total == 10
        assert await process.ranks.wait(MAIN_RANKING, 0) is not None
        add_scores(database_url, 10)

        async def followed() -> bool:
            held = process.ranks.held(MAIN_RANKING)
            return held is not None and held.total == 20

        await eventually(followed)
    finally:
        running.cancel()


async def test_who_does_not_want_to_wait_is_answered_at_once(process: Process) -> None:
    assert await process.ranks.wait(MAIN_RANKING, 0) is None
    assert await process.ranks.wait(MAIN_RANKING, 0.01) is None


async def test_strangers_who_ask_for_many_rankings_do_not_keep_out_those_that_are_asked(
    process: Process, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scoreboard.ranks.ranks._HELD_MAX", 3)
    await process.load()
    for number in range(1, 6):
        process.ranks.held(MAIN_RANKING)
        await process.load(RankingId(number))

    held = [each.ranking_id for each in process.ranks.all_held()]
    assert sorted(held) == [0, 4, 5]


async def test_what_nobody_asks_for_is_forgotten(
    process: Process, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await process.load()
    await process.load(RankingId(7))
    monkeypatch.setattr("scoreboard.ranks.ranks.ASKED_WITHIN_SECONDS", 0.0)
    await process.ranks.turn()

    assert process.ranks.all_held() == []


async def test_movements_of_another_cluster_say_nothing(
    process: Process, database_url: str
) -> None:
    """Where a backup was restored, until they are removed."""
    await process.load()
    sql(database_url, "UPDATE movements_removed SET system_identifier = 1")

    with pytest.raises(LedgerUnavailable):
        await process.ranks.turn()
    process.ranks.held(RankingId(7))
    await process.ranks.load_next()
    assert len(process.ranks.all_held()) == 1


def test_no_session_can_move_entries_unnoticed(database_url: str) -> None:
    """Neither replication nor a restore that switches triggers off."""
    add_scores(database_url, 10)
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica; DELETE FROM movements")
        cursor.execute(RAISE_ALL)
        cursor.execute("SELECT octet_length(removed), octet_length(added) FROM movements")
        assert cursor.fetchall() == [(320, 320)]
