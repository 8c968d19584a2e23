"""Whole instances in the test's own process, on real ports, and the clients that talk to them."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import aiohttp
import pytest
from aiohttp import web

from scoreboard.api.http.listening import listening_sockets
from scoreboard.api.http.site import Site
from scoreboard.app import create_app, make_runner
from scoreboard.configuration.settings import Settings
from scoreboard.configuration.sources import load
from scoreboard.live.relay import Relay
from scoreboard.model import MAIN
from scoreboard.parts import PARTS
from tests.eventually import eventually
from tests.trials import not_repeated

SECRET = "a-secret-for-tests-only-0123456789abcdef"
UNLIMITED = "1000000/second"
# A busy machine may miss the deadline for Redis that is shipped; what is seen then is how an
# instance does without it (`tests/faults`).
PATIENCE = {"redis_timeout_seconds": 5.0}


def test_settings(**overrides: Any) -> Settings:
    """Settings as shipped, but for a secret, a free port and limits that stay out of the way."""
    values: dict[str, Any] = {
        "jwt_secret": SECRET,
        "port": 0,
        "rate_limit_per_ip": UNLIMITED,
        "rate_limit_per_user": UNLIMITED,
        "rate_limit_accounts_per_ip": UNLIMITED,
        "rate_limit_logins_per_user": UNLIMITED,
        "rate_limit_per_family": UNLIMITED,
        "rate_limit_exports_per_user": UNLIMITED,
        "connections_per_ip": 10_000,
        "streams_per_ip": 10_000,
        "streams_per_user": 10_000,
        "shutdown_seconds": 5.0,
    }
    return load({}, **(values | overrides))


test_settings.__test__ = False  # type: ignore[attr-defined]  # its name is not a test's


@dataclass
class Event:
    """One event of a stream."""

    name: str
    data: Any
    event_id: str | None = None


@dataclass
class Stream:
    """An open stream and all that came over it. Comments count as heartbeats."""

    response: aiohttp.ClientResponse
    events: list[Event] = field(default_factory=list)
    heartbeats: int = 0
    retries: list[int] = field(default_factory=list)
    ended: bool = False
    _task: asyncio.Task[None] | None = None

    @property
    def boards(self) -> list[Event]:
        """The `score:update` events."""
        return [event for event in self.events if event.name == "score:update"]

    @property
    def versions(self) -> list[int]:
        """The versions, in the order in which they came."""
        return [int(event.event_id or -1) for event in self.boards]

    async def until(self, version: int, within_seconds: float = 5.0) -> None:
        """Wait until this version has come."""
        await eventually(
            lambda: self.versions and self.versions[-1] >= version,
            within_seconds=within_seconds,
            message=f"version {version} on the stream, which has {self.versions}",
        )

    async def read(self) -> None:
        """Keep what comes until the end."""
        try:
            async for fields in events_of(self.response):
                if "" in fields:
                    self.heartbeats += 1
                else:
                    self._take(fields)
        finally:
            self.ended = True

    def _take(self, fields: dict[str, str]) -> None:
        assert "data" in fields, f"an empty line that ends no event, after {self.events[-1:]}"
        if "retry" in fields:
            self.retries.append(int(fields["retry"]))
        self.events.append(Event(fields["event"], json.loads(fields["data"]), fields.get("id")))


async def events_of(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, str]]:
    """Read the events of a stream, each as its fields. A comment counts as an event with one field,
    which has no name.
    """
    fields: dict[str, str] = {}
    async for raw in response.content:
        line = raw.decode().rstrip("\r\n")
        name, _, value = line.partition(":")
        if line and not name:
            yield {"": value}
        elif line:
            fields[name] = value.removeprefix(" ")
        else:
            yield fields
            fields = {}


class Instance:
    """One running instance and a client of it."""

    def __init__(self, app: web.Application, runner: web.AppRunner) -> None:
        self.app = app
        self.runner = runner
        self.client: aiohttp.ClientSession
        self.url = ""
        self._streams = AsyncExitStack()

    @classmethod
    async def start(cls, settings: Settings) -> Self:
        app = create_app(settings)
        runner = make_runner(app, settings)
        instance = cls(app, runner)
        try:
            await runner.setup()
            site = Site(runner)
            await site.start()
            site.attend(listening_sockets(settings.host, settings.port))
        except BaseException:
            await runner.cleanup()
            raise
        host, port = runner.addresses[0][:2]
        instance.url = f"http://{host}:{port}"
        instance.client = aiohttp.ClientSession(
            instance.url, connector=aiohttp.TCPConnector(limit=0)
        )
        return instance

    async def stop(self) -> None:
        await self._streams.aclose()
        await self.client.close()
        await self.runner.cleanup()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self.stop()

    def token(self, user_id: str) -> str:
        """An access token for this user."""
        return self.app[PARTS].access.issue(user_id)

    def bearer(self, user_id: str) -> dict[str, str]:
        """The header that speaks for this user."""
        return {"Authorization": f"Bearer {self.token(user_id)}"}

    async def submit(self, user_id: str, action_id: str) -> tuple[int, dict[str, Any]]:
        """Submit an action; the answer's status and document."""
        async with self.client.post(
            "/api/actions", json={"actionId": action_id}, headers=self.bearer(user_id)
        ) as response:
            return response.status, await response.json()

    async def board(self) -> dict[str, Any]:
        """GET /api/leaderboard."""
        async with self.client.get("/api/leaderboard") as response:
            assert response.status == 200, await response.text()
            document: dict[str, Any] = await response.json()
            return document

    async def open_stream(self, path: str = "/api/leaderboard/stream", **kwargs: Any) -> Stream:
        """Open a stream that is read until the instance stops or the caller closes its response."""
        return await self._streams.enter_async_context(_stream(self.client, path, **kwargs))

    def metric(self, name: str, **labels: str) -> float:
        """A counter or gauge of this instance, 0 if it was never set."""
        value = self.app[PARTS].metrics.registry.get_sample_value(f"scoreboard_{name}", labels)
        return value or 0.0


Start = Callable[..., Awaitable[Instance]]


@asynccontextmanager
async def starting_instances(
    database_url: str, redis_url: str, amqp_url: str, **common: Any
) -> AsyncIterator[Start]:
    """Lend a function that starts instances on these servers; keyword arguments are settings."""
    numbers = itertools.count(1)
    urls = {"database_url": database_url, "redis_url": redis_url, "amqp_url": amqp_url}
    async with AsyncExitStack() as stack:

        async def start_one(**settings: Any) -> Instance:
            named = {"instance": f"test-{next(numbers)}"} | urls | common | settings
            with not_repeated():
                instance = await Instance.start(test_settings(**named))
            return await stack.enter_async_context(instance)

        yield start_one


async def hears_by_the_bus_alone(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait until boards reach it by the bus, and let no instance compare versions from then on: now
    and then a comparison is quicker than the bus, and a test of the bus would see nothing.
    """

    async def reconcile(_: Relay) -> None: ...

    await eventually(lambda: instance.app[PARTS].bus.connected)
    await eventually(lambda: instance.app[PARTS].hub.version(MAIN) >= 0)
    monkeypatch.setattr(Relay, "reconcile", reconcile)


@asynccontextmanager
async def _stream(client: aiohttp.ClientSession, path: str, **kwargs: Any) -> AsyncIterator[Stream]:
    timeout = aiohttp.ClientTimeout(total=None)
    async with client.get(path, timeout=timeout, **kwargs) as response:
        assert response.status == 200, await response.text()
        stream = Stream(response)
        task = asyncio.create_task(stream.read())
        try:
            yield stream
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, aiohttp.ClientError):
                await task
