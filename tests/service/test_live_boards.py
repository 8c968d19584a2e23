"""Every board is live in the same way: over instances, over the ends of seasons, and when the bus
or an instance loses something.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from scoreboard.bus.rabbit import RabbitBus
from scoreboard.ledger.ledger import Ledger
from scoreboard.ledger.queries import SEASONS_LOCK
from scoreboard.live.relay import Relay
from scoreboard.live.turns import Turns
from scoreboard.model import Board, BoardId, Submission
from scoreboard.parts import PARTS
from tests.eventually import eventually
from tests.five_boards import end_season
from tests.instances import Instance, Start
from tests.world import add_actions, add_board, add_users, holding, sql

WEEKLY = BoardId("weekly")
DAY = timedelta(days=1)


@pytest.fixture
def player(database_url: str) -> str:
    """Somebody who may play, on a board with seasons."""
    [user] = add_users(database_url, 1)
    add_actions(database_url, {f"action-{n}": 10 for n in range(9)})
    now = datetime.now(UTC)
    add_board(database_url, WEEKLY, (now - DAY, now + DAY), (now + DAY, now + 2 * DAY))
    return user


@contextmanager
def following(*instances: Instance) -> Iterator[None]:
    """Streams of the board are about to open on these instances, for as long as this lasts."""
    with ExitStack() as stack:
        for instance in instances:
            stack.enter_context(instance.app[PARTS].hub.channel(WEEKLY).opening())
        yield


def streamed(instance: Instance) -> Board | None:
    return instance.app[PARTS].hub.channel(WEEKLY).board


async def read(instance: Instance) -> Board:
    return (await (await instance.app[PARTS].boards.of(WEEKLY)).read()).board


async def truth(instance: Instance) -> Board:
    return await instance.app[PARTS].ledger.board(WEEKLY)


async def shows_truth(instance: Instance) -> bool:
    now = await truth(instance)
    return streamed(instance) == await read(instance) == now


@asynccontextmanager
async def two_instances(start: Start, **settings: Any) -> AsyncIterator[tuple[Instance, Instance]]:
    one, two = await start(), await start(**settings)
    with following(one, two):
        await eventually(lambda: one.app[PARTS].bus.connected and two.app[PARTS].bus.connected)
        for instance in (one, two):
            await eventually(partial(shows_truth, instance))
        yield one, two


async def test_a_board_that_nobody_here_has_heard_of_is_told_to_every_instance(
    start: Start, player: str
) -> None:
    async with two_instances(start) as (one, two):
        mended = two.metric("catch_ups_total", copy="hub")
        for number in range(5):
            status, _ = await one.submit(player, f"action-{number}")
            assert status == 200
            assert (await read(two)).entries[0].score == 10 * (number + 1)  # promise 4
            await eventually(lambda: streamed(two) == streamed(one))
        assert two.metric("catch_ups_total", copy="hub") == mended
        assert one.metric("board_changes_total", board="weekly") == 5


async def test_a_season_ends_on_every_instance_within_a_second_and_is_turned_once(
    start: Start, player: str, database_url: str
) -> None:
    async with two_instances(start, role="stream") as (one, two):
        await one.submit(player, "action-1")
        number = await end_season(database_url, WEEKLY, after_seconds=1.5)
        await eventually(lambda: season(one) == season(two) == number, within_seconds=4.0)
        shown = streamed(two)
        assert shown is not None
        assert shown.before is not None
        assert [entry.score for entry in shown.before.entries] == [10]
        assert (shown.entries, await read(two)) == ((), shown)
        await eventually(lambda: one.metric("season_turns_total") == 1)
        assert two.metric("season_turns_total") == 0


def season(instance: Instance) -> int:
    board = streamed(instance)
    return 0 if board is None or board.season is None else board.season.number


async def test_a_batch_that_sees_a_season_due_starts_its_turn_and_waits_for_nothing(
    start: Start, player: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reconcile(_: Relay) -> None: ...

    one = await start()
    await one.board()
    monkeypatch.setattr(Relay, "reconcile", reconcile)
    monkeypatch.setattr(one.app[PARTS].relay, "_on_due", None)  # of a look that is under way
    number = await end_season(database_url, WEEKLY)
    with following(one):
        status, _ = await one.submit(player, "action-1")
        assert status == 200
        await eventually(lambda: season(one) == number)
    assert (await read(one)).entries[0].score == 10


async def test_a_turn_that_grants_hold_up_is_counted_and_tried_again(
    start: Start, player: str, database_url: str
) -> None:
    one = await start()
    with following(one):
        await eventually(lambda: shows_truth(one))
        with holding(database_url, f"SELECT pg_advisory_xact_lock_shared({SEASONS_LOCK})") as held:
            number = end_season_with(held)
            await eventually(lambda: one.metric("season_turns_failed_total") >= 1)
            held.commit()
        await eventually(lambda: season(one) == number)


def end_season_with(connection: Any) -> int:
    """Let the season have ended long ago, as a grant sees it that is still under way."""
    cursor = connection.cursor()
    cursor.execute(
        """
        UPDATE seasons SET
            starts_at = starts_at - interval '1 day', ends_at = ends_at - interval '1 day',
            closes_at = closes_at - interval '1 day',
            previous_ends_at = previous_ends_at - interval '1 day'
        WHERE board_id = 'weekly'
        """
    )
    connection.commit()
    cursor.execute(f"SELECT pg_advisory_xact_lock_shared({SEASONS_LOCK})")
    return 2


async def test_what_was_committed_and_never_told_is_found_on_any_board_within_two_seconds(
    start: Start, player: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An instance is killed between COMMIT and publish, or the turn of a season is."""
    async with two_instances(start) as (one, two):
        monkeypatch.setattr(RabbitBus, "publish", lambda *_: None)
        mended = two.metric("catch_ups_total", copy="hub")
        ledger: Ledger = one.app[PARTS].ledger
        await ledger.grant([Submission(player, "action-1")])
        await eventually(lambda: shows_truth(two), within_seconds=2.0)
        assert (await read(two)).entries[0].score == 10
        # `main` too
        await eventually(lambda: two.metric("catch_ups_total", copy="hub") == mended + 2)


async def test_a_ledger_that_went_back_is_lifted_above_what_was_shown_on_its_board_alone(
    start: Start, player: str, database_url: str
) -> None:
    async with two_instances(start) as (one, two):
        for number in range(5):
            await one.submit(player, f"action-{number}")
        await eventually(lambda: shows_truth(two))
        before = await truth(two)
        main = await one.board()
        sql(
            database_url,
            "UPDATE boards SET version = version - 3, changed_at = now() WHERE board_id = 'weekly'",
        )
        await eventually(lambda: later(two, before), within_seconds=4.0)
        await eventually(lambda: shows_truth(one))
        assert (await one.board())["version"] == main["version"]


async def later(instance: Instance, before: Board) -> bool:
    shown = streamed(instance)
    return shown is not None and shown.version > before.version and await shows_truth(instance)


async def test_a_turn_that_is_seen_by_many_is_made_once(
    start: Start, player: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others look again before they queue for the lock that keeps grants out."""
    turned = 0
    turn = Ledger.turn

    async def counted_turn(ledger: Ledger) -> list[Board]:
        nonlocal turned
        turned += 1
        return await turn(ledger)

    monkeypatch.setattr(Ledger, "turn", counted_turn)
    instances = [await start() for _ in range(3)]
    number = await end_season(database_url, WEEKLY)
    with following(*instances):
        for _ in range(20):
            for instance in instances:
                turns: Turns = instance.app[PARTS].turns
                turns.be_due()
            await asyncio.sleep(0.01)
        await eventually(lambda: all(season(instance) == number for instance in instances))
    assert turned <= 3
