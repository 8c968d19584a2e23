"""Load for fault tests: submitters that keep every reply, readers, and subscribers that keep every
event.

They are clients as they should be: a submission without a clear answer is sent again, to the next
door, until it is granted or was already; a stream that ended is opened again elsewhere. Whatever no
client should ever meet, whichever part is away, is noted in `violations`.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Self

import aiohttp
import orjson

from scoreboard.accounts.access import AccessTokens
from scoreboard.model import MAIN
from tests.eventually import eventually
from tests.five_boards import DAILY, OTHERS
from tests.instances import events_of, test_settings
from tests.subscriber import Subscriber, path_of

Pair = tuple[str, str]

NO_ANSWER = 0
# Whatever a token says, it is good for an hour after it was issued.
TOKEN_SECONDS = 600.0
# What a fault may cost a submission, each with Retry-After; behind a load balancer without a server
# the answer is the balancer's own, and has no code.
_MAY_RETRY = {"ledger_unavailable", "overloaded", "shutting_down", ""}
TOP = 10
# Of each board but `main`, so that two doors have one each.
_SUBSCRIBERS_OF_OTHERS = 2


class Reply(NamedTuple):
    """One attempt to submit, and what came back."""

    user: str
    action: str
    door: str
    status: int  # NO_ANSWER: the connection broke first
    code: str
    seconds: float


class Load:
    """Submitters, readers and subscribers on some doors (addresses of instances, or of a balancer).

    `doors` is asked anew for each request, so a door may close while the load runs. `pairs` are the
    submissions to make, each once; every tenth is made again, to be told of the first. Subscribers
    stay for about `stay_seconds` and then come again; without it they stay for good.

    Where anybody follows `main`, the other boards of `tests.five_boards` are followed and read as
    well.
    """

    def __init__(
        self,
        doors: Callable[[], Sequence[str]],
        pairs: Iterator[Pair],
        *,
        submitters: int = 6,
        subscribers: int = 6,
        pause_seconds: float = 0.02,
        patience_seconds: float = 15.0,
        stay_seconds: float | None = None,
        stream_doors: Callable[[], Sequence[str]] | None = None,
    ) -> None:
        self.replies: list[Reply] = []
        self.reads: Counter[str] = Counter()
        self.reads_in_doubt = 0
        self.acknowledged: dict[Pair, dict[str, Any]] = {}
        self.sent: set[Pair] = set()
        self.subscribers = [Subscriber() for _ in range(subscribers)]
        self.others = [
            Subscriber(board_id)
            for board_id in (OTHERS if subscribers else ())
            for _ in range(_SUBSCRIBERS_OF_OTHERS)
        ]
        self.violations: list[str] = []
        self._doors = doors
        self._stream_doors = stream_doors or doors
        self._pairs = pairs
        self._submitters = submitters
        self._pause_seconds = pause_seconds
        self._patience_seconds = patience_seconds
        self._stay_seconds = stay_seconds
        self._tokens = AccessTokens(test_settings(access_token_seconds=7 * 86400))
        self._bearers: dict[str, tuple[str, float]] = {}
        # What each user has at least: the score in the latest `200`.
        self._told: dict[str, int] = {}
        # The boards that have to know of it.
        self._telling = (MAIN, DAILY) if subscribers else (MAIN,)
        self._client: aiohttp.ClientSession
        self._submitting: list[asyncio.Task[None]] = []
        self._others: list[asyncio.Task[None]] = []
        self._over = asyncio.Event()

    async def __aenter__(self) -> Self:
        # No connection limit: a stream holds one for as long as it lasts.
        self._client = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self._submitting = [asyncio.create_task(self._submit()) for _ in range(self._submitters)]
        self._others = [
            asyncio.create_task(self._follow(subscriber, number))
            for number, subscriber in enumerate([*self.subscribers, *self.others])
        ]
        self._others.append(asyncio.create_task(self._read()))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        tasks = [*self._submitting, *self._others]
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.close()
        for end in ends:
            if isinstance(end, Exception):
                raise end

    async def finish(self) -> None:
        """Send nothing new, and return when every submission has its clear answer."""
        self._over.set()
        await asyncio.gather(*self._submitting)

    # What tests ask.

    @property
    def doors(self) -> Sequence[str]:
        """The doors that are open now."""
        return self._doors()

    def count(self, *, status: int | None = None, door: str | None = None) -> int:
        """How many replies there are so far, of this status, through this door."""
        return sum(
            (status is None or reply.status == status) and (door is None or reply.door == door)
            for reply in self.replies
        )

    def told(self, user: str) -> int:
        """The highest score on `main` that this user was told of so far; 0 before the first."""
        return self._told.get(user, 0)

    @property
    def refusals(self) -> list[Reply]:
        """The replies, or broken connections, after which somebody had to submit again."""
        return [reply for reply in self.replies if reply.status not in (200, 400)]

    async def flows(self, *, within_seconds: float = 20.0) -> None:
        """Return when grants come through every door (again), and reads and boards arrive."""
        start, reads = len(self.replies), dict(self.reads)
        boards = [len(subscriber.versions) for subscriber in self.subscribers]

        def everywhere() -> bool:
            granted = {reply.door for reply in self.replies[start:] if reply.status == 200}
            return (
                granted >= set(self._doors())
                and all(self.reads[door] > reads.get(door, 0) for door in self._doors())
                and all(
                    len(subscriber.versions) > before
                    for subscriber, before in zip(self.subscribers, boards, strict=True)
                )
            )

        await eventually(everywhere, within_seconds=within_seconds, message="the load flows")

    async def reading_goes_on(self, *, within_seconds: float = 20.0) -> None:
        """Return when the board was read through every door once more."""
        before = dict(self.reads)
        await eventually(
            lambda: all(self.reads[door] > before.get(door, 0) + 1 for door in self._doors()),
            within_seconds=within_seconds,
            message="the board can be read",
        )

    async def everybody_shows(self, board_id: str, season: int, *, within_seconds: float) -> None:
        """Return when every subscriber of this board shows this season of it, or a later one."""
        await eventually(
            lambda: all(s.season >= season for s in self.others if s.board_id == board_id),
            within_seconds=within_seconds,
            message=f"season {season} on every stream of {board_id}",
        )

    async def everybody_has(self, version: int, *, within_seconds: float) -> None:
        """Return when every subscriber shows this version or a newer one."""
        await eventually(
            lambda: all(subscriber.version >= version for subscriber in self.subscribers),
            within_seconds=within_seconds,
            message=f"version {version} on every stream",
        )

    # Submitters.

    async def _submit(self) -> None:
        while not self._over.is_set():
            pair = next(self._pairs, None)
            if pair is None:
                return  # all is submitted
            await self._until_clear(pair)
            if random.random() < 0.1:
                await self._repeat(pair)
            await asyncio.sleep(self._pause_seconds)

    async def _until_clear(self, pair: Pair) -> None:
        """Submit until the answer is clear; an attempt that went unanswered may have counted."""
        for attempt in range(10_000):
            reply, document = await self._post(pair)
            if reply.status == 200:
                self.acknowledged[pair] = document["data"]
                self._told[pair[0]] = max(self._told.get(pair[0], 0), document["data"]["score"])
                # Whoever was told reads the board at once, wherever that may be.
                await self._look(random.choice(self._doors()), random.choice(self._telling))
                return
            if reply.code == "already_granted":
                if attempt == 0:
                    self.violations.append(f"{reply}: nobody had submitted that")
                self.acknowledged[pair] = document["grant"]
                return
            await asyncio.sleep(random.uniform(0.05, 0.15))
        raise AssertionError(f"{pair}: no clear answer, ever")

    async def _repeat(self, pair: Pair) -> None:
        """The second time is refused, and tells of the first; a 503 is an answer too."""
        reply, document = await self._post(pair)
        if reply.status == 200:
            self.violations.append(f"{reply}: granted twice")
        elif reply.code == "already_granted":
            first = self.acknowledged[pair]
            if any(document["grant"][key] != first[key] for key in ("points", "grantedAt")):
                self.violations.append(f"{reply}: {document['grant']} is not {first}")

    async def _post(self, pair: Pair) -> tuple[Reply, dict[str, Any]]:
        self.sent.add(pair)
        door, began = random.choice(self._doors()), time.monotonic()
        status, retry_after = NO_ANSWER, ""
        document: dict[str, Any] = {}
        try:
            async with (
                asyncio.timeout(self._patience_seconds),
                self._client.post(
                    f"{door}/api/actions",
                    json={"actionId": pair[1]},
                    headers={"Authorization": self._bearer(pair[0])},
                ) as response,
            ):
                body = await response.read()
                status, retry_after = response.status, response.headers.get("Retry-After", "")
                document = orjson.loads(body) if response.content_type.endswith("json") else {}
        except TimeoutError:
            self.violations.append(f"{door}: no answer within {self._patience_seconds} s")
        except (aiohttp.ClientError, OSError):
            pass
        reply = Reply(*pair, door, status, document.get("code", ""), time.monotonic() - began)
        self.replies.append(reply)
        if not _is_honest(reply, retry_after):
            self.violations.append(f"{reply}: {document}")
        return reply, document

    def _bearer(self, user: str) -> str:
        bearer, renew_at = self._bearers.get(user, ("", 0.0))
        if time.monotonic() >= renew_at:
            bearer = f"Bearer {self._tokens.issue(user)}"
            self._bearers[user] = bearer, time.monotonic() + TOKEN_SECONDS
        return bearer

    # Readers.

    async def _read(self) -> None:
        """Read the boards through each door in turn: 200 whatever is away."""
        for number in itertools.count():
            for door in self._doors():
                await self._look(door)
                if self.others:
                    await self._look(door, OTHERS[number % len(OTHERS)])
            await asyncio.sleep(0.05)

    async def _look(self, door: str, board_id: str = MAIN) -> None:
        """Read a board once. If every action counts on it, it knows of each grant that was answered
        before, or has an age.
        """
        told, began = dict(self._told), time.monotonic()
        try:
            async with (
                asyncio.timeout(self._patience_seconds),
                self._client.get(f"{door}{path_of(board_id)}") as response,
            ):
                body = await response.read()
        except TimeoutError:
            self.violations.append(f"{door}: no {board_id} in {self._patience_seconds} s")
        except (aiohttp.ClientError, OSError):
            pass  # the door is closed, and `reading_goes_on` asks whether it opens again
        else:
            if response.status != 200:
                self.violations.append(f"{board_id} of {door}: {response.status}")
                return
            self.reads[door] += board_id == MAIN
            document = orjson.loads(body)
            if "Age" in response.headers:  # it says itself that nobody could confirm it
                self.reads_in_doubt += 1
            elif board_id in self._telling and (missed := _missed(document["data"], told)):
                seconds = time.monotonic() - began
                self.violations.append(
                    f"{door} showed {board_id} {document['version']} after {seconds:.3f} s without "
                    f"what had been answered: {missed}"
                )

    # Subscribers.

    async def _follow(self, subscriber: Subscriber, number: int) -> None:
        for attempt in range(number, 1 << 31):
            doors = self._stream_doors()
            subscriber.door = doors[attempt % len(doors)]
            try:
                async with self._client.get(
                    f"{subscriber.door}{subscriber.path}", timeout=aiohttp.ClientTimeout(total=None)
                ) as response:
                    if response.status == 200:
                        async with asyncio.timeout(self._stay()):
                            await self._listen(subscriber, response)
            except (aiohttp.ClientError, OSError):
                pass
            # As `retry:` asks, but sooner, and for each at another moment.
            await asyncio.sleep(random.uniform(0.1, 0.3))

    def _stay(self) -> float | None:
        return self._stay_seconds and random.uniform(0, 2 * self._stay_seconds)

    async def _listen(self, subscriber: Subscriber, response: aiohttp.ClientResponse) -> None:
        subscriber.connected()
        async for event in events_of(response):
            self.violations += subscriber.take(event)


def _missed(entries: list[dict[str, Any]], told: dict[str, int]) -> dict[str, int]:
    """Whose scores are higher than this board knows, and how high."""
    shown = {entry["userId"]: entry["score"] for entry in entries}
    last = min(shown.values()) if len(shown) == TOP else 0
    return {user: score for user, score in told.items() if shown.get(user, last) < score}


def _is_honest(reply: Reply, retry_after: str) -> bool:
    if reply.status in (200, NO_ANSWER) or reply.code == "already_granted":
        return True
    return reply.status == 503 and reply.code in _MAY_RETRY and bool(retry_after or not reply.code)


@asynccontextmanager
async def a_load(
    doors: Callable[[], Sequence[str]], pairs: Iterator[Pair], **options: Any
) -> AsyncIterator[Load]:
    """A load that flows when this begins; nothing it met was dishonest when this ends."""
    async with Load(doors, pairs, **options) as load:
        await load.flows(within_seconds=30.0)
        yield load
    assert load.violations == [], load.violations[:9]
