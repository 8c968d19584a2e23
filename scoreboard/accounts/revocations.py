"""The users whose access tokens ended early: by a log-out everywhere, a new password, a reuse or a
deletion; and those who are banned.

Access tokens are verified without asking anybody, so every instance keeps these few users, for as
long as tokens of theirs can be alive. PostgreSQL keeps one revocation clock: whoever revokes moves
it, and a token says at which reading of it it was issued. So the clocks of instances and the whole
seconds of `iat` do not decide which came first.

Each instance reads what is new as often as it compares boards. The same question tells which lists
have changed that instances hold in memory (`held_lists`): bans, refused names and server keys.
Those are then read anew as a whole. While PostgreSQL is away nobody can be revoked, and what is
known goes on to hold. It is forgotten by the same clock, because an instance whose own clock is
hours ahead would forget what it never reads again.

A ban is never forgotten while it lasts: other issuers go on giving tokens out. So who is banned is
one of the held lists (`bans`), which has no bound but what operators do.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from scoreboard.accounts.queries import SQL
from scoreboard.connections.postgres import Postgres
from scoreboard.errors import Banned, LedgerUnavailable, NotAuthorized, RevokedToken, UnknownUser
from scoreboard.operations.metrics import Metrics

# Clocks may differ by that much: it only makes us remember for longer than need be.
CLOCKS_APART_SECONDS: Final = 3600
# 100,000 take about 25 MB. Past that the oldest is forgotten, and everybody's tokens from before
# its reading end: all of these users refresh once more than they had to.
REMEMBERED_MAX: Final = 100_000

Refused = Callable[[NotAuthorized], None]
# Reads a list anew. Raises LedgerUnavailable.
ReadList = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Revocation:
    """Tokens from before this reading have ended; of a deleted user, all have."""

    reading: int
    deleted: bool = False


class Revocations:
    """Keeps the users whose access tokens ended, and tells whoever watches one (open streams).

    A reading counts milliseconds of PostgreSQL's time of day. `kept_seconds` is how long after it a
    token from before can be alive.
    """

    def __init__(self, kept_seconds: float, metrics: Metrics) -> None:
        self.kept_seconds: Final = kept_seconds + CLOCKS_APART_SECONDS
        self._metrics = metrics
        self._users: OrderedDict[str, Revocation] = OrderedDict()  # by reading, the oldest first
        self._banned: Collection[str] = frozenset()
        self._everybody_before = 0
        self._watchers: defaultdict[str, dict[object, tuple[int, Refused]]] = defaultdict(dict)
        self.latest: int = 0  # the latest reading that is known here

    def __len__(self) -> int:
        return len(self._users)

    def refusal(self, user_id: str, reading: int) -> NotAuthorized | None:
        """Say why a token of this user, issued at this reading, is not good; None if it is."""
        if user_id in self._banned:  # guard: banned-refused
            return Banned()
        found = self._users.get(user_id)
        if found is None:
            return None if reading >= self._everybody_before else RevokedToken()
        if found.deleted:
            return UnknownUser()
        return RevokedToken() if reading < found.reading else None

    @contextlib.contextmanager
    def watch(self, user_id: str, reading: int, on_refused: Refused) -> Iterator[None]:
        """Within, call `on_refused` when such a token is refused from then on; or at once."""
        key = object()
        self._watchers[user_id][key] = (reading, on_refused)
        try:
            self._tell(user_id)  # guard: revoked-stream-way
            yield
        finally:
            watchers = self._watchers[user_id]
            watchers.pop(key, None)
            if not watchers:
                del self._watchers[user_id]

    def take(self, found: Mapping[str, Revocation]) -> None:
        """Remember these, the oldest first, and not too many; end what has to end."""
        for user_id, revocation in found.items():
            known = self._users.get(user_id)
            if known is not None and known.reading > revocation.reading:
                continue
            self._users[user_id] = revocation
            self._users.move_to_end(user_id)
            self.latest = max(self.latest, revocation.reading)
            self._tell(user_id)
        while len(self._users) > REMEMBERED_MAX:
            _, oldest = self._users.popitem(last=False)
            self.overlook(oldest.reading)  # guard: revoked-too-many
        self._count()

    def take_bans(self, banned: Collection[str]) -> None:
        """Refuse every token of these users from now on, and of no others for a ban."""
        before, self._banned = self._banned, banned
        for user_id in [user_id for user_id in self._watchers if user_id not in before]:
            self._tell(user_id)  # guard: banned-streams-end
        self._metrics.users_banned.set(len(banned))

    def forget_before(self, reading: int) -> None:
        """Forget whoever was revoked before this reading: no token from before it is alive."""
        while self._users and next(iter(self._users.values())).reading < reading:
            self._users.popitem(last=False)
        self._count()

    def overlook(self, reading: int) -> None:
        """Refuse every token from before this reading: who was revoked by then is not known."""
        if reading <= self._everybody_before:
            return
        self._everybody_before = reading
        self._metrics.revocations_forgotten.inc()
        for user_id in list(self._watchers):
            self._tell(user_id)

    def _count(self) -> None:
        self._metrics.revocations_remembered.set(len(self._users))

    def _tell(self, user_id: str) -> None:
        watchers = self._watchers.get(user_id, {})
        for key, (reading, on_refused) in list(watchers.items()):
            refusal = self.refusal(user_id, reading)
            if refusal is not None and watchers.pop(key, None) is not None:
                on_refused(refusal)


class RevocationReader:
    """Reads what is new in PostgreSQL. `run` goes on until it is cancelled.

    `lists` are those that this process holds, by their name in `held_lists`: each is read at first,
    and again whenever it has changed.
    """

    def __init__(
        self,
        postgres: Postgres,
        revocations: Revocations,
        metrics: Metrics,
        *,
        interval_seconds: float,
        lists: Mapping[str, ReadList] = MappingProxyType({}),
    ) -> None:
        self._postgres = postgres
        self._lists = lists
        self._listed: dict[str, int] = {}  # the reading of each list as it is held
        self._revocations = revocations
        self._metrics = metrics
        self._interval_seconds = interval_seconds
        self._after = 0
        self._oldest = 0

    async def run(self) -> None:
        """Read for ever, with jitter so that instances do not ask in step."""
        while True:
            await asyncio.sleep(self._interval_seconds * random.uniform(0.8, 1.0))  # noqa: S311 - no secret
            try:
                await self.read()
            except LedgerUnavailable:  # guard: revocations-outlive-outage
                self._metrics.revocation_reads_failed.inc()

    async def read(self) -> None:
        """Read what is new since the last time; at first, all. Raises LedgerUnavailable."""
        await self._read_lists(await self._read_revocations())

    async def _read_revocations(self) -> str:
        """Read who was revoked since the last time; return when each list changed last."""
        parameters = {
            "after": self._after,
            "kept_seconds": self._revocations.kept_seconds,
            "limit": REMEMBERED_MAX,
        }
        rows = await self._postgres.read(SQL["read_revocations"], parameters)
        oldest, user_id, newest, _, lists = rows[0]
        if user_id is not None:
            self._after = newest
            if len(rows) == REMEMBERED_MAX:  # there may be more
                self._revocations.overlook(rows[-1][2])
            self._revocations.take({row[1]: Revocation(row[2], row[3]) for row in reversed(rows)})
        self._revocations.forget_before(oldest)  # guard: revoked-forgotten-clock
        if oldest < self._oldest:  # its clock was set back, so too much may have been forgotten
            self._after = 0  # guard: revoked-leap-clock
        self._oldest = oldest
        return str(lists or "{}")

    async def _read_lists(self, changed: str) -> None:
        """Read the lists whose reading is another one: a restored backup may have an older one.

        A list is at least as new as its reading, because that was read first.
        """
        readings = json.loads(changed)
        for name, read in self._lists.items():
            reading = readings.get(name, 0)
            if self._listed.get(name) != reading:  # guard: held-list-changed
                await read()  # guard: held-list-read-first
                self._listed[name] = reading
