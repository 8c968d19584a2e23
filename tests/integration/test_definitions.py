"""What operators say of boards, on a real PostgreSQL: all of it is kept, or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scoreboard.connections.postgres import Postgres
from scoreboard.errors import UnknownBoard, UnknownSeason
from scoreboard.ledger import preparation
from scoreboard.ledger.defining import RUNNING_MAX, BoardsRefused
from scoreboard.ledger.definitions import Definitions
from scoreboard.ledger.ledger import Ledger
from scoreboard.ledger.transaction import Transaction
from scoreboard.model import MAIN, BoardId, Submission
from scoreboard.seasons.definition import Definition
from scoreboard.seasons.periods import containing
from tests.eventually import eventually
from tests.integration.ledger_world import DAILY, HOUR, JUMPS, LEAST, defined, renamed, under_way
from tests.ledger_clock import LedgerClock
from tests.world import (
    add_actions,
    add_users,
    entries,
    holding,
    put_back,
    sql,
    waits_for_lock,
)


@asynccontextmanager
async def an_operator(database_url: str) -> AsyncIterator[Definitions]:
    postgres = Postgres(database_url, sessions=1, timeout_seconds=5.0, name="test.definitions")
    try:
        yield Definitions(postgres)
    finally:
        await postgres.finish()


async def test_a_new_board_shows_at_once_what_was_granted_before(
    ledger: Ledger, definitions: Definitions, database_url: str
) -> None:
    users = add_users(database_url, 2)
    add_actions(database_url, {"run": 50, "jump": 20})
    await ledger.grant([Submission(users[0], "run"), Submission(users[0], "jump")])
    await ledger.grant([Submission(users[1], "run")])
    now = datetime.now(UTC)
    event = Definition(
        BoardId("event"),
        "Event",
        period="dates",
        seasons=((now - 3 * HOUR, now - 2 * HOUR), (now - HOUR, now + HOUR)),
    )
    later = replace(JUMPS, board_id=BoardId("later"), starts_at=now + HOUR)

    written = await definitions.add([DAILY, JUMPS, LEAST, event, later])

    assert written.added == ("daily", "jumps", "least", "event", "later")
    assert entries(database_url, "daily") == {users[0]: 70, users[1]: 50}
    assert entries(database_url, "jumps") == {users[0]: 20}
    assert entries(database_url, "least") == {users[0]: -20, users[1]: -50}
    assert entries(database_url, "event", 1) == {}
    assert entries(database_url, "event", 2) == {users[0]: 70, users[1]: 50}
    for board in written.boards:
        assert await ledger.board(board.board_id) == board
        assert await ledger.differences(board.board_id) == []
    assert {board.board_id for board in written.boards} == {"daily", "jumps", "least", "event"}
    [tomorrow, today] = await definitions.seasons(DAILY.board_id, limit=9)
    assert (today.starts_at, today.ends_at) == containing("day", DAILY.zone, now)
    assert (today.state, tomorrow.state) == ("running", "upcoming")
    assert tomorrow.starts_at == today.ends_at
    assert (await definitions.season(event.board_id, 1)).season.state == "final"
    assert (await ledger.board(later.board_id)).season is None
    # What comes after counts on, as on a board that was always there.
    await ledger.grant([Submission(users[1], "jump")])
    assert entries(database_url, "daily") == {users[0]: 70, users[1]: 70}
    assert [await ledger.differences(board_id) for board_id in await defined(definitions)] == [
        []
    ] * 6


async def test_boards_are_added_all_or_none_and_everything_wrong_is_named(
    definitions: Definitions, database_url: str
) -> None:
    add_actions(database_url, {"jump": 20})
    await definitions.add([DAILY])
    before = await defined(definitions)

    with pytest.raises(BoardsRefused) as refused:
        await definitions.add([JUMPS, DAILY, JUMPS, replace(LEAST, board_id=MAIN)])
    assert [board_id for board_id, _ in refused.value.problems] == ["daily", "jumps", "main"]
    unknown = replace(JUMPS, actions=("jump", "hop", "skip"))
    with pytest.raises(BoardsRefused, match="jumps: there is no action 'hop', 'skip'"):
        await definitions.add([LEAST, unknown])
    with pytest.raises(BoardsRefused, match="1,001 boards with main"):
        await definitions.add(
            [replace(LEAST, board_id=BoardId(f"b{n}"), title=f"{n}") for n in range(999)]
        )

    assert await defined(definitions) == before


async def test_an_action_counts_on_twenty_boards_that_run_beside_main(
    definitions: Definitions, database_url: str
) -> None:
    add_actions(database_url, {"jump": 20, "run": 50})
    half = RUNNING_MAX // 2
    await definitions.add([replace(LEAST, board_id=BoardId(f"all-{n}")) for n in range(half)])
    jumps = [replace(JUMPS, board_id=BoardId(f"jumps-{n}")) for n in range(half + 1)]

    with pytest.raises(BoardsRefused, match="'jump' would count on 21 boards"):
        await definitions.add(jumps)
    await definitions.add(jumps[:half])
    with pytest.raises(BoardsRefused, match="'jump' would count on 21 boards"):
        await definitions.add([LEAST])
    await definitions.close(jumps[0].board_id)
    await definitions.add([LEAST])
    await definitions.add([replace(JUMPS, board_id=BoardId("runs"), actions=("run",))])


async def test_a_former_id_counts_as_the_action_that_it_means_now(
    ledger: Ledger, definitions: Definitions, database_url: str
) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"hop": 20, "cafe\u0301": 5})
    await ledger.grant([Submission(user, "hop")])
    await ledger.rename_action("hop", "jump")

    await definitions.add([replace(JUMPS, actions=("hop", "jump", "caf\u00e9"))])

    assert (await defined(definitions))[JUMPS.board_id].actions == ("cafe\u0301", "jump")
    assert entries(database_url, "jumps") == {user: 20}
    await ledger.rename_action("jump", "leap")
    assert (await defined(definitions))[JUMPS.board_id].actions == ("cafe\u0301", "leap")
    assert await ledger.differences(JUMPS.board_id) == []


async def test_what_entries_were_made_by_does_not_change(
    definitions: Definitions, database_url: str
) -> None:
    add_actions(database_url, {"jump": 20, "run": 50})
    await definitions.add([DAILY, JUMPS])
    before = {str(each.definition.board_id): each for each in await definitions.all()}
    title = replace(
        DAILY,
        title="Day",
        visibility="token",
        grace_seconds=60,
        keep_full_seconds=9,
        value_min=2,
        value_max=3,
    )

    with pytest.raises(BoardsRefused, match="daily: size and zone cannot change") as refused:
        await definitions.update(
            [replace(title, size=9, zone="UTC"), replace(JUMPS, actions=("run",))]
        )
    assert [board_id for board_id, _ in refused.value.problems] == ["daily", "jumps"]
    with pytest.raises(BoardsRefused, match="least: there is no such board"):
        await definitions.update([title, LEAST])
    assert {str(each.definition.board_id): each for each in await definitions.all()} == before

    written = await definitions.load([title, JUMPS, LEAST])

    assert written.added == ("least",)
    assert written.changed == ("daily",)
    assert written.unchanged == ("jumps",)
    after = {str(each.definition.board_id): each for each in await definitions.all()}
    assert after["daily"].definition == title
    assert after["daily"].defined_at > before["daily"].defined_at
    assert after["jumps"] == before["jumps"]
    # The season that runs closes as was said when it began.
    closing = sql(
        database_url,
        "SELECT closes_at - ends_at FROM seasons WHERE board_id = 'daily' ORDER BY number",
    )
    assert closing == [(timedelta(0),), (timedelta(seconds=60),)]


async def test_a_closed_board_counts_nothing_more_and_stays_readable(
    ledger: Ledger, definitions: Definitions, database_url: str
) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"jump": 20, "run": 50})
    await definitions.add([DAILY])
    await ledger.grant([Submission(user, "run")])
    before = await ledger.board(DAILY.board_id)

    [board] = await definitions.close(DAILY.board_id)
    await ledger.grant([Submission(user, "jump")])

    assert board.version == before.version + 1
    assert board.entries == before.entries
    assert board.season is not None
    assert (board.season.number, board.season.state) == (1, "final")
    assert await ledger.board(DAILY.board_id) == board
    assert await definitions.verify_season(DAILY.board_id, 1) == []
    assert [season.number for season in await definitions.seasons(DAILY.board_id, limit=9)] == [1]
    assert await ledger.turn() == []
    with pytest.raises(BoardsRefused, match="daily: the board was closed at"):
        await definitions.close(DAILY.board_id)
    with pytest.raises(BoardsRefused, match="daily: the board was closed at"):
        await definitions.load([DAILY])
    with pytest.raises(BoardsRefused, match="main: it counts for ever"):
        await definitions.close(MAIN)
    with pytest.raises(UnknownBoard):
        await definitions.close(BoardId("nowhere"))


@pytest.mark.parametrize("period", ["none", "day", "dates"])
async def test_a_season_that_is_ended_before_its_time_gives_way_to_the_next_one(
    ledger: Ledger, definitions: Definitions, database_url: str, period: str
) -> None:
    users = add_users(database_url, 2)
    add_actions(database_url, {"jump": 20, "run": 50})
    now = datetime.now(UTC)
    board_id = BoardId("a-board")
    said = {
        "none": Definition(board_id, "All"),
        "day": replace(DAILY, board_id=board_id),
        "dates": Definition(
            board_id,
            "Event",
            period="dates",
            seasons=((now - HOUR, now + HOUR), (now + HOUR, now + 2 * HOUR)),
        ),
    }[period]
    await definitions.add([said])
    await ledger.grant([Submission(users[0], "run")])
    # A clock that was set back, as seen from the last row.
    sql(database_url, "UPDATE ledger SET submitted_at = submitted_at + interval '2 s'")
    sql(database_url, "UPDATE season_entries SET updated_at = updated_at + interval '2 s'")

    [board] = await definitions.close_season(board_id)
    await ledger.grant([Submission(users[0], "jump"), Submission(users[1], "run")])

    seasons = (await definitions.seasons(board_id, limit=9))[::-1]
    ended_at = seasons[0].ends_at
    assert ended_at is not None
    assert now + 2 * timedelta(seconds=1) < ended_at < now + timedelta(minutes=1)
    assert entries(database_url, board_id, 1) == {users[0]: 50}
    assert await definitions.verify_season(board_id, 1) == []
    assert await ledger.differences(board_id) == []
    assert board.season is not None
    if period == "dates":  # nothing counts before the next one begins, as was said
        assert (board.season.number, board.season.state) == (1, "final")
        assert [season.state for season in seasons] == ["final", "upcoming"]
        assert seasons[1].starts_at == now + HOUR
        assert (await definitions.load([said])).unchanged == (board_id,)
        with pytest.raises(BoardsRefused, match="none of its seasons runs now"):
            await definitions.close_season(board_id)
        return
    assert (board.season.number, board.season.ends_at) == (2, seasons[1].ends_at)
    assert board.before is not None
    assert [entry.user_id for entry in board.before.entries] == [users[0]]
    assert (board.season.number, board.season.starts_at) == (2, ended_at)
    assert entries(database_url, board_id, 2) == {users[0]: 20, users[1]: 50}
    if period == "none":
        assert board.season.ends_at is None
    else:
        _, midnight = containing("day", DAILY.zone, ended_at)
        assert board.season.ends_at in (midnight, midnight + 24 * HOUR)
        assert [season.state for season in seasons] == ["final", "running", "upcoming"]


async def test_a_final_board_is_verified_against_the_ledger(
    ledger: Ledger, definitions: Definitions, database_url: str
) -> None:
    users = add_users(database_url, 4)
    add_actions(database_url, {"jump": 20, "run": 50, "hop": 5})
    await definitions.add([replace(DAILY, size=3)])
    for user, action in zip(users, ("run", "jump", "hop", "hop"), strict=True):
        await ledger.grant([Submission(user, action)])
    with pytest.raises(BoardsRefused, match="daily: season 1 has not ended"):
        await definitions.verify_season(DAILY.board_id, 1)
    with pytest.raises(UnknownSeason):
        await definitions.verify_season(DAILY.board_id, 3)
    await definitions.close_season(DAILY.board_id)
    await ledger.rename_action("run", "sprint")
    await renamed(database_url, users[1], "somebody")
    await ledger.remove_users([users[0]])

    assert await definitions.verify_season(DAILY.board_id, 1) == []

    sql(database_url, "UPDATE ledger SET points_granted = 21 WHERE user_id = %s", (users[1],))
    sql(
        database_url, "UPDATE seasons SET final = final - 2 WHERE board_id = 'daily' AND number = 1"
    )
    found = await definitions.verify_season(DAILY.board_id, 1)
    assert len(found) == 3
    assert f"user {users[1]} with 20, reached at" in found[0]
    assert f"and the ledger has user {users[1]} with 21, reached at" in found[0]
    assert "nobody was kept, and the ledger has user" in found[1]
    assert "the digest is not that" in found[2]


async def test_what_is_corrected_while_a_final_board_is_verified_is_no_difference(
    ledger: Ledger, definitions: Definitions, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = add_users(database_url, 4)
    add_actions(database_url, {"run": 50})
    await definitions.add([replace(DAILY, size=3)])
    await ledger.grant([Submission(user, "run") for user in users])
    await definitions.close_season(DAILY.board_id)
    read = Postgres.read
    leaving = list(users)

    async def then_one_leaves(self: Postgres, *asked: Any, **more: Any) -> Any:
        rows = await read(self, *asked, **more)
        if len(leaving) > 2:
            await ledger.remove_users([leaving.pop(0)])
        return rows

    monkeypatch.setattr(Postgres, "read", then_one_leaves)
    assert await definitions.verify_season(DAILY.board_id, 1) == []
    assert leaving == users[2:]


async def test_entries_are_kept_as_long_as_was_said_and_the_final_board_for_ever(
    ledger: Ledger, definitions: Definitions, database_url: str
) -> None:
    users = add_users(database_url, 5)
    add_actions(database_url, {"run": 50})
    kept, short = BoardId("kept"), BoardId("short")
    await definitions.add(
        [
            replace(DAILY, board_id=kept, size=1),
            replace(DAILY, board_id=short, size=1, keep_full_seconds=3600),
        ]
    )
    await ledger.grant([Submission(user, "run") for user in users])
    for board_id in (kept, short):
        await definitions.close_season(board_id)
    assert await definitions.purge() == 0
    put_back(database_url, short, HOUR)
    put_back(database_url, kept, HOUR)

    assert await definitions.purge(2) == 5

    assert entries(database_url, short) == {}
    assert len(entries(database_url, kept)) == 5
    final = await definitions.season(short, 1)
    assert [entry.user_id for entry, _ in final.entries] == users[:1]
    # One that is shown is kept, however old.
    await definitions.close(short)
    await definitions.close(kept)


async def test_a_purge_passes_by_what_somebody_holds_who_is_being_removed(
    ledger: Ledger, definitions: Definitions, database_url: str
) -> None:
    """Who removes users locks their entries in another order, and holds grants up meanwhile."""
    users = add_users(database_url, 5)
    add_actions(database_url, {"run": 50})
    await definitions.add([replace(DAILY, size=1, keep_full_seconds=3600)])
    await ledger.grant([Submission(user, "run") for user in users])
    await definitions.close_season(DAILY.board_id)
    put_back(database_url, DAILY.board_id, HOUR)

    with holding(database_url, f"DELETE FROM users WHERE user_id = '{users[0]}'") as removal:
        assert await asyncio.wait_for(definitions.purge(2), 4) == 4
        removal.rollback()

    assert await definitions.purge() == 1


async def test_boards_whose_seasons_are_over_take_no_place_from_others(
    definitions: Definitions,
) -> None:
    over = datetime.now(UTC) - HOUR
    past = Definition(BoardId("past"), "Past", period="dates", seasons=((over - HOUR, over),))
    said = [replace(past, board_id=BoardId(f"past-{n}")) for n in range(RUNNING_MAX + 1)]

    assert len((await definitions.add(said)).added) == len(said)


@pytest.mark.parametrize("closes", ["season", "board"])
async def test_a_season_that_began_in_this_instant_is_ended_like_any_other(
    definitions: Definitions, database_url: str, monkeypatch: pytest.MonkeyPatch, closes: str
) -> None:
    with closing(LedgerClock(database_url, monkeypatch)) as clock:
        await definitions.add([DAILY])
        [tomorrow, _] = await definitions.seasons(DAILY.board_id, limit=2)
        clock.set(tomorrow.starts_at - timedelta(microseconds=1))

        close = definitions.close if closes == "board" else definitions.close_season
        await close(DAILY.board_id)

    states = [each.state for each in await definitions.seasons(DAILY.board_id, limit=9)]
    to_come = [] if closes == "board" else ["upcoming", "running"]
    assert states == [*to_come, "final", "final"]


async def test_each_of_many_listed_ids_is_found_in_whatever_spelling_it_was_written(
    definitions: Definitions, database_url: str
) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    add_actions(database_url, {composed: 1, "re\u0301sume\u0301": 1, "hop": 1})
    sql(
        database_url,
        "INSERT INTO former_action_ids (former_id, action_id)"
        " VALUES ('jump', 'hop'), ('saute\u0301', 'hop')",
    )
    spellings = {
        decomposed: composed,
        composed: composed,
        "r\u00e9sum\u00e9": "re\u0301sume\u0301",
        "jump": "hop",
        "saut\u00e9": "hop",
    }
    said = [
        replace(JUMPS, board_id=BoardId(f"b{n}"), actions=(written,))
        for n, written in enumerate(spellings)
    ]

    await definitions.add(said)

    found = await defined(definitions)
    assert [found[each.board_id].actions for each in said] == [(id,) for id in spellings.values()]


async def test_a_season_ends_before_its_time_behind_the_grants_that_are_under_way(
    ledger: Ledger, definitions: Definitions, database_url: str
) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    await definitions.add([DAILY])

    await under_way(database_url, user, lambda: definitions.close_season(DAILY.board_id))

    kept = await definitions.season(DAILY.board_id, 1)
    assert [(entry.user_id, entry.score) for entry, _ in kept.entries] == [(user, 50)]
    assert await definitions.verify_season(DAILY.board_id, 1) == []


async def test_a_board_waits_for_the_rename_of_an_action_that_it_counts(
    ledger: Ledger, definitions: Definitions, database_url: str
) -> None:
    add_actions(database_url, {"jump": 20})
    renaming = (
        "LOCK TABLE actions IN SHARE ROW EXCLUSIVE MODE;"
        "INSERT INTO actions (action_id, points) VALUES ('hop', 20);"
        "DELETE FROM actions WHERE action_id = 'jump';"
        "INSERT INTO former_action_ids (former_id, action_id) VALUES ('jump', 'hop')"
    )
    with holding(database_url, renaming) as rename:
        adding = asyncio.ensure_future(definitions.add([JUMPS]))
        await eventually(lambda: adding.done() or waits_for_lock(database_url))
        rename.commit()
        await adding

    assert (await defined(definitions))[JUMPS.board_id].actions == ("hop",)


async def test_seasons_go_on_as_far_ahead_as_is_wanted(
    ledger: Ledger, definitions: Definitions, database_url: str
) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50, "jump": 20})
    now = datetime.now(UTC)
    short = Definition(BoardId("short"), "Short", period="dates", seasons=((now, now + HOUR),))
    await definitions.add([short, DAILY])
    await definitions.close_season(short.board_id)
    await ledger.grant([Submission(user, "run")])

    [board] = await definitions.go_on(short.board_id, length=HOUR / 2, ahead=HOUR)
    await ledger.grant([Submission(user, "jump")])

    assert board.season is not None
    assert (board.season.number, board.season.state) == (2, "running")
    assert entries(database_url, "short", 2) == {user: 20}
    assert await definitions.go_on(short.board_id, length=HOUR, ahead=HOUR / 2) == []
    seasons = await definitions.seasons(short.board_id, limit=9)
    assert [season.number for season in seasons] == [3, 2, 1]
    assert seasons[0].starts_at == seasons[1].ends_at
    assert await ledger.differences(short.board_id) == []
    with pytest.raises(BoardsRefused, match="daily: its seasons have no dates of their own"):
        await definitions.go_on(DAILY.board_id, length=HOUR, ahead=HOUR)
    await definitions.close(short.board_id)
    with pytest.raises(BoardsRefused, match="short: the board was closed"):
        await definitions.go_on(short.board_id, length=HOUR, ahead=HOUR)


@pytest.fixture
def over() -> Definition:
    """A board whose only season is over."""
    end = datetime.now(UTC) - HOUR
    return Definition(BoardId("over"), "Over", period="dates", seasons=((end - HOUR, end),))


async def test_seasons_go_on_only_where_their_actions_have_a_place(
    definitions: Definitions, over: Definition
) -> None:
    running = [replace(LEAST, board_id=BoardId(f"b{n}")) for n in range(RUNNING_MAX)]
    await definitions.add([over, *running])

    with pytest.raises(BoardsRefused, match="every action would count on 21 boards"):
        await definitions.go_on(over.board_id, length=HOUR, ahead=HOUR)
    assert len(await definitions.seasons(over.board_id, limit=9)) == 1
    await definitions.close(running[0].board_id)
    await definitions.go_on(over.board_id, length=HOUR, ahead=HOUR)
    # What runs goes on, and has one of the twenty places itself.
    await definitions.go_on(over.board_id, length=HOUR, ahead=2.5 * HOUR)
    assert len(await definitions.seasons(over.board_id, limit=9)) == 4


async def test_seasons_that_go_on_and_boards_that_are_added_do_not_take_the_same_place(
    definitions: Definitions,
    database_url: str,
    over: Definition,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running = [replace(LEAST, board_id=BoardId(f"b{n}")) for n in range(RUNNING_MAX - 1)]
    await definitions.add([over, *running])
    adopt, adopted, going_on = preparation.Prepared.adopt, asyncio.Event(), asyncio.Event()

    async def adopt_and_wait(
        prepared: preparation.Prepared, begun: Transaction
    ) -> preparation.Prepared:
        """What comes next was not refused."""
        adopted.set()
        await going_on.wait()
        return await adopt(prepared, begun)

    monkeypatch.setattr(preparation.Prepared, "adopt", adopt_and_wait)
    adding = asyncio.ensure_future(definitions.add([LEAST]))
    await adopted.wait()
    async with an_operator(database_url) as other:
        last = asyncio.ensure_future(other.go_on(over.board_id, length=HOUR, ahead=HOUR))
        await eventually(lambda: last.done() or waits_for_lock(database_url))
        going_on.set()
        await adding
        with pytest.raises(BoardsRefused, match="every action would count on 21 boards"):
            await last


async def test_no_season_ends_hours_ahead_of_the_clock_because_it_was_wrong_once(
    ledger: Ledger, definitions: Definitions, database_url: str
) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    await definitions.add([DAILY, LEAST])
    await ledger.grant([Submission(user, "run")])
    sql(database_url, "UPDATE ledger SET submitted_at = submitted_at + interval '10 years'")

    for change in (definitions.close_season, definitions.close):
        with pytest.raises(BoardsRefused, match="least: something was granted at 20"):
            await change(LEAST.board_id)

    assert [season.state for season in await definitions.seasons(LEAST.board_id, limit=9)] == [
        "running"
    ]
