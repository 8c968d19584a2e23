"""Results on a real PostgreSQL: each receipt counts once, in the season in which it was played, and
what boards show is what was recorded, whatever happens beside it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from scoreboard.connections.postgres import Postgres
from scoreboard.errors import ReceiptUsed, ScoreboardError, UnknownReceipt
from scoreboard.ledger.definitions import Definitions
from scoreboard.ledger.ledger import Ledger
from scoreboard.ledger.moderation import Moderation, Order
from scoreboard.ledger.receipts import Recorded, Result
from scoreboard.ledger.results import Results, Verdict
from scoreboard.model import MAIN, BoardId, Submission
from tests.integration.ledger_world import a_ledger
from tests.world import add_actions, add_board, add_users, entries, holding, scores, sql

DAY: Final = timedelta(days=1)
MINUTE: Final = timedelta(minutes=1)
WHY: Final = Order("operator:test", "Impossible scores")
NOBODY: Final = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def others(database_url: str) -> AsyncIterator[Postgres]:
    """The connections of a second instance."""
    made = Postgres(database_url, sessions=4, timeout_seconds=5, name="test.others")
    yield made
    made.close()


@pytest.fixture
async def ledger(database_url: str) -> AsyncIterator[Ledger]:
    async with a_ledger(database_url) as made:
        yield made


@pytest.fixture
def results(postgres: Postgres) -> Results:
    return Results(postgres, postgres)


def result(receipt: str, user: str, value: int = 10, board: str = "weekly", **other: Any) -> Result:
    return Result("arena", receipt, user, board, value, **other)


def word(verdict: Verdict) -> str:
    if isinstance(verdict, ScoreboardError):
        return verdict.code
    return "repeated" if verdict.is_repeated else "recorded"


async def words(results: Results, *sent: Result) -> list[str]:
    verdicts, _ = await results.record(sent)
    return [word(verdict) for verdict in verdicts]


def now() -> datetime:
    return datetime.now(UTC)


def add_weekly(database_url: str, **columns: Any) -> None:
    """A board whose season began a day ago, after one that ended then and closed."""
    seasons = (now() - 2 * DAY, now() - DAY), (now() - DAY, now() + DAY)
    add_board(database_url, "weekly", *seasons, **columns)


async def test_each_of_a_batch_is_judged_by_itself_and_the_others_count(
    results: Results, ledger: Ledger, database_url: str
) -> None:
    ada, banned, hidden = add_users(database_url, 3)
    sql(database_url, "UPDATE users SET banned_at = now() WHERE user_id = %s", (banned,))
    sql(database_url, "UPDATE users SET hidden_at = now() WHERE user_id = %s", (hidden,))
    add_weekly(database_url, value_max=100)
    add_board(database_url, "best", (now() - DAY, None), operator="best", value_min=-5)
    add_board(database_url, "low", (now() - DAY, None), operator="best", direction="low")
    add_board(database_url, "over", (now() - DAY, None), closed_at=now())
    await ledger.turn()
    sent = {
        result("1", ada): "recorded",
        result("2", ada, 101): "value_out_of_range",
        result("3", ada, -1): "value_out_of_range",
        result("4", NOBODY): "unknown_user",
        result("5", banned): "banned",
        result("6", hidden, 99): "recorded",
        result("7", ada, board="nowhere"): "unknown_board",
        result("8", ada, board="over"): "board_closed",
        result("9", ada, played_at=now() + 2 * MINUTE): "played_in_future",
        result("10", ada, played_at=now() + timedelta(seconds=30)): "recorded",
        result("11", ada, played_at=now() - 1.5 * DAY): "season_closed",
        result("12", ada, played_at=now() - 9 * DAY): "no_season",
        result("13", ada, 5, "main"): "recorded",
        result("14", ada, -5, "best"): "recorded",
        result("15", ada, -3, "best"): "recorded",
        result("16", ada, 40, "low"): "recorded",
        result("17", ada, 30, "low"): "recorded",
        result("18", ada, 2**31 - 5, "main"): "value_out_of_range",
        result("19", ada, 2**31 - 7, "main"): "recorded",
        # One receipt several times: the first that can be recorded is.
        result("20", ada, 101): "value_out_of_range",
        result("20", ada, 50): "recorded",
        result("20", ada, 51): "receipt_used",
        result("20", ada, 50, trace="again"): "repeated",
        replace(result("20", ada, 1), source="other"): "recorded",
    }
    sql(database_url, "UPDATE boards SET value_max = 2147483641 WHERE board_id = 'main'")
    assert await words(results, *sent) == list(sent.values())
    assert entries(database_url, "weekly", 2) == {ada: 10 + 10 + 50 + 1, hidden: 99}
    assert (entries(database_url, "best"), entries(database_url, "low")) == ({ada: -3}, {ada: -30})
    assert scores(database_url) == {ada: 2**31 - 2}
    [board] = await ledger.boards([BoardId("weekly")])
    assert [entry.user_id for entry in board.entries] == [ada]  # and nobody hidden
    for board_id in (MAIN, "weekly", "best", "low"):
        assert await ledger.differences(BoardId(board_id)) == []

    # What would pass the largest score is refused alone, and what fits beside it counts.
    too_much = [result(f"m{i}", ada, value, "main") for i, value in enumerate((1, 7, 0))]
    assert await words(results, *too_much) == ["recorded", "score_out_of_range", "recorded"]
    assert scores(database_url) == {ada: 2**31 - 1}


async def test_a_repeat_answers_what_was_recorded_whatever_happened_since(
    results: Results, postgres: Postgres, database_url: str
) -> None:
    ada, bob = add_users(database_url, 2)
    add_weekly(database_url)
    ahead = now() + timedelta(seconds=30)
    first, second = result("a", ada, 10), result("b", bob, 20, played_at=ahead)
    recorded, _ = await results.record([first, second])
    moderation = Moderation(postgres)
    await moderation.revoke_result("arena", "a", WHY)
    await moderation.ban(ada, WHY)
    await moderation.erase(bob, WHY)
    sql(
        database_url, "UPDATE boards SET closed_at = now(), value_max = 5 WHERE board_id = 'weekly'"
    )
    sql(
        database_url,
        "UPDATE seasons SET state = 'final', final = '[]', digest = repeat('0', 64)"
        " WHERE board_id = 'weekly'",
    )
    before = sql(database_url, "SELECT * FROM season_entries ORDER BY 1, 2")

    repeated, changes = await results.record([first, second])
    for was, verdict in zip(recorded, repeated, strict=True):
        assert isinstance(was, Recorded)
        assert isinstance(verdict, Recorded)
        assert verdict.is_repeated
        assert verdict.played_at == was.played_at == was.recorded_at
        assert (verdict.season, verdict.value) == (was.season, was.value)
    assert isinstance(repeated[1], Recorded)
    assert repeated[1].user_id is None  # nobody learns under which id an erased user's are kept
    assert changes.boards == {}
    assert sql(database_url, "SELECT * FROM season_entries ORDER BY 1, 2") == before
    assert (await results.find("arena", "a")).revoked_at is not None
    with pytest.raises(UnknownReceipt):
        await results.find("other", "a")

    # Other content under the same receipt changes nothing, and is answered with the original.
    for other in (
        replace(first, user_id=bob),
        replace(first, value=11),
        replace(first, board_id="main"),
        replace(first, played_at=now() - MINUTE),
    ):
        [verdict], _ = await results.record([other])
        assert isinstance(verdict, ReceiptUsed)
        assert verdict.original == repeated[0]


async def test_late_results_count_in_the_season_that_they_were_played_in(
    results: Results, ledger: Ledger, definitions: Definitions, database_url: str
) -> None:
    """Its final board is written anew and shown, and ties go by when a score was reached."""
    ada, bob, cleo = add_users(database_url, 3)
    add_board(
        *(database_url, "weekly", (now() - 2 * DAY, now() - DAY), (now() - DAY, now() + DAY)),
        operator="best",
        grace_seconds=2 * 24 * 3600,
        size=2,
    )
    at = now() - 1.5 * DAY
    # Before any turn: the season has ended, and nobody has written that down.
    assert await words(results, result("a", ada, 50, played_at=at)) == ["recorded"]
    assert entries(database_url, "weekly", 1) == {ada: 50}
    await ledger.turn()

    async def final() -> list[tuple[str, int]]:
        kept = await definitions.season(BoardId("weekly"), 1)
        return [(entry.user_id, entry.score) for entry, _ in kept.entries]

    assert await final() == [(ada, 50)]
    sent = [
        result("b", bob, 50, played_at=at - MINUTE),
        result("c", cleo, 40, played_at=at),
        result("d", cleo, 49, played_at=at + MINUTE),
        result("e", bob, 50, played_at=at + MINUTE),
    ]
    verdicts, changes = await results.record(sent)
    assert {verdict.season for verdict in verdicts if isinstance(verdict, Recorded)} == {1}
    assert await final() == [(bob, 50), (ada, 50)]
    before = changes.boards[BoardId("weekly")].before
    assert before is not None
    assert [entry.user_id for entry in before.entries] == [bob, ada]
    assert entries(database_url, "weekly", 2) == {}
    assert await ledger.differences(BoardId("weekly")) == []


async def test_the_best_counts_with_corrections_also_where_there_were_only_these(
    results: Results, postgres: Postgres, ledger: Ledger, database_url: str
) -> None:
    ada, bob = add_users(database_url, 2)
    add_board(database_url, "low", (now() - DAY, None), operator="best", direction="low")
    moderation, low = Moderation(postgres), BoardId("low")
    assert await words(results, result("a", ada, 40, "low")) == ["recorded"]
    await moderation.correct(ada, low, 5, WHY)
    await moderation.correct(bob, low, 5, WHY)
    assert entries(database_url, "low") == {ada: -45, bob: -5}
    sent = [result("b", ada, 38, "low"), result("c", bob, 60, "low"), result("d", ada, 39, "low")]
    assert await words(results, *sent) == ["recorded"] * 3
    assert entries(database_url, "low") == {ada: -43, bob: -65}
    assert await ledger.differences(low) == []


async def test_one_receipt_from_everywhere_at_once_counts_once_beside_grants_turns_and_bans(
    results: Results, others: Postgres, ledger: Ledger, database_url: str
) -> None:
    """Batches of two instances share receipts, users and boards in every order; each receipt is
    recorded by one of them, and the others are told what was recorded.
    """
    users = add_users(database_url, 5)
    add_actions(database_url, {f"act{n}": 7 for n in range(10)})
    add_board(
        *(database_url, "weekly", (now() - DAY, now() + 0.5 * timedelta(seconds=1))),
        (now() + 0.5 * timedelta(seconds=1), now() + DAY),
        grace_seconds=3600,
    )
    add_board(database_url, "low", (now() - DAY, None), operator="best", direction="low", size=3)
    chosen = random.Random(13)
    sent = [
        result(f"r{n}", chosen.choice(users), n % 17, chosen.choice(("weekly", "low", "main")))
        for n in range(120)
    ]
    elsewhere = Results(others, others)
    told: dict[str, list[Verdict]] = {}

    async def log(one: Results, seed: int) -> None:
        mine = list(sent)
        random.Random(seed).shuffle(mine)
        for at in range(0, len(mine), 30):
            verdicts, _ = await one.record(mine[at : at + 30])
            for each, verdict in zip(mine[at : at + 30], verdicts, strict=True):
                told.setdefault(each.receipt, []).append(verdict)

    async def play() -> None:
        for n in range(10):
            await ledger.grant([Submission(user, f"act{n}") for user in users])
            await ledger.turn()

    async def moderate() -> None:
        moderation = Moderation(others)
        for _ in range(3):
            await moderation.hide(users[0], WHY)
            await moderation.show(users[0], WHY)
            await moderation.correct(users[1], BoardId("weekly"), 3, WHY)

    logs = [log(one, seed) for seed, one in enumerate((results, elsewhere) * 3)]
    await asyncio.gather(*logs, play(), moderate())

    for receipt, verdicts in told.items():
        assert sorted(map(word, verdicts)) == ["recorded", *["repeated"] * 5], receipt
    for board_id in (MAIN, BoardId("weekly"), BoardId("low")):
        assert await ledger.differences(board_id) == []
    reached = dict.fromkeys(users, 70)
    for each in sent:
        reached[each.user_id] += each.value if each.board_id == "main" else 0
    assert scores(database_url) == reached
    # A log that is sent again adds nothing, and no board changes by it.
    versions = sql(database_url, "SELECT board_id, version FROM boards ORDER BY 1")
    assert set(await words(results, *sent)) == {"repeated"}
    assert sql(database_url, "SELECT board_id, version FROM boards ORDER BY 1") == versions


async def test_a_receipt_that_is_being_recorded_elsewhere_is_waited_for(
    results: Results, others: Postgres, database_url: str
) -> None:
    """The other one may still be rolled back, and then this one counts."""
    [ada] = add_users(database_url, 1)
    add_weekly(database_url)
    statement = (
        "INSERT INTO results (source, receipt, user_id, board_id, season_id, value, played_at,"
        f" recorded_at) SELECT 'arena', 'a', '{ada}', 'weekly', season_id, 10, now(), now()"
        " FROM seasons WHERE board_id = 'weekly' AND number = 2"
    )
    for ends, said in (("rollback", "recorded"), ("commit", "repeated")):
        sql(database_url, "DELETE FROM results")
        with holding(database_url, statement) as other:
            task = asyncio.ensure_future(words(results, result("a", ada)))
            await asyncio.wait([task], timeout=0.3)
            assert not task.done()
            getattr(other, ends)()
            assert await task == [said]


async def test_who_is_banned_while_a_result_is_under_way_is_refused(
    results: Results, database_url: str
) -> None:
    [ada] = add_users(database_url, 1)
    add_weekly(database_url)
    ban = f"UPDATE users SET banned_at = now(), hidden_at = now() WHERE user_id = '{ada}'"
    held = f"SELECT FROM users WHERE user_id = '{ada}' FOR UPDATE; {ban}"
    with holding(database_url, held) as moderator:
        task = asyncio.ensure_future(words(results, result("a", ada)))
        await asyncio.wait([task], timeout=0.3)
        moderator.commit()
        assert await task == ["banned"]
