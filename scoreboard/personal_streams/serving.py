"""Reads the places of slots, and notes for their streams what has changed and who overtook."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from scoreboard.errors import UnknownBoard
from scoreboard.operations.metrics import Metrics
from scoreboard.personal_streams.grants import GrantsOfUsers
from scoreboard.personal_streams.noticing import Noticing
from scoreboard.personal_streams.pace import Pace
from scoreboard.personal_streams.reading import Reader
from scoreboard.personal_streams.slots import Passed, PersonalSubscriber, Slot, Watched
from scoreboard.personal_streams.telling import (
    NAMED_MAX,
    Overtaken,
    Overtaker,
    place_event,
)
from scoreboard.personal_streams.watching import Watching
from scoreboard.ranks.keys import key_of, user_of
from scoreboard.scoring.place import Found
from scoreboard.scoring.places import Places

# So long a slot is not read again: nobody is told their place more often.
_REST_SECONDS: Final = 1.0


class Serving:
    """Serves slots. What it cannot read is left as it was."""

    def __init__(
        self,
        reader: Reader,
        places: Places,
        watching: Watching,
        noticing: Noticing,
        grants: GrantsOfUsers,
        pace: Pace,
        metrics: Metrics,
    ) -> None:
        self._reader = reader
        self._places = places
        self._watching = watching
        self._noticing = noticing
        self._grants = grants
        self._pace = pace
        self._metrics = metrics

    async def serve(self, slots: Sequence[Slot], turn: int) -> dict[PersonalSubscriber, None]:
        """Serve these in this turn. Answers the streams that may have something to hear. Raises
        Unavailable.
        """
        by_board: dict[Watched, list[Slot]] = {}
        for slot in slots:
            by_board.setdefault(slot.board, []).append(slot)
        began = asyncio.get_running_loop().time()
        for board, of_board in by_board.items():
            await self._read_places(board, of_board, turn)
        self._pace.note(len(slots), asyncio.get_running_loop().time() - began)
        names = await self._reader.names(passing(slots))
        told: dict[PersonalSubscriber, None] = {}
        for slot in slots:
            self._tell_passes(slot, names)
            told |= dict.fromkeys(slot.streams)
        return told

    async def _read_places(self, board: Watched, slots: Sequence[Slot], turn: int) -> None:
        user_ids = [slot.user.user_id for slot in slots]
        try:
            found = await self._places.find(board.board_id, None, user_ids, with_next=True)
            hidden = await self._reader.hidden(found, user_ids)
        except UnknownBoard:
            return  # its streams end as soon as this instance has heard of that
        self._metrics.personal_places.inc(len(slots))
        self._noticing.turn_to(board, found, turn)
        rests_until = asyncio.get_running_loop().time() + _REST_SECONDS
        for slot in slots:
            if self._watching.watches(slot):
                slot.rests_until = rests_until
                self._place(slot, found, hidden.get(slot.user.user_id))

    def _place(self, slot: Slot, found: Found, hidden_score: int | None) -> None:
        event = place_event(found, slot.board.season_json, slot.user.user_id, hidden_score)
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


def _followed(slot: Slot, passed: Passed) -> list[bytes]:
    """The keys of those who overtook, and whom the user follows still."""
    follows = slot.user.follows
    return [key for user, key in passed.followed.items() if user in follows]  # guard: unfollowed


def passing(slots: Sequence[Slot]) -> list[str]:
    """The users who are to be named."""
    keys = {
        key
        for slot in slots
        if slot.passed is not None
        for key in sorted({*slot.passed.keys, *_followed(slot, slot.passed)})[:NAMED_MAX]
    }
    return [user_of(key) for key in keys]
