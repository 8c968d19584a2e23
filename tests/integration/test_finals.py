"""Final boards after corrections, on a real PostgreSQL: as they are derived, and named as today."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from scoreboard.connections.postgres import Postgres
from scoreboard.ledger.definitions import Definitions, Kept
from scoreboard.ledger.ledger import Ledger
from scoreboard.ledger.moderation import Moderation, Order
from scoreboard.model import Submission
from tests.eventually import eventually
from tests.integration.ledger_world import DAILY, LEAST, renamed
from tests.world import add_actions, add_users, holding, sql, waits_for_lock

ORDER = Order("operator:test", "a test")
POINTS = {"run": 50, "jump": 20, "hop": 5}


@pytest.fixture
async def moderation(database_url: str) -> AsyncIterator[Moderation]:
    writers = Postgres(database_url, sessions=2, timeout_seconds=10.0, name="test.moderation")
    try:
        yield Moderation(writers)
    finally:
        writers.close()


async def _a_final(ledger: Ledger, definitions: Definitions, database_url: str) -> list[str]:
    """Three users, of whom a final board of two places names the first two. `least`, on which low
    scores win, has the same players and the last one first.
    """
    users = add_users(database_url, 3)
    add_actions(database_url, POINTS)
    await definitions.add([replace(DAILY, size=2), replace(LEAST, size=2)])
    for user, action in zip(users, POINTS, strict=True):
        await ledger.grant([Submission(user, action)])
    for board_id in (DAILY.board_id, LEAST.board_id):
        await definitions.close_season(board_id)
    return users


def _forget_entries(database_url: str) -> None:
    """The time is over for which entries of seasons are kept, and they are gone."""
    sql(database_url, "UPDATE boards SET keep_full_seconds = 0 WHERE board_id <> 'main'")
    sql(
        database_url,
        "DELETE FROM season_entries USING seasons WHERE state = 'final'"
        " AND season_entries.season_id = seasons.season_id",
    )


def _lines(kept: Kept) -> list[tuple[str, int]]:
    return [(entry.user_id, entry.score) for entry, _ in kept.entries]


async def _seasons(definitions: Definitions) -> tuple[Kept, Kept]:
    """The first season of both boards. What was kept of it follows from the ledger."""
    for board_id in (DAILY.board_id, LEAST.board_id):
        assert await definitions.verify_season(board_id, 1) == []
    daily = await definitions.season(DAILY.board_id, 1)
    return daily, await definitions.season(LEAST.board_id, 1)


@pytest.mark.parametrize("are_kept", [True, False])
async def test_a_hidden_user_leaves_final_boards_and_stands_there_again_once_shown(
    ledger: Ledger,
    definitions: Definitions,
    moderation: Moderation,
    database_url: str,
    are_kept: bool,
) -> None:
    """Whether or not the entries of the season are kept."""
    users = await _a_final(ledger, definitions, database_url)
    if not are_kept:
        _forget_entries(database_url)
    before = daily, least = await _seasons(definitions)
    assert _lines(daily) == [(users[0], 50), (users[1], 20)]
    assert _lines(least) == [(users[2], 5), (users[1], 20)]

    await moderation.hide(users[1], ORDER)
    daily, least = await _seasons(definitions)
    assert _lines(daily) == [(users[0], 50), (users[2], 5)]
    assert _lines(least) == [(users[2], 5), (users[0], 50)]
    assert daily.digest != before[0].digest

    await moderation.show(users[1], ORDER)
    assert await _seasons(definitions) == before


@pytest.mark.parametrize("are_kept", [True, False])
async def test_a_correction_of_a_final_season_is_on_its_board_and_on_the_one_that_shows_it(
    ledger: Ledger,
    definitions: Definitions,
    moderation: Moderation,
    database_url: str,
    are_kept: bool,
) -> None:
    users = await _a_final(ledger, definitions, database_url)
    if not are_kept:
        _forget_entries(database_url)
    before = await ledger.board(DAILY.board_id)
    least = await definitions.season(LEAST.board_id, 1)

    done = await moderation.correct(users[2], DAILY.board_id, 30, ORDER, season=1)

    daily, same = await _seasons(definitions)
    assert _lines(daily) == [(users[0], 50), (users[2], 35)]
    assert same == least
    [board] = done.boards
    assert board == await ledger.board(DAILY.board_id)
    assert board.version > before.version
    assert board.before is not None
    assert [(entry.user_id, entry.score) for entry in board.before.entries] == _lines(daily)
    listed = await definitions.seasons(DAILY.board_id, limit=9)
    assert [season.digest for season in listed] == [None, None, daily.digest]


async def test_a_grant_that_is_taken_back_is_on_no_final_board(
    ledger: Ledger, definitions: Definitions, moderation: Moderation, database_url: str
) -> None:
    users = await _a_final(ledger, definitions, database_url)
    await moderation.revoke_grant(users[0], "run", ORDER)
    daily, _ = await _seasons(definitions)
    assert [user for user, score in _lines(daily) if score] == [users[1], users[2]]


async def test_a_renamed_user_has_the_new_name_on_final_boards_with_their_digests(
    ledger: Ledger, definitions: Definitions, database_url: str
) -> None:
    """The board that shows one as the season before gets a higher version, though the user is not
    on it now.
    """
    users = await _a_final(ledger, definitions, database_url)
    before = await ledger.board(DAILY.board_id)
    digest = (await definitions.season(DAILY.board_id, 1)).digest

    done = await renamed(database_url, users[0], "ada")

    daily = await definitions.season(DAILY.board_id, 1)
    assert [entry.username for entry, _ in daily.entries] == ["ada", "player1"]
    assert daily.digest == digest
    boards = {board.board_id: board for board in done.boards}
    assert boards[DAILY.board_id] == await ledger.board(DAILY.board_id)
    assert boards[DAILY.board_id].version == before.version + 1
    ended = boards[DAILY.board_id].before
    assert ended is not None
    assert [entry.username for entry in ended.entries] == ["ada", "player1"]


async def test_who_is_renamed_while_another_is_keeps_the_others_new_name_on_final_boards(
    ledger: Ledger, definitions: Definitions, database_url: str
) -> None:
    users = await _a_final(ledger, definitions, database_url)
    other = (
        f"UPDATE users SET username = 'bob' WHERE user_id = '{users[1]}';"
        "UPDATE seasons SET final = jsonb_set(final, '{1,username}', '\"bob\"')"
        " WHERE board_id = 'daily' AND number = 1"
    )
    with holding(database_url, other) as renaming:
        task = asyncio.ensure_future(renamed(database_url, users[0], "ada"))
        await eventually(lambda: task.done() or waits_for_lock(database_url))
        renaming.commit()
        await task
    daily = await definitions.season(DAILY.board_id, 1)
    assert [entry.username for entry, _ in daily.entries] == ["ada", "bob"]


async def test_an_erased_user_leaves_lines_of_final_boards_under_a_neutral_name(
    ledger: Ledger, definitions: Definitions, moderation: Moderation, database_url: str
) -> None:
    users = await _a_final(ledger, definitions, database_url)
    await moderation.erase(users[0], ORDER)
    for kept, place, score in zip(await _seasons(definitions), (0, None), (50, None), strict=True):
        names = [entry.username for entry, _ in kept.entries]
        if place is not None:
            assert names[place].startswith("erased-")
            assert kept.entries[place][0].score == score
    [(mentioned,)] = sql(
        database_url,
        "SELECT count(*) FROM seasons WHERE strpos(final::text, %s) + strpos(final::text, %s) > 0",
        (users[0], "player0"),
    )
    assert mentioned == 0


async def test_a_removed_user_is_on_no_final_board(
    ledger: Ledger, definitions: Definitions, database_url: str
) -> None:
    users = await _a_final(ledger, definitions, database_url)
    await ledger.remove_users([users[0]])
    daily, _ = await _seasons(definitions)
    assert _lines(daily) == [(users[1], 20), (users[2], 5)]
