"""The personal streams of this instance, and the turns in which they are told what is new.

Once a second: what moved in the rankings that somebody watches (`ranks` tells it) ─▶ whose own
entry it was, and who was overtaken ─▶ their places are read, and those of others whose rank may be
another one, as many as there is room for ─▶ what has changed is written. Whoever has just come is
read at once.

Bounds: places a turn (`watching`), moves (`heard`), follows (`followers`); one question at a time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final

import structlog

from scoreboard.connections.postgres import Postgres
from scoreboard.errors import LedgerUnavailable, UnknownBoard
from scoreboard.ledger.definitions import Defined
from scoreboard.live.crowd import Crowd
from scoreboard.live.frames import Frame
from scoreboard.model import BoardId
from scoreboard.operations.logs import Seldom
from scoreboard.operations.metrics import Metrics
from scoreboard.personal_streams.entrance import Arrivals, PersonalEntrance
from scoreboard.personal_streams.followers import Followers
from scoreboard.personal_streams.grants import GrantsOfUsers
from scoreboard.personal_streams.noticing import Noticing
from scoreboard.personal_streams.reading import Reader
from scoreboard.personal_streams.slots import Passed, PersonalSubscriber, Slot, User, Watched
from scoreboard.personal_streams.telling import (
    NAMED_MAX,
    Granted,
    Overtaken,
    Overtaker,
    place_event,
)
from scoreboard.personal_streams.watching import Watching
from scoreboard.ranks.keys import key_of, user_of
from scoreboard.ranks.ranks import Ranks
from scoreboard.scoring.place import Found
from scoreboard.scoring.places import Places

log = structlog.get_logger("scoreboard.personal_streams")

# From the end of a turn to the next one: so nobody is told the same kind more often.
TURN_SECONDS: Final = 1.0
# Users whose follows are read anew in a turn: of 15,000 users all within five minutes.
_REREAD_MAX: Final = 50


class PersonalStreams(Crowd[PersonalSubscriber]):
    """The crowd of personal streams. `boards` says which boards there are, and which season each
    shows; `run` takes the turns.
    """

    def __init__(
        self,
        postgres: Postgres,
        places: Places,
        ranks: Ranks,
        boards: Callable[[], Collection[Defined]],
        metrics: Metrics,
        *,
        stuck_after_seconds: float,
    ) -> None:
        super().__init__(metrics, stuck_after_seconds=stuck_after_seconds)
        self._reader = Reader(postgres)
        self._places = places
        self._watching = Watching()
        self._followers = Followers(metrics)
        self._grants = GrantsOfUsers(self._reader)
        self._noticing = Noticing(
            self._watching, self._followers, self._grants, ranks, boards, metrics
        )
        self._arrivals = Arrivals(self._reader, self._grants, metrics)
        self._reread: dict[User, None] = {}
        self._came = asyncio.Event()
        self._turn_number = 0
        self._seldom = Seldom()

    async def entrance(self, user_id: str, board_ids: Sequence[BoardId]) -> PersonalEntrance:
        """The way in for a user who watches these boards. Raises LedgerUnavailable, Overloaded."""
        return PersonalEntrance(self, await self._arrivals.of(user_id, board_ids))

    def follows_changed(self, user_id: str) -> None:
        """A user follows others now: read them anew in the next turn."""
        if (user := self._watching.user(user_id)) is not None:
            self._reread[user] = None

    async def finish(self) -> None:
        """Finish what is under way, for who is on the way in."""
        await self._arrivals.finish()

    def join(self, subscriber: PersonalSubscriber) -> None:
        """Add a stream, and write what is known already of its boards."""
        user = self._watching.join(subscriber)
        if len(user.streams) == 1:
            self._grants.begin(user, subscriber.asked.granted)
        self._followers.set(user, subscriber.asked.follows)
        subscriber.asked.forget_known()  # guard: stream-forgets-follows
        self._metrics.personal_streams.inc()
        super().join(subscriber)
        self._came.set()

    def leave(self, subscriber: PersonalSubscriber, *, vanished: bool = False) -> None:
        """Forget a stream, as every crowd does, and whatever nobody watches any more."""
        if subscriber in self.subscribers:
            self._metrics.personal_streams.dec()
            if (gone := self._watching.leave(subscriber)) is not None:
                self._followers.set(gone, frozenset())
                self._grants.forget(gone)
                self._reread.pop(gone, None)
        super().leave(subscriber, vanished=vanished)

    def deliver(self, subscriber: PersonalSubscriber) -> None:
        """Write all that waits to be told to a stream, in one frame."""
        if subscriber.is_dismissed or not subscriber.has_news or self.is_behind(subscriber):
            return
        news = subscriber.take_news()
        subscriber.write(Frame.of(b"".join(news.values())))
        for kind in news:
            self._metrics.personal_events.labels(kind).inc()

    async def run(self) -> None:
        """Take turns until cancelled; between them, read the places of those who come."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            if not self.subscribers:
                await self._came.wait()
            await self._pause(due)
            try:
                if loop.time() < due:
                    await self._serve(self._watching.take_new(self._turn_number))
                    continue
                await self._turn()
            except LedgerUnavailable as error:
                self._metrics.personal_turns_failed.inc()
                if self._seldom.due("failed"):
                    log.warning("scoreboard.personal_streams.failed", reason=str(error))
            due = loop.time() + TURN_SECONDS

    async def _pause(self, due: float) -> None:
        """Wait until the next turn is due, or somebody comes."""
        try:
            async with asyncio.timeout_at(due):
                await self._came.wait()
        except TimeoutError:
            return
        self._came.clear()

    async def _turn(self) -> None:
        """Tell what is new since the last turn."""
        started = time.perf_counter()
        self._turn_number += 1
        self._noticing.notice(self._turn_number)
        slots = self._watching.take(self._turn_number, asyncio.get_running_loop().time())
        await self._read_follows(slots)
        await self._serve(slots)
        await self._tell_grants()
        self._metrics.personal_places_waiting.set(len(self._watching.urgent))
        self._metrics.personal_turn_seconds.observe(time.perf_counter() - started)

    # What is read, and told

    async def _read_follows(self, slots: Sequence[Slot]) -> None:
        """Read anew whom users follow: of those who are about to hear of somebody whom they follow,
        of those who changed it here, and of a few others in turn, who may have changed it on
        another instance.
        """
        users = {slot.user: None for slot in slots if slot.passed and slot.passed.followed}
        users |= self._reread | dict.fromkeys(self._watching.next_users(_REREAD_MAX))
        for some in _chunks(list(users), _REREAD_MAX):
            found = await self._reader.followed([user.user_id for user in some])
            for user in some:
                self._reread.pop(user, None)
                if user.streams:
                    self._followers.set(user, found[user.user_id])

    async def _serve(self, slots: Sequence[Slot]) -> None:
        """Read the places of these slots, and tell what has changed."""
        by_board: dict[Watched, list[Slot]] = {}
        for slot in slots:
            by_board.setdefault(slot.board, []).append(slot)
        served = list(slots)
        try:
            for board, of_board in by_board.items():
                await self._read_places(board, of_board)
            names = await self._reader.names(_passing(served))
        except LedgerUnavailable:
            for slot in served:
                self._watching.hurry(slot)
            raise
        told: dict[PersonalSubscriber, None] = {}
        for slot in served:
            self._tell_passes(slot, names)
            told |= dict.fromkeys(slot.streams)
        await self._deliver_to(told)

    async def _read_places(self, board: Watched, slots: Sequence[Slot]) -> None:
        user_ids = [slot.user.user_id for slot in slots]
        try:
            found = await self._places.find(board.board_id, None, user_ids, with_next=True)
            hidden = await self._reader.hidden(found, user_ids)
        except UnknownBoard:
            return  # its streams end as soon as this instance has heard of that
        self._metrics.personal_places.inc(len(slots))
        self._noticing.turn_to(board, found, self._turn_number)
        rests_until = asyncio.get_running_loop().time() + TURN_SECONDS
        for slot in slots:
            if self._watching.watches(slot):
                slot.rests_until = rests_until
                self._place(slot, found, hidden.get(slot.user.user_id))

    def _place(self, slot: Slot, found: Found, hidden_score: int | None) -> None:
        event = place_event(found, slot.user.user_id, hidden_score)
        if event != slot.place:
            slot.place = event
        place = found.places.get(slot.user.user_id)
        slot.rank = slot.entry = None
        if place is not None:
            slot.rank = place.rank
            kept = -place.score if found.is_low else place.score
            slot.entry = key_of(kept, place.reached_at, place.user_id)
        self._watching.place(slot, is_hidden=hidden_score is not None)
        if hidden_score is not None:
            self._grants.be_due([slot.user])  # guard: hidden-hear-of-grants

    def _tell_passes(self, slot: Slot, names: dict[str, str]) -> None:
        passed, slot.passed = slot.passed, None
        if passed is None:
            return
        followed = _followed(slot, passed)
        keys = sorted({*passed.keys, *followed})[:NAMED_MAX]
        by = [
            Overtaker(key, user_id, names[user_id])
            for key in keys
            if (user_id := user_of(key)) in names
        ]
        count = passed.count + len(followed)
        if not count:
            return
        for subscriber in slot.streams:
            news = subscriber.overtaken.setdefault(slot, Overtaken(0, [], None))
            news.add(Overtaken(count, by, slot.rank))

    async def _tell_grants(self) -> None:
        told: dict[PersonalSubscriber, None] = {}
        for user, new in await self._grants.read():
            for subscriber in user.streams:
                subscriber.granted = subscriber.granted or Granted()
                subscriber.granted.add(new.grants, new.score)
                told[subscriber] = None
        await self._deliver_to(told)

    async def _deliver_to(self, subscribers: Collection[PersonalSubscriber]) -> None:
        async for subscriber in self.in_strides(subscribers):
            self.deliver(subscriber)


def _followed(slot: Slot, passed: Passed) -> list[bytes]:
    """The keys of those who overtook, and whom the user follows still."""
    follows = slot.user.follows
    return [key for user, key in passed.followed.items() if user in follows]  # guard: unfollowed


def _passing(slots: Sequence[Slot]) -> list[str]:
    """The users who are to be named."""
    keys = {
        key
        for slot in slots
        if slot.passed is not None
        for key in sorted({*slot.passed.keys, *_followed(slot, slot.passed)})[:NAMED_MAX]
    }
    return [user_of(key) for key in keys]


def _chunks(users: list[User], most: int) -> Iterator[list[User]]:
    for begin in range(0, len(users), most):
        yield users[begin : begin + most]
