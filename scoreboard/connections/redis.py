"""The border to Redis: every command goes through here, and redis-py's errors stop here.

Redis holds copies only, so nothing waits long: a failure is answered from elsewhere (the board from
PostgreSQL, limits per instance). What follows depends on how a call fails (`redis_answers`):

    its connection has ended
            All connections of that era are closed (`redis_pool`). The call is asked once more, on
            a new one, unless to do it twice would do something else. That is no outage.
    nobody is reached, or answers; or the second try ends like the first
            Redis is away. Nobody asks again until a ping was answered (`redis_presence`).
    Redis refuses
            It is up. An operator is told.
    a defect of ours
            It is logged with its traceback. The caller goes on without Redis.

All tries of a call share one deadline. An address may name Sentinels instead of a server: then each
new connection asks them for the primary, and asks the server that they name whether it is one.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

import structlog

from scoreboard.connections.cancellation import raise_if_cancelled
from scoreboard.connections.deadlines import Deadlines
from scoreboard.connections.redis_answers import RedisReports, failing_of, refusal_in
from scoreboard.connections.redis_pool import pool_of
from scoreboard.connections.redis_presence import PAUSE_MIN_SECONDS, SOON_SECONDS, Presence
from scoreboard.connections.redis_words import joined, packed, short_word, word
from scoreboard.connections.sentinels import sentinels

log = structlog.get_logger("scoreboard.redis")

# Why a call got no answer: nobody gave one, or did not a moment ago; its connection had ended, and
# it must not be asked twice; Redis refused; a mistake of ours.
Failure = Literal["no_answer", "resting", "ended", "refused", "defect"]
# What Redis held, or answered, that we never write: the time of a limit, a lease of streams, the
# answer of a script; or a key of another type, about which a command complained.
Malformed = Literal["limit", "streams", "answer", "type"]
_PING: Final = packed("PING")


class Script:
    """A Lua script that Redis keeps; it is sent again to one that does not know it."""

    def __init__(self, redis: Redis, lua: str, *, repeatable: bool, urgent: bool) -> None:
        text = lua.encode()
        self._redis = redis
        self._known_as = hashlib.sha1(text).hexdigest()  # noqa: S324 - the name that Redis gives it
        self._head = (word("EVALSHA"), word(self._known_as))
        self._load = packed("SCRIPT", "LOAD", text)
        self._repeatable, self._urgent = repeatable, urgent

    async def __call__(self, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Return what the script does. Raises RedisUnavailable."""
        return await self._run(
            lambda: packed("EVALSHA", self._known_as, len(keys), *keys, *arguments)
        )

    async def of_words(self, keys: Sequence[bytes], arguments: Sequence[bytes]) -> Any:
        """As if called with these, which are words as they are sent (`redis_words`)."""
        return await self._run(
            lambda: joined([*self._head, short_word(len(keys)), *keys, *arguments])
        )

    async def _run(self, pack: Callable[[], bytes]) -> Any:
        return await self._redis.ask(
            pack, self._load, repeatable=self._repeatable, urgent=self._urgent
        )


class RedisUnavailable(Exception):
    """Redis did not answer, or answered that it cannot."""


class Redis:
    """A client with deadlines: `pool` has its connections, `presence` whether Redis is away.

    `generation` counts failed calls, and connections made that are not only one more
    (`redis_pool`). While it stands, Redis was not restarted, and has lost nothing that it held.

    `on_failure` is told of each call without an answer, and why; `on_repeat` of each that is asked
    again; `on_malformed` of values that are not ours; `on_connected` of each connection that
    `generation` counts; `on_change` that Redis is away, or back.
    """

    def __init__(  # noqa: PLR0913 - half of them are callbacks
        self,
        url: str,
        *,
        timeout_seconds: float,
        name: str,
        on_failure: Callable[[Failure], None] = lambda _: None,
        on_repeat: Callable[[], None] = lambda: None,
        on_malformed: Callable[[Malformed, int], None] = lambda _, __: None,
        on_connected: Callable[[], None] = lambda: None,
        on_change: Callable[[], None] = lambda: None,
        pause_min_seconds: float = PAUSE_MIN_SECONDS,
    ) -> None:
        self.generation = 0
        self._on_failure = on_failure
        self._on_repeat = on_repeat
        self._on_malformed = on_malformed
        self._on_connected = on_connected
        self._told_of: set[Malformed] = set()
        self._reports = RedisReports()
        self._deadlines = Deadlines(timeout_seconds)
        named = sentinels(url)
        self._primary = named.primary if named else ""
        self.pool, self._sentinels = pool_of(
            url, named, timeout_seconds=timeout_seconds, name=name, on_connected=self._connected
        )
        self.presence = Presence(
            lambda: self.pool.ask(_PING),
            timeout_seconds,
            self._reports,
            on_change,
            pause_min_seconds,
        )

    @property
    def away(self) -> bool:
        """Whether nobody could be reached, and was not since."""
        return self.presence.away

    @property
    def refused(self) -> str:
        """What Redis refused within the last minute, "" if nothing."""
        return self._reports.recent

    def script(self, lua: str, *, repeatable: bool = True, urgent: bool = False) -> Script:
        """Make a script that may be called.

        One that is not `repeatable` does something else when it is done twice. One that is `urgent`
        is tried while Redis is away too, as long as a try costs no wait: others may reach it
        already.
        """
        return Script(self, lua, repeatable=repeatable, urgent=urgent)

    def note_malformed(self, what: Malformed, values: int = 1) -> None:
        """Count values that we never write, and that are therefore taken for absent; the first of
        each kind is logged. Somebody else uses this database, or wrote into it by hand.
        """
        self._on_malformed(what, values)
        if what not in self._told_of:
            self._told_of.add(what)
            log.warning("scoreboard.redis.malformed", what=what, values=values)

    async def load(self, lua: str) -> None:
        """Give Redis a script to keep, as after a restart. Raises RedisUnavailable."""
        await self.ask(lambda: packed("SCRIPT", "LOAD", lua))

    async def ask_sentinels(self) -> dict[str, str]:
        """Whom each Sentinel names as the primary, by where it is; "" for one that names nobody.
        Empty where the address names no Sentinels.
        """
        clients = self._sentinels.sentinels if self._sentinels else []
        answers = await asyncio.gather(
            *(client.sentinel_get_master_addr_by_name(self._primary) for client in clients),
            return_exceptions=True,
        )
        named = {}
        for client, answer in zip(clients, answers, strict=True):
            where = client.connection_pool.connection_kwargs
            named[f"{where['host']}:{where['port']}"] = (
                ":".join(map(str, answer)) if isinstance(answer, tuple) else ""
            )
        return named

    async def ping(self) -> None:
        """Return when Redis answers. Raises RedisUnavailable."""
        await self.ask(lambda: _PING)

    async def close(self) -> None:
        """Close every connection, whatever one says: a server that ends TLS may hang."""
        await self.presence.close()
        self._deadlines.close()
        ends: list[Any] = [self.pool, *([self._sentinels] if self._sentinels else [])]
        await asyncio.gather(*(end.aclose() for end in ends), return_exceptions=True)

    # A call

    async def ask(
        self,
        pack: Callable[[], bytes],
        load: bytes = b"",
        *,
        repeatable: bool = True,
        urgent: bool = False,
    ) -> Any:
        """Ask for what `pack` makes, with `load` before it where Redis does not know the script
        (`Pool.ask`); the others are those of `script`. Raises RedisUnavailable.
        """
        if self.presence.away and (self.presence.is_silent or not urgent):
            self.presence.keep_looking()
            self._on_failure("resting")
            raise RedisUnavailable("Redis failed a moment ago")
        began, era = time.monotonic(), self.pool.era
        try:
            command = pack()
            with self._deadlines.next():
                try:
                    answer = await self.pool.ask(command, load)
                except Exception as error:
                    await self._give_up(error, era, repeatable=repeatable)
                    era = self.pool.era
                    answer = await self.pool.ask(command, load)
        except RedisUnavailable:
            raise
        except Exception as error:
            raise_if_cancelled()
            await self._fail(error, began, era)
            raise RedisUnavailable(str(error)) from error
        raise_if_cancelled()
        self.presence.be_back()
        return answer

    async def _give_up(self, error: Exception, era: int, *, repeatable: bool) -> None:
        """Return if the call may be asked once more, on a new connection: its own had ended.
        Raises `error` if that is not so, and RedisUnavailable if nothing else is wrong.
        """
        was_refused = refusal_in(str(error)) is not None
        is_new = time.monotonic() - self.pool.renewed_at < SOON_SECONDS
        # guard: one-stays-replica
        if failing_of(error) != "ended" or (was_refused and is_new):  # guard: call-whose-connection
            raise error
        raise_if_cancelled()
        self.generation += 1
        await self.pool.give_up(era)
        if not repeatable and not was_refused:
            self._on_failure("ended")
            raise RedisUnavailable(str(error)) from error
        self._on_repeat()

    async def _fail(self, error: Exception, began: float, era: int) -> None:
        """Judge how a call failed, count it, and say what has to be said."""
        failing = failing_of(error)
        # guard: one-key-another
        if failing == "type":  # one key is not ours: all others may go on, and so may Redis
            self.note_malformed("type")
            return
        self.generation += 1
        is_refusal = self._reports.note(error)
        if failing == "defect":  # guard: mistake-no-outage
            self._on_failure("defect")
            self._reports.note_defect(error)
        elif failing == "refused" or (failing == "ended" and is_refusal):  # guard: redis-refuses-up
            self._on_failure("refused")
        else:
            self._on_failure("no_answer")
            # guard: wait-began-before
            if era == self.pool.era:  # else it was known before, and may be over
                self.presence.note_try(began)
                await self.pool.give_up(era)
                self.presence.be_away(error)

    def _connected(self) -> None:
        self.generation += 1
        self._on_connected()
