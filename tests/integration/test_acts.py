"""What each act of moderation does to scores, boards, finals and the audit."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session import StatementRefused
from scoreboard.errors import (
    AlreadyRevoked,
    NotGranted,
    ScoreboardError,
    ScoreOutOfRange,
    UnknownAction,
    UnknownBoard,
    UnknownReceipt,
    UnknownSeason,
    UnknownUser,
)
from scoreboard.ledger.definitions import Definitions
from scoreboard.ledger.ledger import Ledger
from scoreboard.ledger.moderation import Moderation, Order
from scoreboard.model import MAIN, BoardId, Submission
from scoreboard.seasons.definition import Definition
from tests.eventually import eventually
from tests.integration.fall_world import ORDER
from tests.trust_reckoning import Auditor
from tests.world import (
    add_actions,
    add_board,
    add_users,
    entries,
    holding,
    put_back,
    scores,
    sql,
    waiting_for_locks,
    waits_for_lock,
)

HOUR = timedelta(hours=1)
DAILY, BEST, LOW = BoardId("daily"), BoardId("best"), BoardId("low")
ALL = BoardId("all")
NOBODY = "00000000-0000-4000-8000-000000000000"
NAMES = "SELECT username FROM users WHERE user_id = %s"


@pytest.fixture
def moderation(postgres: Postgres) -> Moderation:
    return Moderation(postgres)


@pytest.fixture
async def users(ledger: Ledger, database_url: str) -> list[str]:
    """Three users with 50, 20 and 7 points on `main` and in the second seasons of three boards;
    the first two have 3 points in the first season of `daily`, which is final.
    """
    users = add_users(database_url, 3)
    add_actions(database_url, {"run": 50, "jump": 20, "hop": 7, "old": 3})
    now = datetime.now(UTC)
    add_board(database_url, DAILY, (now - HOUR, now + HOUR), (now + HOUR, now + 2 * HOUR), size=2)
    await ledger.grant([Submission(user, "old") for user in users[:2]])
    put_back(database_url, DAILY, HOUR)
    await ledger.turn()
    add_board(database_url, BEST, (now, now + HOUR), operator="best", size=1)
    add_board(database_url, LOW, (now, now + HOUR), operator="best", direction="low", size=3)
    granted = zip(users, ("run", "jump", "hop"), strict=True)
    await ledger.grant([Submission(user, action) for user, action in granted])
    return users


async def shown(ledger: Ledger, board_id: BoardId = MAIN) -> dict[str, int]:
    return {entry.user_id: entry.score for entry in (await ledger.board(board_id)).entries}


def final(database_url: str) -> list[tuple[str, str, int]]:
    """The lines of the first season of `daily`."""
    [(lines,)] = sql(
        database_url, "SELECT final FROM seasons WHERE board_id = 'daily' AND number = 1"
    )
    return [(line["userId"], line["username"], line["score"]) for line in lines]


async def test_who_is_hidden_is_on_no_board_and_is_back_when_shown_again(
    ledger: Ledger, moderation: Moderation, users: list[str], database_url: str
) -> None:
    before = final(database_url)

    done = await moderation.hide(users[0], ORDER)
    for board in done.boards:
        assert users[0] not in {entry.user_id for entry in board.entries}
    assert {board.board_id for board in done.boards} == {MAIN, DAILY, BEST, LOW}
    assert await shown(ledger, BEST) == {users[1]: 20}
    assert [user for user, *_ in final(database_url)] == [users[1]]
    await ledger.grant([Submission(users[0], "jump")])
    await moderation.ban(users[0], ORDER)
    await moderation.show(users[0], ORDER)
    assert users[0] not in await shown(ledger)  # the ban holds

    done = await moderation.unban(users[0], ORDER)
    assert await shown(ledger) == {users[0]: 73, users[1]: 23, users[2]: 7}
    assert await shown(ledger, BEST) == {users[0]: 50}
    assert await shown(ledger, LOW) == {users[2]: 7, users[0]: 20, users[1]: 20}
    assert final(database_url) == before
    Auditor(database_url).look()


async def test_a_correction_changes_one_season_of_one_board_and_stays_in_range(
    ledger: Ledger, moderation: Moderation, users: list[str], database_url: str
) -> None:
    await moderation.correct(users[2], MAIN, 100, ORDER)
    await moderation.correct(users[0], BEST, -20, ORDER)
    await moderation.correct(users[1], LOW, -20, ORDER)
    await moderation.correct(users[2], DAILY, 2, ORDER, season=1)
    await moderation.correct(users[1], DAILY, -3, ORDER, season=1)

    assert await shown(ledger) == {users[2]: 107, users[0]: 53, users[1]: 23}
    assert await shown(ledger, BEST) == {users[0]: 30}
    assert await shown(ledger, LOW) == {users[1]: 0, users[2]: 7, users[0]: 50}
    assert await shown(ledger, DAILY) == {users[0]: 50, users[1]: 20}
    assert [(user, score) for user, _, score in final(database_url)] == [
        (users[0], 3),
        (users[2], 2),
    ]
    Auditor(database_url).look()
    before = sql(database_url, "SELECT count(*) FROM audit"), scores(database_url)
    for board_id, points in (
        (MAIN, -54),
        (MAIN, 2**31 - 1),
        (MAIN, 2**63),
        (LOW, -51),
        (DAILY, 2**53),
    ):
        with pytest.raises(ScoreOutOfRange):
            await moderation.correct(users[0], board_id, points, ORDER)
    for board_id, season, error in (
        (BoardId("nobody"), None, UnknownBoard),
        (DAILY, 3, UnknownSeason),
        (MAIN, 2, UnknownSeason),
    ):
        with pytest.raises(error):
            await moderation.correct(users[0], board_id, 1, ORDER, season=season)
    assert (sql(database_url, "SELECT count(*) FROM audit"), scores(database_url)) == before
    assert sql(database_url, "SELECT count(*) FROM boards WHERE falling_at IS NOT NULL") == [(0,)]


async def test_a_grant_is_revoked_wherever_it_counts_and_is_never_granted_again(
    ledger: Ledger, moderation: Moderation, users: list[str], database_url: str
) -> None:
    await ledger.grant([Submission(users[0], "jump")])
    await ledger.rename_action("run", "sprint")

    await moderation.revoke_grant(users[0], "run", ORDER)
    await moderation.revoke_grant(users[1], "old", ORDER)
    await moderation.revoke_grant(users[2], "hop", ORDER)

    assert await shown(ledger) == {users[0]: 23, users[1]: 20}
    assert await shown(ledger, BEST) == {users[1]: 20}  # who had it before the other one's rest
    assert entries(database_url, BEST) == {users[0]: 20, users[1]: 20}
    assert await shown(ledger, DAILY) == {users[0]: 20, users[1]: 20}
    assert await shown(ledger, LOW) == {users[0]: 20, users[1]: 20}
    assert [user for user, *_ in final(database_url)] == [users[0]]
    settlement = await ledger.grant([Submission(users[2], "hop")])
    assert not isinstance(settlement.verdicts[users[2], "hop"], type(None))
    assert users[2] not in scores(database_url)
    for user, action, error in (
        (users[0], "sprint", AlreadyRevoked),
        (users[2], "jump", NotGranted),
        (users[2], "fly", UnknownAction),
        (NOBODY, "run", UnknownUser),
    ):
        with pytest.raises(error):
            await moderation.revoke_grant(user, action, ORDER)
    Auditor(database_url).look()


async def test_a_result_is_revoked_on_its_board_and_its_receipt_stays_used(
    ledger: Ledger, moderation: Moderation, users: list[str], database_url: str
) -> None:
    for board_id, value in ((DAILY, 9), (BEST, 70), (MAIN, 1)):
        sql(
            database_url,
            "INSERT INTO results"
            " (source, receipt, user_id, board_id, season_id, value, played_at, recorded_at)"
            " SELECT 'game', board_id, %s, board_id, season_id, %s, now(), now()"
            " FROM boards WHERE board_id = %s",
            (users[1], value, board_id),
        )
        await ledger.rebuild(board_id=board_id)
    assert await shown(ledger, BEST) == {users[1]: 70}
    assert (await shown(ledger, DAILY))[users[1]] == 29

    for board_id in (DAILY, BEST, MAIN):
        done = await moderation.revoke_result("game", board_id, ORDER)
        assert [board.board_id for board in done.boards] == [board_id]
    assert await shown(ledger, BEST) == {users[0]: 50}
    assert (await shown(ledger, DAILY))[users[1]] == 20
    assert (await shown(ledger))[users[1]] == 23
    with pytest.raises(AlreadyRevoked):
        await moderation.revoke_result("game", DAILY, ORDER)
    with pytest.raises(UnknownReceipt):
        await moderation.revoke_result("other", DAILY, ORDER)
    Auditor(database_url).look()


@pytest.mark.parametrize("was_hidden", [False, True])
async def test_who_is_erased_leaves_scores_to_nobody_and_lines_of_final_boards_to_a_neutral_name(
    ledger: Ledger, moderation: Moderation, users: list[str], database_url: str, was_hidden: bool
) -> None:
    await moderation.rename(users[0], "Ada", "ada", ORDER)
    assert (users[0], "Ada", 3) in final(database_url)
    total = sum(scores(database_url).values())
    if was_hidden:
        await moderation.hide(users[0], ORDER)

    done = await moderation.erase(users[0], replace(ORDER, made_by="user"))

    assert sum(scores(database_url).values()) == total
    for board in done.boards:
        assert "erased" not in repr(board.entries)
        assert users[0] not in repr(board.entries)
    assert await shown(ledger) == {users[1]: 23, users[2]: 7}
    nameless = [line for line in final(database_url) if line[0] not in users]
    assert len(final(database_url)) == len(nameless) + 1
    assert [name[:7] for _, name, _ in nameless] == ([] if was_hidden else ["erased-"])
    assert sql(database_url, "SELECT FROM users WHERE user_id = %s", (users[0],)) == []
    assert sql(database_url, "SELECT count(*) FROM audit_names") == [(0,)]
    texts = "SELECT ledger.user_id::text FROM ledger UNION SELECT user_id::text FROM season_entries"
    assert users[0] not in {user for (user,) in sql(database_url, texts)}
    Auditor(database_url).look()
    for board_id in (MAIN, DAILY, BEST, LOW):
        assert await ledger.differences(board_id) == []
    with pytest.raises(UnknownUser):
        await moderation.hide(users[0], ORDER)


async def test_each_act_is_written_down_once_for_each_request(
    ledger: Ledger, moderation: Moderation, users: list[str], postgres: Postgres, database_url: str
) -> None:
    """Also where the same request comes twice at once."""
    order = Order("key_1", "a reason", "nonce")
    other = Moderation(postgres)

    both = await asyncio.gather(
        moderation.correct(users[0], MAIN, 5, order), other.correct(users[0], MAIN, 5, order)
    )
    again = await moderation.correct(users[0], MAIN, 5, order)

    assert sorted(done.is_repeated for done in both) == [False, True]
    assert again.is_repeated
    assert again.boards == ()
    assert {(done.audit_id, done.at, done.user_id) for done in (*both, again)} == {
        (1, again.at, users[0])
    }
    assert (await shown(ledger))[users[0]] == 58
    named = Order("key_2", "a name", "nonce")
    await asyncio.gather(
        moderation.rename(users[0], "Ada", "ada", named),
        other.rename(users[0], "Ada", "ada", named),
    )
    await moderation.erase(users[0], Order("key_1", "asked to", "another"))
    assert (await moderation.erase(users[0], Order("key_1", "asked to", "another"))).is_repeated
    rows = sql(
        database_url,
        "SELECT made_by, act, user_id::text, board_id, season, details, reason FROM audit",
    )
    assert rows == [
        ("key_1", "correct", users[0], MAIN, 1, {"points": 5}, "a reason"),
        ("key_2", "rename", users[0], None, None, {}, "a name"),
        ("key_1", "erase", users[0], None, None, {}, "asked to"),
    ]


async def test_a_rebuild_sets_what_is_wrong_of_scores_and_of_who_is_hidden(
    ledger: Ledger, moderation: Moderation, users: list[str], database_url: str
) -> None:
    await moderation.hide(users[0], ORDER)
    await moderation.correct(users[1], DAILY, 5, ORDER)
    sql(database_url, "UPDATE scores SET hidden = NOT hidden")
    sql(database_url, "UPDATE season_entries SET hidden = FALSE, score = score - 1")
    assert f"user {users[0]}: shown, and is to be hidden" in await ledger.differences()

    for board_id, wrong in ((MAIN, 3), (DAILY, 3), (BEST, 3), (LOW, 3)):
        corrected, board = await ledger.rebuild(board_id=board_id)
        assert corrected == wrong
        assert users[0] not in {entry.user_id for entry in board.entries}
        assert await ledger.differences(board_id) == []
        corrected, again = await ledger.rebuild(board_id=board_id)
        assert (corrected, again.version) == (0, board.version + 1)


async def test_a_name_that_somebody_has_renames_nobody_and_writes_nothing_down(
    moderation: Moderation, users: list[str], database_url: str
) -> None:
    [(taken,)] = sql(database_url, NAMES, (users[1],))
    with pytest.raises(StatementRefused):
        await moderation.rename(users[0], taken, taken, ORDER)
    assert sql(database_url, "SELECT count(*) FROM audit") == [(0,)]


async def test_a_board_that_is_added_counts_nothing_that_was_revoked_and_shows_nobody_hidden(
    ledger: Ledger,
    moderation: Moderation,
    users: list[str],
    definitions: Definitions,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither before it is counted, nor meanwhile."""
    more = add_users(database_url, 40, "more")
    add_actions(database_url, {"skip": 1})
    await ledger.grant([Submission(user, "skip") for user in more])
    for rows in ("_ROWS_AT_ONCE", "_ROWS_FIRST", "_ROWS_MIN"):
        monkeypatch.setattr(f"scoreboard.ledger.preparation.{rows}", 30)
    await moderation.revoke_grant(users[0], "old", ORDER)
    await moderation.hide(more[0], ORDER)

    async def moderate() -> None:
        meanwhile = Postgres(database_url, sessions=2, timeout_seconds=5.0, name="test.meanwhile")
        await Moderation(meanwhile).revoke_grant(users[1], "jump", ORDER)
        await Moderation(meanwhile).hide(users[2], ORDER)
        await meanwhile.finish()

    def once(counted: int, rows: int) -> None:
        if counted == 30:  # in a loop of its own, so that it is over before the next rows
            with ThreadPoolExecutor() as thread:
                thread.submit(asyncio.run, moderate()).result()

    await definitions.add([Definition(ALL, "All")], once)

    found = await shown(ledger, ALL)
    assert found[users[0]] == 50
    assert found[users[1]] == 3
    assert not {users[2], more[0]} & found.keys()
    assert await ledger.differences(ALL) == []


async def test_who_is_erased_while_a_board_is_counted_is_counted_under_a_neutral_name(
    ledger: Ledger,
    moderation: Moderation,
    definitions: Definitions,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else what is being counted is about somebody who is gone, and the board is not added."""
    monkeypatch.setattr("scoreboard.ledger.preparation._ROWS_AT_ONCE", 1)
    users = add_users(database_url, 3)
    add_actions(database_url, {"run": 50})
    await ledger.grant([Submission(user, "run") for user in users])
    hold = f"SELECT user_id FROM users WHERE user_id = '{users[0]}' FOR UPDATE"
    with holding(database_url, hold) as held:
        adding = asyncio.create_task(definitions.add([Definition(ALL, "All")]))
        await eventually(lambda: waits_for_lock(database_url))
        erasing = asyncio.create_task(moderation.erase(users[2], ORDER))
        await eventually(lambda: erasing.done() or waiting_for_locks(database_url) == 2)
        held.rollback()
    await adding
    await erasing

    assert (await shown(ledger, ALL)).keys() == set(users[:2])
    assert await ledger.differences(ALL) == []


@pytest.mark.parametrize("act", ["hide", "show", "ban", "unban", "erase"])
async def test_nothing_is_done_to_nobody(
    moderation: Moderation, database_url: str, act: str
) -> None:
    with pytest.raises(ScoreboardError) as raised:
        await getattr(moderation, act)(NOBODY, ORDER)
    assert isinstance(raised.value, UnknownUser)
    assert sql(database_url, "SELECT count(*) FROM audit") == [(0,)]


async def test_a_grant_counts_with_corrections_where_the_best_is_kept(
    ledger: Ledger, moderation: Moderation, users: list[str], database_url: str
) -> None:
    """Also where nothing but corrections counted before."""
    ada, *_ = users
    [dan] = add_users(database_url, 1)
    add_actions(database_url, {"few": 45})
    for user in (ada, dan):
        await moderation.correct(user, LOW, 5, ORDER)
    assert entries(database_url, LOW)[ada] == -55
    assert entries(database_url, LOW)[dan] == -5

    await ledger.grant([Submission(ada, "few"), Submission(dan, "run"), Submission(dan, "few")])
    assert entries(database_url, LOW)[ada] == -50
    assert entries(database_url, LOW)[dan] == -50
    await ledger.grant([Submission(dan, "hop"), Submission(ada, "jump")])
    assert entries(database_url, LOW)[dan] == -12
    assert await ledger.differences(LOW) == []


async def test_a_grant_counts_with_a_correction_that_it_waited_for(
    ledger: Ledger, moderation: Moderation, users: list[str], database_url: str
) -> None:
    ada, *_ = users
    add_actions(database_url, {"few": 45})
    with holding(
        database_url, f"SELECT FROM season_entries WHERE user_id = '{ada}' FOR UPDATE"
    ) as entry:
        correcting = asyncio.create_task(moderation.correct(ada, LOW, 5, ORDER))
        await eventually(lambda: waiting_for_locks(database_url) == 1)
        granting = asyncio.create_task(ledger.grant([Submission(ada, "few")]))
        await eventually(lambda: waiting_for_locks(database_url) == 2)
        entry.rollback()
        await asyncio.gather(correcting, granting)
    assert entries(database_url, LOW)[ada] == -50
    assert await ledger.differences(LOW) == []
