"""The border to Redis: every command goes through here, and redis-py's errors stop here.

Redis holds copies only, so nothing is retried and nothing waits long: a failure is answered from
elsewhere (the board from PostgreSQL, limits per instance) and for a moment nobody asks again, so
that a Redis that hangs costs one wait and not one a request.

An address may name Sentinels instead of a server. They are then asked for the primary with each
connection, and what they name is asked whether it is one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Literal

import structlog
from redis.asyncio import BlockingConnectionPool
from redis.asyncio import Redis as Client
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import RedisError

from scoreboard.connections.cancellation import raise_if_cancelled
from scoreboard.connections.sentinels import sentinels

log = structlog.get_logger("scoreboard.redis")

# Why a call got no answer: it failed, or another one did a moment ago.
Failure = Literal["no_answer", "resting"]
# What Redis held, or answered, that we never write: the time of a limit, a lease of streams, the
# answer of a script; or a key of another type, about which a command complained.
Malformed = Literal["limit", "streams", "answer", "type"]

_CONNECTIONS: Final = 8  # calls are coalesced, so a few connections carry everything
REST_SECONDS: Final = 0.5
_WRONG_TYPE: Final = "WRONGTYPE"  # Redis's word; within a script's error too


class RedisUnavailable(Exception):
    """Redis did not answer, or answered that it cannot."""


class Redis:
    """A client with deadlines.

    `generation` counts connections made and calls failed. Whoever keeps it beside what he read from
    Redis can tell whether Redis may have been restarted since, with other contents. `on_failure` is
    told of each call without an answer, and why; `on_malformed` of values that are not ours.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_seconds: float,
        name: str,
        on_failure: Callable[[Failure], None] = lambda _: None,
        on_malformed: Callable[[Malformed, int], None] = lambda _, __: None,
    ) -> None:
        self.generation = 0
        self._on_failure = on_failure
        self._on_malformed = on_malformed
        self._told_of: set[Malformed] = set()
        self._timeout_seconds = timeout_seconds
        self._resting_until = 0.0
        self._away = False
        options = {
            "max_connections": _CONNECTIONS,
            "timeout": timeout_seconds,
            "socket_timeout": None,  # `_ask` has the deadline; theirs makes a task for each call
            "socket_connect_timeout": timeout_seconds,
            "health_check_interval": 0,
            "client_name": _client_name(name),
            "retry": Retry(NoBackoff(), 0),
            "redis_connect_func": self._connected,
        }
        self._sentinels: Sentinel | None = None
        self._primary = ""  # what Sentinels call it
        if named := sentinels(url):
            self._primary = named.primary
            self._sentinels = named.client(timeout_seconds)
            self._pool: BlockingConnectionPool = _PrimaryPool(
                named.primary, self._sentinels, **named.options | options
            )
        else:
            self._pool = BlockingConnectionPool.from_url(url, **options)
        self._client = Client.from_pool(self._pool)  # which closes the pool with itself

    @property
    def away(self) -> bool:
        """Whether the latest call failed."""
        return self._away

    @property
    def in_use(self) -> int:
        """How many connections carry a call, right now."""
        return len(self._pool._in_use_connections)

    @property
    def idle(self) -> int:
        """How many open connections carry none, right now."""
        return len(self._pool._available_connections)

    def script(self, lua: str) -> Callable[[Sequence[str], Sequence[Any]], Awaitable[Any]]:
        """Register a Lua script; it survives a restarted server. The call raises
        RedisUnavailable.
        """
        script = self._client.register_script(lua)

        async def run(keys: Sequence[str], arguments: Sequence[Any]) -> Any:
            return await self._ask(lambda: script(keys=list(keys), args=list(arguments)))

        return run

    def note_malformed(self, what: Malformed, values: int = 1) -> None:
        """Count values that we never write, and that are therefore taken for absent; the first of
        each kind is logged. Somebody else uses this database, or wrote into it by hand.
        """
        self._on_malformed(what, values)
        if what not in self._told_of:
            self._told_of.add(what)
            log.warning("scoreboard.redis.malformed", what=what, values=values)

    async def load(self, lua: str) -> None:
        """Give Redis a script to keep, as `script` does after a restart. Raises
        RedisUnavailable.
        """
        await self._ask(lambda: self._client.script_load(lua))

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
        await self._ask(self._client.ping)

    async def close(self) -> None:
        """Close every connection, whatever one says as it goes: by TLS a server has to answer that,
        and may hang.
        """
        ends: list[Any] = [self._client, *([self._sentinels] if self._sentinels else [])]
        await asyncio.gather(*(end.aclose() for end in ends), return_exceptions=True)

    async def _ask(self, call: Callable[[], Awaitable[Any]]) -> Any:
        loop = asyncio.get_running_loop()
        if loop.time() < self._resting_until:
            self._on_failure("resting")
            raise RedisUnavailable("Redis failed a moment ago")
        try:
            async with asyncio.timeout(self._timeout_seconds):
                answer = await call()
        # The last two are the parser's, of an answer that no Redis gives.
        except (RedisError, OSError, TimeoutError, TypeError, ValueError) as error:
            raise_if_cancelled()
            if _WRONG_TYPE in str(error):  # one key is not ours: that is no reason to rest
                self._note(None)
                self.note_malformed("type")
                raise RedisUnavailable(str(error)) from error
            self.generation += 1
            self._resting_until = loop.time() + REST_SECONDS
            self._note(error)
            self._on_failure("no_answer")
            raise RedisUnavailable(str(error)) from error
        raise_if_cancelled()
        self._note(None)
        return answer

    def _note(self, error: Exception | None) -> None:
        """Log the change from present to away and back, not every failure."""
        if error is not None and not self._away:
            log.warning("scoreboard.redis.away", error=str(error) or type(error).__name__)
        elif error is None and self._away:
            log.info("scoreboard.redis.back")
        self._away = error is not None

    async def _connected(self, connection: AbstractConnection) -> None:
        self.generation += 1
        await connection.on_connect()
        if self._sentinels is not None:
            await _check_is_primary(connection)


class _PrimaryPool(SentinelConnectionPool, BlockingConnectionPool):
    """A pool whose connections lead to the primary that Sentinel names: what redis-py has for each
    of the two, in one.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)  # type: ignore[no-untyped-call]
        self._asking = asyncio.Lock()

    async def get_master_address(self) -> tuple[str, int]:
        """Ask the Sentinels, one caller at a time: redis-py puts the one that answered first in its
        list, and where two do so at once another one is lost. Connections to another primary that
        nobody uses are closed then.
        """
        try:
            async with self._asking:
                address: tuple[str, int] = await super().get_master_address()  # type: ignore[no-untyped-call]
        except MasterNotFoundError:  # its text has a page for each Sentinel, and no reason
            raise NoConnection(f"no Sentinel names a primary {self.service_name}") from None
        return address

    async def release(self, connection: Any) -> None:
        """Take a connection back. One that was in use when the primary changed is not used again:
        a primary that only hung answers for a while as if it still were one.
        """
        if self.master_address != (connection.host, connection.port):
            connection.mark_for_reconnect()
        await super().release(connection)


async def _check_is_primary(connection: AbstractConnection) -> None:
    """A Sentinel that was away names the primary of yesterday. Raises redis-py's error."""
    await connection.send_command("ROLE")
    role, *_ = await connection.read_response()
    if role != b"master":
        raise NoConnection(f"Sentinel named a server whose role is {role.decode()}")


def _client_name(name: str) -> str:
    """CLIENT SETNAME takes no spaces and no control characters."""
    return "".join(character if "!" <= character <= "~" else "-" for character in name)
