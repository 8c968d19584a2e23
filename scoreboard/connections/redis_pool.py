"""Keeps the connections to Redis; all that are of one era are closed as soon as one has ended.

A restart ends every connection, and so do a failover, `CLIENT KILL`, a proxy and the idle timeout
of a server. A connection whose end has been seen is made anew before it is used. One whose end has
not been seen fails one call; the others of its era would each fail another, half a minute later.

A pool grows too, which is no loss: a connection that is made beside others of its era, and leads
to the same process of Redis, is only one more.

redis-py makes the connections, and reads and writes. What its client does around that for each call
(a lock, a timer, two retries, counts that nobody reads) takes more than half of the time of a call
(docs/decisions/0069), so a command is given to a connection here.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakKeyDictionary

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.maint_notifications import MaintNotificationsConfig

from scoreboard.connections.sentinels import Sentinels

_CONNECTIONS: Final = 8  # calls are coalesced, so a few connections carry everything
# What the driver and the parser raise about an answer that no Redis gives.
_STRANGE_ANSWER: Final = (AttributeError, LookupError, TypeError, ValueError)
_RUN_ID: Final = re.compile(rb"^run_id:(\w{1,64})\r?$", re.MULTILINE)


class NotConnected(Exception):
    """No connection could be had. Nothing was sent."""


class Pool(ConnectionPool):
    """Lends its connections, each to one call at a time; whoever finds none waits for one.

    `era` counts how often all connections were given up, last at `renewed_at` (monotonic).
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        # An address may still have it. The deadline of a call counts for this wait too.
        options.pop("timeout", None)
        super().__init__(*arguments, **options)
        self._to_lend = asyncio.Semaphore(self.max_connections)
        self.era = 0
        self.renewed_at = -math.inf
        # The process of Redis to which the latest connection leads, and the era of each.
        self._latest: tuple[bytes | None, int] = (None, -1)
        self._made_in: WeakKeyDictionary[AbstractConnection, int] = WeakKeyDictionary()

    @property
    def in_use(self) -> int:
        """How many connections carry a call, right now."""
        return len(self._in_use_connections)

    @property
    def idle(self) -> int:
        """How many open connections carry none, right now."""
        return len(self._available_connections)

    def is_one_more(self, connection: AbstractConnection, process: bytes | None) -> bool:
        """Note a new connection, and say whether it is only one more: the one before it is of this
        era and leads to the same process, and this one did not end in this era.
        """
        latest, made_in = (process, self.era), self._made_in.get(connection)
        is_same = process is not None and latest == self._latest  # guard: one-more-connection
        self._latest, self._made_in[connection] = latest, self.era
        # guard: connection-redis-place
        return is_same and made_in != self.era  # guard: pool-redis-grows

    async def ask(self, command: bytes, load: bytes = b"") -> Any:
        """Send a command, packed, and return Redis's answer; where that is that it does not know
        the script, send `load` first. Raises NotConnected and redis-py's errors. A connection on
        which an answer may still come, or on which none does, is closed.
        """
        connection = await self.get_connection()
        try:
            try:
                return await _exchange(connection, command)
            except NoScriptError:
                if not load:
                    raise
            await _exchange(connection, load)
            return await _exchange(connection, command)
        finally:
            await self.release(connection)

    async def get_connection(self, *_: Any, **__: Any) -> Any:
        """Lend a connection that is open, as far as is known. Raises NotConnected."""
        await self._to_lend.acquire()
        try:
            connection = self.get_available_connection()  # type: ignore[no-untyped-call]
        except BaseException:
            self._to_lend.release()
            raise
        try:
            await self.ensure_connection(connection)
        except (RedisError, OSError) as error:
            await self.release(connection)
            raise NotConnected(str(error) or type(error).__name__) from error
        except BaseException:
            await self.release(connection)
            raise
        return connection

    async def ensure_connection(self, connection: AbstractConnection) -> None:
        """Open it, or make it anew if its end has been seen, or if it says what nobody asked for.
        Redis-py finds out too that nothing is to be done, in ten times the time.
        """
        # guard: redis-connection-looked
        if not connection.is_connected or await connection.can_read():
            await super().ensure_connection(connection)

    async def give_up(self, era: int) -> None:
        """Close the connections of this era, those in use once they are given back. Many calls fail
        with one restart, and the first one does this: later ones would close newer connections.
        """
        if era != self.era:  # guard: connections-redis-one
            return
        self.era += 1
        self.renewed_at = time.monotonic()
        for connection in self._in_use_connections:
            connection.mark_for_reconnect()  # type: ignore[no-untyped-call]
        for connection in [*self._available_connections]:
            await connection.disconnect(nowait=True)

    async def release(self, connection: Any) -> None:
        """Take a connection back. A server has to answer a farewell by TLS: do not wait for it."""
        try:
            if connection.should_reconnect():
                await connection.disconnect(nowait=True)
        finally:
            self._in_use_connections.remove(connection)
            # Last in line. A server closes what is idle for too long: if the same few were used
            # again and again, a busy moment would find that the others have ended.
            self._available_connections.insert(0, connection)  # guard: every-connection-redis
            self._to_lend.release()


class _PrimaryPool(SentinelConnectionPool, Pool):
    """redis-py's pool for Sentinel, and ours, in one."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)  # type: ignore[no-untyped-call]
        self._asking = asyncio.Lock()

    async def get_master_address(self) -> tuple[str, int]:
        """Ask the Sentinels, one caller at a time: redis-py puts the one that answered first in its
        list, and where two do so at once another one is lost. Connections to another primary that
        nobody uses are closed then.
        """
        try:
            async with self._asking:  # guard: sentinels-asked-one
                address: tuple[str, int] = await super().get_master_address()  # type: ignore[no-untyped-call]
        except MasterNotFoundError:  # its text has a page for each Sentinel, and no reason
            raise NoConnection(f"no Sentinel names a primary {self.service_name}") from None
        except _STRANGE_ANSWER as error:
            raise NoConnection("what answers there is no Sentinel") from error
        return address

    async def release(self, connection: Any) -> None:
        """Take a connection back. One that was in use when the primary changed is not used again:
        a primary that only hung answers for a while as if it still were one.
        """
        if self.master_address != (connection.host, connection.port):  # guard: connection-primary
            connection.mark_for_reconnect()
        await super().release(connection)


def pool_of(
    url: str,
    named: Sentinels | None,
    *,
    timeout_seconds: float,
    name: str,
    on_connected: Callable[[], None],
) -> tuple[Pool, Sentinel | None]:
    """Make the pool for this address, and a client of the Sentinels that are `named` in it.
    `on_connected` is told of each connection that is not only one more.
    """

    async def greet(connection: AbstractConnection) -> None:
        process = None
        try:
            await connection.on_connect()
            if named is not None:
                await _check_is_primary(connection)  # guard: redis-replica-now
            process = await _process_of(connection)
        except _STRANGE_ANSWER as error:
            await connection.disconnect(nowait=True)
            raise NoConnection("what answers there is no Redis") from error
        finally:
            if not pool.is_one_more(connection, process):
                on_connected()

    options = _options(timeout_seconds, name) | {"redis_connect_func": greet}
    if named is None:
        pool: Pool = Pool.from_url(url, **options)
        return pool, None
    client = named.client(timeout_seconds)
    pool = _PrimaryPool(named.primary, client, **named.options | options)
    return pool, client


def _options(timeout_seconds: float, name: str) -> dict[str, Any]:
    """What redis-py is told of every connection."""
    return {  # guard: end-connection-redis
        "max_connections": _CONNECTIONS,
        "socket_timeout": None,  # `Redis` has the deadline; theirs makes a task for each call
        "socket_connect_timeout": timeout_seconds,
        "health_check_interval": 0,
        "client_name": re.sub("[^!-~]", "-", name),  # CLIENT SETNAME takes nothing else
        "retry": Retry(NoBackoff(), 0),
        # As long as they are on ("auto"), redis-py uses connections whose end it has seen.
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }


async def _exchange(connection: AbstractConnection, command: bytes) -> Any:
    """Send a command, and return the answer. Redis-py closes a connection where that fails."""
    await connection.send_packed_command(command, check_health=False)
    return await connection.read_response()


async def _check_is_primary(connection: AbstractConnection) -> None:
    """A Sentinel that was away names the primary of yesterday. Raises redis-py's error."""
    await connection.send_command("ROLE")
    role, *_ = await connection.read_response()
    if role != b"master":
        raise NoConnection(f"Sentinel named a server whose role is {role.decode()}")


async def _process_of(connection: AbstractConnection) -> bytes | None:
    """What a process of Redis calls itself from its start to its end; None if it does not say."""
    await connection.send_command("INFO", "server")
    try:
        answer = await connection.read_response()
    except ResponseError:  # it may not be asked, or something on the way does not know the command
        return None
    found = _RUN_ID.search(answer)
    return found[1] if found else None
