"""Who watches what: a slot for each user on each board, and the streams that show it.

Nothing is queued: a slot has the newest place, overtakings and grants add up until they are told.
So a stream that is behind costs a few hundred bytes for each board, however long it is.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from scoreboard.live.frames import Frame
from scoreboard.live.subscriber import Subscriber
from scoreboard.model import BoardId, Season
from scoreboard.personal_streams.overtaking import Pass
from scoreboard.personal_streams.telling import NAMED_MAX, Granted, Overtaken
from scoreboard.ranks.keys import RankingId


@dataclass(slots=True)
class Asked:
    """What a personal stream is asked for, and what is known of the user until it has joined: whom
    they follow, and which actions they had been `granted` of late.
    """

    user_id: str
    board_ids: tuple[BoardId, ...]
    follows: frozenset[bytes]
    granted: frozenset[str]

    def forget_known(self) -> None:
        """Keep what was asked for alone: 1,000 follows are 80 KB, beyond any bound."""
        self.follows, self.granted = frozenset(), frozenset()


class PersonalSubscriber(Subscriber):
    """One open personal stream of a user, with what waits to be told to it."""

    __slots__ = ("asked", "granted", "overtaken", "slots", "told")

    def __init__(
        self, transport: asyncio.Transport, *, chunked: bool, end: Callable[[], None], asked: Asked
    ) -> None:
        super().__init__(transport, chunked=chunked, version=0, end=end)
        self.asked = asked
        self.slots: Collection[Slot] = ()  # its boards, once it has joined
        self.told: dict[Slot, bytes] = {}  # the place that was written last
        self.overtaken: dict[Slot, Overtaken] = {}
        self.granted: Granted | None = None

    @property
    def has_news(self) -> bool:
        """Whether anything waits to be told."""
        is_told = all(self.told.get(slot, b"") is slot.place for slot in self.slots)
        return not is_told or bool(self.overtaken) or self.granted is not None

    def take_news(self) -> dict[str, bytes]:
        """What is to be written now, as events by their kind. From now on it counts as told."""
        news: dict[str, bytes] = {}
        if self.granted is not None:
            news["granted"], self.granted = self.granted.event(), None
        for slot in self.slots:
            if self.told.get(slot, b"") is not slot.place:
                self.told[slot] = slot.place
                news["place"] = news.get("place", b"") + slot.place
        for slot, overtaken in self.overtaken.items():
            news["overtaken"] = news.get("overtaken", b"") + overtaken.event(
                slot.board.board_id, slot.board.season_json
            )
        self.overtaken.clear()
        return news


@dataclass(eq=False, slots=True)
class User:
    """A user with open streams. `key` is the 16 bytes of the id."""

    user_id: str
    key: bytes
    streams: set[PersonalSubscriber] = field(default_factory=set)
    slots: dict[BoardId, Slot] = field(default_factory=dict)
    follows: frozenset[bytes] = frozenset()
    # The ids of actions that are known to be granted, each with when it was, of late.
    granted: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Passed:
    """Overtakings of a slot's user that are not told yet: inside the first ranks so many, with the
    keys of the best placed; and those by whom the user follows, each with the key.
    """

    count: int = 0
    keys: list[bytes] = field(default_factory=list)
    followed: dict[bytes, bytes] = field(default_factory=dict)

    def add(self, found: Pass) -> None:
        """Conflate with what came later."""
        self.count += found.count
        self.keys = heapq.nsmallest(NAMED_MAX, {*self.keys, *found.keys})


@dataclass(eq=False, slots=True)
class Slot:
    """A user on a board: the newest place as an event, b"" before the first."""

    user: User
    board: Watched
    place: bytes = b""
    entry: bytes | None = None  # the key of the user's entry
    rank: int | None = None
    streams: set[PersonalSubscriber] = field(default_factory=set)
    passed: Passed | None = None
    read_in: int = -1  # the turn in which it was read
    rests_until: float = 0.0


@dataclass(eq=False, slots=True)
class Watched:
    """A board that somebody here watches: its slots by the key of their user, the one that was read
    longest ago first.
    """

    board_id: BoardId
    ranking_id: RankingId | None = None
    season: Season | None = None
    season_json: dict[str, Any] | None = None
    slots: OrderedDict[bytes, Slot] = field(default_factory=OrderedDict)
    near: dict[bytes, Slot] = field(default_factory=dict)  # those within the first NEAR_MAX
    moved_in: int = -1  # the turn in which its entries moved last, as far as is known

    def dismiss(self, farewell: Frame) -> None:
        """End the streams that watch it with these words."""
        for subscriber in {each for slot in self.slots.values() for each in slot.streams}:
            if not subscriber.is_dismissed:
                subscriber.dismiss(farewell)

    def first_moved(self) -> Slot | None:
        """The slot that was read longest ago, if anything has moved since."""
        slot = next(iter(self.slots.values()), None)
        return slot if slot is not None and slot.read_in < self.moved_in else None
