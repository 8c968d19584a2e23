"""Places on a real PostgreSQL: while others write, where no ranking is held, and what they cost."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest

from scoreboard.connections.postgres import Postgres
from scoreboard.connections.statements import Prepared
from scoreboard.errors import Unavailable
from scoreboard.model import MAIN, BoardId
from scoreboard.ranks.anchors import Held
from scoreboard.ranks.keys import MAIN_RANKING, RankingId
from scoreboard.scoring import counting
from scoreboard.scoring import places as room
from scoreboard.scoring.place import rank_above
from scoreboard.scoring.places import Places
from tests.eventually import eventually
from tests.places_world import Fixed, counted, fenced, one_snapshot, ranks_of, require_agreement
from tests.ranks_world import a_process, add_scores
from tests.world import add_board, add_users, sql

BEGIN = datetime(2024, 12, 9, tzinfo=UTC)
MOVES = (
    "UPDATE scores SET score = greatest(0, score + (random() * 60)::int - 30), updated_at = now()"
    " WHERE user_id IN (SELECT user_id FROM scores TABLESAMPLE BERNOULLI (2))",
    "UPDATE scores SET hidden = NOT hidden"
    " WHERE user_id IN (SELECT user_id FROM scores TABLESAMPLE BERNOULLI (1))",
    "DELETE FROM scores"
    " WHERE user_id = (SELECT user_id FROM scores TABLESAMPLE BERNOULLI (2) LIMIT 1)",
)


class Asked(Fixed):
    """Tells, each time a ranking is asked for, how often that was; then answers what it holds."""

    on_ask: Callable[[int], None] = staticmethod(lambda _: None)

    async def wait(self, ranking_id: RankingId, seconds: float) -> Held | None:
        found = await super().wait(ranking_id, seconds)
        self.on_ask(self.asked)
        return found


@contextmanager
def writers(database_url: str, count: int = 3) -> Iterator[None]:
    """Within, others write: each transaction makes one to three moves, and some take their time, so
    that they commit in another order than they began.
    """
    ended = threading.Event()

    def write(seed: int) -> None:
        drawn = random.Random(seed)
        with closing(psycopg2.connect(database_url)) as connection:
            while not ended.is_set():
                try:
                    for _ in range(drawn.randint(1, 3)):
                        connection.cursor().execute(drawn.choice(MOVES))
                        ended.wait(drawn.choice((0, 0, 0.02)))
                    connection.commit()
                except psycopg2.errors.DeadlockDetected:
                    connection.rollback()

    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


async def others_have_written(database_url: str) -> None:
    """Return once some more transactions have noted moves."""
    counted_moves = "SELECT count(DISTINCT xid::text) FROM movements"
    [(before,)] = sql(database_url, counted_moves)
    await eventually(lambda: sql(database_url, counted_moves)[0][0] > before + 5)


async def test_while_others_write_every_answer_is_that_of_one_snapshot(
    database_url: str, postgres: Postgres
) -> None:
    add_scores(database_url, 400)
    with writers(database_url):
        for size in (1, 3, 20, 500):
            fences = Fixed({MAIN_RANKING: await fenced(postgres, MAIN_RANKING, size)})
            await others_have_written(database_url)
            async with one_snapshot(postgres, fences) as (places, inside):
                await require_agreement(places, inside, MAIN, MAIN_RANKING, limit=20)


async def test_what_ranks_hold_leads_to_the_places_of_a_full_count_turn_after_turn(
    database_url: str, postgres: Postgres
) -> None:
    add_scores(database_url, 6000)
    async with a_process(database_url) as process:
        await process.load()
        with writers(database_url):
            for _ in range(5):
                held = Fixed({MAIN_RANKING: process.ranks.held(MAIN_RANKING)})
                await others_have_written(database_url)
                async with one_snapshot(postgres, held) as (places, inside):
                    truth = await counted(inside, MAIN_RANKING)
                    some = list(truth)[::20]
                    found = await places.find(MAIN, None, some)
                    assert found.total == len(truth)
                    assert ranks_of(found.places.values()) == [
                        (user_id, *truth[user_id][1:3]) for user_id in some
                    ]
                await process.ranks.turn()


async def test_who_moves_far_while_it_is_looked_at_is_counted_from_there(
    database_url: str, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the key and the count, the last one becomes the one in the middle: what
    lies between there and the fences at hand is too much to count.
    """
    monkeypatch.setattr(counting, "PART_MAX", 50)
    users = a_ladder(database_url, 1000)
    rankings = Asked({MAIN_RANKING: await fenced(postgres, MAIN_RANKING, 10)})

    def climb(asked: int) -> None:
        if asked == 1:
            sql(database_url, "UPDATE scores SET score = 500 WHERE user_id = %s", (users[-1],))

    rankings.on_ask = climb
    places = Places(postgres, rankings)

    found = await places.find(MAIN, None, [users[-1]])
    assert found.places[users[-1]].rank == 501
    assert found.places[users[-1]].competition_rank == 500


async def test_a_season_that_begins_while_it_is_looked_at_is_the_one_that_is_answered(
    database_url: str, postgres: Postgres
) -> None:
    board_id = BoardId("weekly")
    add_board(
        database_url,
        board_id,
        (BEGIN, BEGIN + timedelta(days=7)),
        (BEGIN + timedelta(days=7), None),
    )
    [user] = add_users(database_url, 1)
    for number, score in ((1, 5), (2, 7)):
        sql(
            database_url,
            "INSERT INTO season_entries (season_id, user_id, score, updated_at)"
            " SELECT season_id, %s, %s, now() FROM seasons WHERE number = %s AND board_id = %s",
            (user, score, number, board_id),
        )

    def turn(asked: int) -> None:
        if asked == 1:
            sql(
                database_url,
                "UPDATE boards SET season_id = (SELECT season_id FROM seasons"
                " WHERE number = 2 AND board_id = 'weekly') WHERE board_id = 'weekly'",
            )

    rankings = Asked()
    rankings.on_ask = turn
    found = await Places(postgres, rankings).find(board_id, None, [user])
    assert found.season is not None
    assert (found.season.number, found.places[user].score) == (2, 7)


@pytest.mark.parametrize(
    "undone",
    [
        # All entries are replaced, which no row of `movements` can tell of.
        "TRUNCATE scores; INSERT INTO scores (user_id, score, updated_at)"
        " SELECT user_id, substring(username FROM 7)::int, now() FROM users",
        # What has moved is not known any more.
        "UPDATE scores SET score = 999 - score; DELETE FROM movements;"
        " UPDATE movements_removed"
        " SET below = (pg_current_xact_id()::text::bigint + 1)::text::xid8",
    ],
    ids=["replaced", "forgotten"],
)
async def test_what_cannot_be_counted_from_is_not_counted_from(
    database_url: str, postgres: Postgres, undone: str
) -> None:
    users = a_ladder(database_url, 1000)
    rankings = Fixed({MAIN_RANKING: await fenced(postgres, MAIN_RANKING, 100)})
    sql(database_url, undone)

    found = await Places(postgres, rankings).find(MAIN, None, users)
    ranks = [found.places[user].rank for user in users]
    assert ranks == list(range(1000, 0, -1))


async def test_what_another_server_held_is_not_counted_from(
    database_url: str, postgres: Postgres
) -> None:
    users = a_ladder(database_url, 10)
    held = await fenced(postgres, MAIN_RANKING, 2)
    held.fences = [
        held.fences[0],
        *(each.__class__(each.key, each.before + 7, each.until) for each in held.fences[1:]),
    ]
    held.server = "another"
    found = await Places(postgres, Fixed({MAIN_RANKING: held})).find(MAIN, None, users)
    assert [found.places[user].rank for user in users] == list(range(1, 11))


async def test_where_a_ranking_is_not_held_ranks_end_at_the_thousandth(
    database_url: str, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (counting, room):
        monkeypatch.setattr(module, "RANKS_MAX", 3, raising=False)
    users = a_ladder(database_url, 5)
    places = Places(postgres, Fixed(), wait_seconds=0)

    found = await places.find(MAIN, None, users)
    assert [found.places[user].rank for user in users] == [1, 2, 3, None, None]
    assert [found.places[user].dense_rank for user in users] == [1, 2, 3, 4, 5]
    assert (found.total, found.percentile(found.places[users[0]])) == (None, None)
    window = await places.window(MAIN, None, users[4], 2)
    assert [each.user_id for each in window.entries] == users
    assert {each.rank for each in window.entries} == {None}
    assert window.place == window.entries[4]
    page = await places.page(MAIN, None, rank=3, limit=9)
    assert [each.rank for each in page.entries] == [3, 4, 5]
    with pytest.raises(Unavailable, match="being counted"):
        await places.page(MAIN, None, rank=4, limit=1)
    sql(database_url, "DELETE FROM scores WHERE score < 3")
    few = await places.find(MAIN, None, users)
    assert (few.total, rank_above(few.places.values())) == (2, None)


def a_ladder(database_url: str, count: int) -> list[str]:
    """Users of whom each has one point less than the one before; the last has none."""
    users = add_users(database_url, count)
    sql(
        database_url,
        "INSERT INTO scores (user_id, score, updated_at)"
        " SELECT user_id, %s - n, %s FROM unnest(%s::uuid[]) WITH ORDINALITY AS users (user_id, n)",
        (count, BEGIN, users),
    )
    return users


@pytest.mark.parametrize("statement", ["find_places", "list_around_user", "list_from_rank"])
@pytest.mark.parametrize("board", ["main", "low"])
async def test_a_place_deep_in_a_tie_costs_a_part_of_the_index(
    database_url: str, postgres: Postgres, statement: str, board: str
) -> None:
    """Twenty thousand with one score are the worst case: they differ by moments alone."""
    add_board(database_url, "low", (BEGIN, None), direction="low", operator="best")
    [(season_id,)] = sql(database_url, "SELECT season_id FROM boards WHERE board_id = 'low'")
    users = add_users(database_url, 20_000)
    ranking_id = MAIN_RANKING if board == MAIN else RankingId(season_id)
    for entries in ("scores (user_id,", "season_entries (season_id, user_id,"):
        season = f"{season_id}, " if "season" in entries else ""
        sql(
            database_url,
            f"INSERT INTO {entries} score, updated_at) SELECT {season}user_id, -7,"
            " %s + make_interval(secs => n)"
            " FROM unnest(%s::uuid[]) WITH ORDINALITY AS users (user_id, n)",
            (BEGIN, users),
        )
    sql(database_url, "ANALYZE users, scores, season_entries")
    held = await fenced(postgres, ranking_id, 1024)
    said: dict[str, Any] = {"board_id": board, "season_id": season_id, "ahead": 10, "behind": 11}
    user = users[15_000]
    [(key,)] = sql(
        database_url,
        "SELECT ranking_key(-7, %s, %s)",
        (BEGIN + timedelta(seconds=15_001), user),
    )
    anchors = [*counting.near(held, [bytes(key)]), *counting.near_rank(held, 15_001)]
    said |= {"user_ids": [user], "rank": 15_001} | counting.basis(ranking_id, held, anchors)

    text = room.SQL if board == MAIN else room._SQL_OF_OTHERS
    explain = f"EXPLAIN (ANALYZE, TIMING OFF) {text[statement]}"
    plan = "\n".join(line for (line,) in sql(database_url, explain, said))
    read = [int(part.split(" ")[0]) for part in plan.split("actual rows=")[1:]]
    assert max(read) < 2 * 1024, plan
    assert "Seq Scan on scores" not in plan, plan
    assert "Seq Scan on season_entries" not in plan, plan


@pytest.mark.parametrize("is_filled", [False, True])
@pytest.mark.parametrize(
    "each",
    [*room.OF_MAIN.values(), *room.OF_OTHERS.values()],
    ids=lambda each: each.execute.split()[1],
)
async def test_no_plan_reads_a_whole_table_whatever_it_is_executed_with(
    database_url: str, postgres: Postgres, each: Prepared, is_filled: bool
) -> None:
    """A plan is kept: one that is made while a table is empty has to do for a million rows, and
    none knows how many lines it will be asked for.
    """
    if is_filled:
        add_scores(database_url, 3000)
        sql(database_url, "ANALYZE")
    nothing = dict.fromkeys(re.findall(r"%\((\w+)\)s", each.execute))

    explained = each.execute.replace("EXECUTE", "EXPLAIN EXECUTE", 1)
    async with postgres.session() as session:
        rows = await session.run(room.ALONG_INDEXES + explained, nothing, prepared=(each.prepare,))

    plan = "\n".join(line for (line,) in rows)
    assert not re.search(r"Seq Scan on (users|scores|season_entries|movements)\b", plan), plan
    assert not re.search(r"Hash.*\n[^(]*Scan (on|using \w+ on) users", plan), plan


async def test_no_more_lines_are_asked_for_than_are_read(postgres: Postgres) -> None:
    places = Places(postgres, Fixed())
    with pytest.raises(ValueError, match="103 lines"):
        await places.window(MAIN, None, "00000000-0000-0000-0000-000000000000", 51)
    with pytest.raises(ValueError, match="102 lines"):
        await places.page(MAIN, None, limit=101)
