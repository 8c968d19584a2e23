"""The personal streams of this instance, and the turns in which they are told what is new.

Once a second: what moved in the rankings that somebody watches (`ranks` tells it) ─▶ whose own
entry it was, and who was overtaken ─▶ their places are read, and those of others whose rank may be
another one, as many as there is time for ─▶ what has changed is written. Whoever has just come is
read at once.

Bounds: time to read places (`pace`), moves (`heard`), follows (`followers`); one question at a
time.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Sequence
from typing import Final

import structlog

from scoreboard.connections.postgres import Postgres
from scoreboard.errors import Unavailable
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
from scoreboard.personal_streams.pace import Pace
from scoreboard.personal_streams.reading import Reader
from scoreboard.personal_streams.serving import Serving
from scoreboard.personal_streams.slots import PersonalSubscriber, Slot, User
from scoreboard.personal_streams.telling import Granted
from scoreboard.personal_streams.watching import Watching
from scoreboard.ranks.ranks import Ranks
from scoreboard.scoring.places import Places

log = structlog.get_logger("scoreboard.personal_streams")

# From the end of a turn to the next one: so nobody is told the same kind more often.
TURN_SECONDS: Final = 1.0
# Users whose follows are read anew in a turn: of 15,000 users all within six minutes.
_REREAD_MAX: Final = 50
# After the places of those who came, for as many times as long as they took: so those who come do
# not have PostgreSQL count without a pause.
_REST_AFTER_NEW: Final = 2.0


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
        reader = Reader(postgres)
        self._pace = Pace()
        self._watching = Watching()
        self._followers = Followers(reader, metrics)
        self._grants = GrantsOfUsers(reader)
        self._noticing = Noticing(
            self._watching, self._followers, self._grants, ranks, boards, metrics
        )
        self._serving = Serving(
            reader, places, self._watching, self._noticing, self._grants, self._pace, metrics
        )
        self._arrivals = Arrivals(reader, self._grants, metrics)
        self._came = asyncio.Event()
        self._turn_number = 0
        self._seldom = Seldom()

    async def entrance(self, user_id: str, board_ids: Sequence[BoardId]) -> PersonalEntrance:
        """The way in for a user who watches these boards. Raises LedgerUnavailable, Overloaded."""
        return PersonalEntrance(self, await self._arrivals.of(user_id, board_ids))

    def follows_changed(self, user_id: str) -> None:
        """A user follows others now: read them anew in the next turn."""
        if (user := self._watching.user(user_id)) is not None:
            self._followers.be_due(user)

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
                self._followers.forget(gone)
                self._grants.forget(gone)
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
                    await self._serve_new(due)
                    continue
                await self._turn()
            except Unavailable as error:
                self._metrics.personal_turns_failed.inc()
                if self._seldom.due("failed"):
                    log.warning("scoreboard.personal_streams.failed", reason=str(error))
            due = loop.time() + TURN_SECONDS

    async def _pause(self, due: float) -> None:
        """Wait until the next turn is due, or somebody comes."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(due):
                await self._came.wait()
            self._came.clear()

    async def _serve_new(self, due: float) -> None:
        """Read the places of some who have just come, and rest, until the next turn at most."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        await self._serve(self._watching.take_new(self._turn_number, self._pace.places))
        if self._watching.new:
            self._came.set()
        now = loop.time()
        await asyncio.sleep(min(_REST_AFTER_NEW * (now - began), due - now))

    async def _turn(self) -> None:
        """Tell what is new since the last turn."""
        started = time.perf_counter()
        self._turn_number += 1
        self._noticing.notice(self._turn_number)
        now = asyncio.get_running_loop().time()
        slots = self._watching.take(self._turn_number, now, self._pace.places)
        await self._serve(slots, self._watching.next_users(_REREAD_MAX))
        await self._tell_grants()
        self._metrics.personal_places_waiting.set(len(self._watching.urgent))
        self._metrics.personal_turn_seconds.observe(time.perf_counter() - started)

    async def _serve(self, slots: Sequence[Slot], others: Collection[User] = ()) -> None:
        """Read the places of these slots, and tell what has changed. Whom users follow is read anew
        before they hear of somebody whom they follow; and of a few `others`, who may have changed
        it on another instance.
        """
        hearing = [slot.user for slot in slots if slot.passed and slot.passed.followed]
        try:
            await self._followers.renew([*hearing, *others])
            told = await self._serving.serve(slots, self._turn_number)
        except Unavailable:
            for slot in slots:
                self._watching.hurry(slot)  # guard: not-read-is-read-next
            raise
        await self._deliver_to(told)

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
