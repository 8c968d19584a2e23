"""The bus on a real RabbitMQ: who hears what, what the broker keeps, and how it heals."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aio_pika
import pytest
from aio_pika.abc import (
    AbstractChannel,
    AbstractConnection,
    AbstractExchange,
    AbstractIncomingMessage,
    AbstractQueue,
)
from aiormq.base import FutureStore
from pamqp import encode
from structlog.testing import capture_logs

from scoreboard import board_json
from scoreboard.bus import broker as broker_module
from scoreboard.bus.broker import Exchange, Pace, Side
from scoreboard.bus.messages import BOARDS_BYTES_MAX, BOARDS_MAX, EXCHANGE, PURPOSE, Messages
from scoreboard.bus.rabbit import RabbitBus
from scoreboard.configuration.signatures import Signatures
from scoreboard.model import MAIN, SIZE_MAX, Board, BoardId, Entry, Origin
from scoreboard.operations.metrics import Metrics
from scoreboard.operations.tracing import OFF, Tracing
from tests.broker import Broker
from tests.eventually import eventually
from tests.forger import a_message
from tests.proxy import TcpProxy
from tests.recorder import FakeRecorder
from tests.samples import a_board, counted
from tests.servers import RabbitServer

SECRET = "a-secret-for-tests-only-0123456789abcdef"


# A broker on a busy machine may take longer to confirm than an end waits for it.
PATIENT = Pace(publish_timeout_seconds=5.0, flush_seconds=15.0)
ASSERTS_OFTEN = replace(PATIENT, assert_seconds=0.1)
PROBES_OFTEN = replace(PATIENT, publish_timeout_seconds=0.5, probe_seconds=0.2, look_seconds=0.1)


class Instance:
    """A bus, what it heard, and how often it was told that it is connected."""

    def __init__(
        self,
        url: str,
        name: str,
        *,
        publishes: bool = True,
        tracing: Tracing = OFF,
        secrets: tuple[str, ...] = (SECRET,),
        pace: Pace = PATIENT,
    ) -> None:
        self.metrics = Metrics()
        self.heard: list[Board] = []
        self.origins: list[Origin | None] = []
        self.connects = 0
        self.has: dict[str, int] = {}  # versions by board
        self.ignores: set[str] = set()  # the boards that it does not follow
        self.bus = RabbitBus(
            url,
            Messages(Signatures(secrets, PURPOSE), name),
            self,
            self._on_connected,
            self.metrics,
            tracing,
            publishes=publishes,
            pace=pace,
        )

    def known(self, board_id: BoardId) -> int | None:
        return None if board_id in self.ignores else self.has.get(board_id, -1)

    def offer(self, board: Board, origin: Origin | None) -> None:
        self.heard.append(board)
        self.origins.append(origin)

    def _on_connected(self) -> None:
        self.connects += 1

    @property
    def versions(self) -> list[int]:
        return [board.version for board in self.heard]

    def counted(self, name: str, **labels: str) -> float:
        return counted(self.metrics, name, **labels)


@asynccontextmanager
async def running(*instances: Instance) -> AsyncIterator[None]:
    """Run each until the end; they are connected when this begins."""
    tasks = [asyncio.create_task(instance.bus.run()) for instance in instances]
    try:
        await eventually(lambda: all(each.bus.connected for each in instances), within_seconds=15)
        await eventually(lambda: all(each.connects for each in instances))
        yield
    finally:
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks)


@pytest.fixture
async def admin(amqp_url: str) -> AsyncIterator[AbstractChannel]:
    """A channel of somebody else."""
    async with await aio_pika.connect(amqp_url) as connection:
        yield await connection.channel()


@pytest.fixture
def broker(own_rabbit_server: RabbitServer, amqp_url: str) -> Broker:
    """Its inside: only a broker of our own lets us look and reach into it."""
    return Broker(own_rabbit_server, amqp_url)


# --- who hears what


async def test_every_instance_hears_every_board_its_own_too(amqp_url: str) -> None:
    one, two, three = (Instance(amqp_url, name) for name in ("one", "two", "three"))
    async with running(one, two, three):
        one.bus.publish(a_board(1))
        await eventually(lambda: [1] == one.versions == two.versions == three.versions)
        two.bus.publish(a_board(2))
        await eventually(lambda: [1, 2] == one.versions == two.versions == three.versions)

    assert three.heard == [a_board(1), a_board(2)]
    assert one.counted("events_published_total") == two.counted("events_published_total") == 1
    assert three.counted("events_received_total") == 2


async def test_an_instance_that_publishes_nothing_has_one_side_only(
    amqp_url: str, broker: Broker
) -> None:
    api, stream = Instance(amqp_url, "api"), Instance(amqp_url, "stream", publishes=False)
    async with running(api, stream):
        api.bus.publish(a_board(1))
        await eventually(lambda: stream.versions == [1])

        assert broker.queues() == ["scoreboard.stream.api.1", "scoreboard.stream.stream.1"]
        assert broker.connection_names() == [
            "scoreboard.api.consume",
            "scoreboard.api.publish",
            "scoreboard.stream.consume",
        ]


async def test_a_burst_ends_with_its_newest_board_and_counts_what_it_replaced(
    amqp_url: str,
) -> None:
    one, two = Instance(amqp_url, "one"), Instance(amqp_url, "two")
    async with running(one, two):
        for version in range(1, 501):
            one.bus.publish(a_board(version))
            if version % 50 == 0:
                await asyncio.sleep(0)
        await eventually(lambda: two.versions and two.versions[-1] == 500)

    assert two.versions == sorted(set(two.versions))
    published = one.counted("events_published_total")
    assert published + one.counted("events_superseded_total") == 500


async def test_an_older_board_does_not_replace_a_newer_one_that_waits(amqp_url: str) -> None:
    one = Instance(amqp_url, "one")
    two = Instance(amqp_url, "two", publishes=False)
    for version in (2, 3, 1):
        one.bus.publish(a_board(version))
    async with running(two), running(one):
        await eventually(lambda: two.versions == [3])

    assert one.counted("events_superseded_total") == 2


def of(board_id: str, version: int) -> Board:
    return replace(a_board(version), board_id=BoardId(board_id))


def of_another(version: int) -> Board:
    return of("weekly", version)


async def test_boards_of_several_ids_are_each_published_with_their_newest(amqp_url: str) -> None:
    """Where there was one slot, the board with the lower version was never published."""
    one, two = Instance(amqp_url, "one"), Instance(amqp_url, "two", publishes=False)
    for version in (900, 901):
        one.bus.publish(a_board(version))
    for version in (1, 2):
        one.bus.publish(of_another(version))
    async with running(two), running(one):
        await eventually(lambda: two.heard == [a_board(901), of_another(2)])

    assert one.counted("events_superseded_total") == 2


async def test_a_message_that_names_another_board_says_nothing_of_main(amqp_url: str) -> None:
    one, two = Instance(amqp_url, "one"), Instance(amqp_url, "two", publishes=False)
    two.has = {MAIN: 9, "weekly": 3}
    async with running(one, two):
        one.bus.publish(of_another(3))
        await eventually(lambda: two.counted("boards_outdated_total") == 1)
        one.bus.publish(of_another(4))
        await eventually(lambda: two.heard == [of_another(4)])


async def test_a_board_that_nobody_follows_is_passed_over_unread(amqp_url: str) -> None:
    one, two = Instance(amqp_url, "one"), Instance(amqp_url, "two", publishes=False)
    two.ignores = {"weekly"}
    async with running(one, two):
        one.bus.publish(of_another(3))
        await eventually(lambda: two.counted("events_unfollowed_total") == 1)
        one.bus.publish(a_board(4))
        await eventually(lambda: two.heard == [a_board(4)])


# --- what is sent


async def test_a_message_says_what_it_is(amqp_url: str, admin: AbstractChannel) -> None:
    one = Instance(amqp_url, "one")
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with running(one):
        queue = await _listener(admin)
        began = time.time()
        one.bus.publish(a_board(7), Origin("submit", time.monotonic(), trace))
        message = await _first(queue)

    assert message.body == board_json.encode(a_board(7))
    assert (message.content_type, message.type) == ("application/json", "score:update")
    assert (message.app_id, message.message_id) == ("scoreboard", "board-7")
    assert message.timestamp == a_board(7).changed_at
    assert message.expiration == 60
    assert message.delivery_mode == aio_pika.DeliveryMode.NOT_PERSISTENT
    assert message.headers.pop("began") == pytest.approx(began * 1000, abs=50)
    assert len(str(message.headers.pop("signature"))) == 64
    assert message.headers == {"version": 7, "instance": "one", "traceparent": trace}


async def test_a_message_of_other_boards_names_them_and_is_no_news_to_earlier_releases(
    amqp_url: str, admin: AbstractChannel
) -> None:
    """They pass over what is no newer than their own board of that name: none, so version -1."""
    one = Instance(amqp_url, "one")
    async with running(one):
        queue = await _listener(admin)
        one.bus.publish(of_another(7))
        one.bus.publish(a_board(9))
        one.bus.publish(of("daily", 8))
        message, of_main = await _first_of_all(queue, 2)

    assert message.body.split(b"\n") == [
        board_json.encode(of_another(7)),
        board_json.encode(of("daily", 8)),
    ]
    assert (message.content_type, message.message_id) == ("application/x-ndjson", "board-weekly-7")
    assert len(str(message.headers.pop("signature"))) == 64
    assert message.headers == {"version": -1, "instance": "one", "boards": "weekly:7 daily:8"}
    assert (of_main.body, of_main.headers["version"]) == (board_json.encode(a_board(9)), 9)


async def test_a_hundred_boards_that_turn_together_are_a_few_messages_and_each_board_counts(
    amqp_url: str, admin: AbstractChannel
) -> None:
    """A message each was more than a queue has room for, and the relay had to find the rest."""
    one, two = Instance(amqp_url, "one"), Instance(amqp_url, "two", publishes=False)
    boards = [of(f"board{number}", 7) for number in range(100)]
    messages = await _messages_of(boards, one, two, admin, count=2)

    assert [message.body.count(b"\n") + 1 for message in messages] == [BOARDS_MAX, 36]
    assert one.counted("events_published_total") == two.counted("events_received_total") == 100


async def test_a_message_has_room_for_so_many_bytes_and_the_other_boards_go_out_in_the_next(
    amqp_url: str, admin: AbstractChannel
) -> None:
    one, two = Instance(amqp_url, "one"), Instance(amqp_url, "two", publishes=False)
    entries = tuple(
        Entry(f"{number:08x}-0000-4000-8000-000000000000", "\N{GRINNING FACE}" * 50, 9)
        for number in range(SIZE_MAX)
    )
    boards = [replace(of(f"board{number}", 7), entries=entries) for number in range(5)]
    messages = await _messages_of(boards, one, two, admin, count=3)

    assert [message.body.count(b"\n") + 1 for message in messages] == [2, 2, 1]
    assert max(len(message.body) for message in messages) <= BOARDS_BYTES_MAX
    assert one.counted("events_published_total") == two.counted("events_received_total") == 5
    assert one.counted("events_superseded_total") == 0


async def test_of_a_message_only_what_is_news_to_somebody_here_is_read_and_each_board_counts(
    amqp_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = Instance(amqp_url, "one"), Instance(amqp_url, "two", publishes=False)
    two.ignores, two.has = {"monthly"}, {"weekly": 7}
    read: list[bytes] = []
    decode = board_json.decode

    def noted(text: bytes) -> Board:
        read.append(text)
        return decode(text)

    monkeypatch.setattr(board_json, "decode", noted)
    async with running(one, two):
        one.ignores = {"daily", "weekly", "monthly"}
        for board in (of("weekly", 7), of("daily", 3), of("monthly", 8)):
            one.bus.publish(board)
        await eventually(lambda: two.heard)

    assert two.heard == [of("daily", 3)]
    assert read == [board_json.encode(of("daily", 3))]
    assert two.counted("events_received_total") == 3
    assert two.counted("events_unfollowed_total") == two.counted("boards_outdated_total") == 1


async def test_a_newer_board_overtakes_those_that_went_back_into_their_slots(
    amqp_url: str,
) -> None:
    async with through_proxy(amqp_url) as (proxy, url):
        one, two = Instance(url, "one"), Instance(amqp_url, "two", publishes=False)
        async with running(one, two):
            await proxy.cut()
            await eventually(lambda: not one.bus.connected)
            for board in (of("weekly", 7), of("daily", 3)):
                one.bus.publish(board)
            one.bus.publish(of("weekly", 8))
            await proxy.heal()
            await eventually(lambda: len(two.heard) == 2, within_seconds=15)

    assert two.heard == [of("weekly", 8), of("daily", 3)]


async def test_how_long_a_board_is_under_way_travels_with_it(amqp_url: str) -> None:
    one, two = Instance(amqp_url, "one"), Instance(amqp_url, "two")
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    a_minute_ago = time.monotonic() - 60
    async with running(one, two):
        one.bus.publish(a_board(1), Origin("submit", a_minute_ago, trace))
        await eventually(lambda: two.versions == [1])
        one.bus.publish(a_board(2))
        await eventually(lambda: two.versions == [1, 2])

    [origin, unknown] = two.origins
    assert origin is not None
    assert (origin.via, origin.trace) == ("bus", trace)
    assert origin.began == pytest.approx(a_minute_ago, abs=1)
    assert unknown is None


async def test_a_board_that_never_left_says_so_in_its_trace_and_one_that_did_hands_it_on(
    amqp_url: str,
) -> None:
    recorder = FakeRecorder()
    one = Instance(amqp_url, "one", tracing=Tracing(recorder))
    two = Instance(amqp_url, "two", publishes=False)
    traces = {version: f"00-{version:032x}-{1:016x}-01" for version in (1, 2, 3)}
    for version in (2, 3, 1):
        one.bus.publish(a_board(version), Origin("submit", time.monotonic(), traces[version]))
    async with running(two), running(one):
        await eventually(lambda: two.versions == [3])

    assert {span.name for span in recorder.spans} == {"scoreboard.publish"}
    superseded = {
        span.parent: "scoreboard.superseded" in span.attributes for span in recorder.spans
    }
    assert superseded == {traces[1]: True, traces[2]: True, traces[3]: False}
    [origin] = two.origins
    assert origin is not None
    assert origin.trace == next(s.trace for s in recorder.spans if s.parent == traces[3])
    assert all(span.ended and not span.failed for span in recorder.spans)


async def test_a_sender_whose_clock_is_ahead_sends_no_board_from_the_future(
    amqp_url: str, admin: AbstractChannel
) -> None:
    two = Instance(amqp_url, "two")
    async with running(two):
        exchange = await _exchange(admin)
        began = round((time.time() + 3600) * 1000)
        before = time.monotonic()
        message = a_message(board_json.encode(a_board(1)), SECRET, began=began)
        await exchange.publish(message, routing_key="")
        await eventually(lambda: two.versions == [1])

    [origin] = two.origins
    assert origin is not None
    assert before <= origin.began <= time.monotonic()


async def test_a_trace_that_is_none_costs_no_board(amqp_url: str, admin: AbstractChannel) -> None:
    two = Instance(amqp_url, "two")
    async with running(two):
        exchange = await _exchange(admin)
        began = round(time.time() * 1000)
        message = a_message(board_json.encode(a_board(1)), SECRET, began=began, traceparent="none")
        await exchange.publish(message, routing_key="")
        await eventually(lambda: two.versions == [1])

    [origin] = two.origins
    assert origin is not None
    assert origin.trace is None


async def _listener(channel: AbstractChannel) -> AbstractQueue:
    queue = await channel.declare_queue(exclusive=True)
    await queue.bind(await _exchange(channel))
    return queue


async def _exchange(channel: AbstractChannel) -> AbstractExchange:
    return await channel.declare_exchange(EXCHANGE, aio_pika.ExchangeType.FANOUT, durable=True)


async def _first(queue: AbstractQueue) -> AbstractIncomingMessage:
    [message] = await _first_of_all(queue, 1)
    return message


async def _messages_of(
    boards: list[Board], one: Instance, two: Instance, admin: AbstractChannel, *, count: int
) -> list[AbstractIncomingMessage]:
    """Let one instance publish these together and the other hear them all; answer the messages."""
    async with running(one, two):
        queue = await _listener(admin)
        for board in boards:
            one.bus.publish(board)
        await eventually(lambda: two.heard == boards)
        return await _first_of_all(queue, count)


async def _first_of_all(queue: AbstractQueue, count: int) -> list[AbstractIncomingMessage]:
    async with asyncio.timeout(10), queue.iterator(no_ack=True) as messages:
        return [await anext(messages) for _ in range(count)]


async def test_queue_and_connections_are_named_and_bounded_as_documented(
    amqp_url: str, broker: Broker
) -> None:
    one = Instance(amqp_url, "one")
    async with running(one):
        assert broker.queues() == ["scoreboard.stream.one.1"]
        assert broker.connection_names() == ["scoreboard.one.consume", "scoreboard.one.publish"]
        arguments, *flags = re.split(r"(?<=\]),", broker.queue_properties().strip("[{}]"))

    assert '<<"x-max-length">>' in arguments
    assert ",64}" in arguments
    assert '{<<"x-overflow">>,longstr,<<"drop-head">>}' in arguments
    assert flags == ["true,true,false"]  # exclusive, auto-delete, not durable


GOOD = board_json.encode(a_board(9))


def altered(message: Any, **properties: Any) -> Any:
    """Signed before, changed after."""
    for name, value in properties.items():
        if name == "headers":
            message.headers |= value
        else:
            setattr(message, name, value)
    return message


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("unsigned", a_message(GOOD)),
        ("unsigned", a_message(b"")),
        ("signature", a_message(GOOD, "of-another-deployment-0123456789abcdef")),
        ("signature", a_message(GOOD, signature="")),
        ("signature", a_message(GOOD, signature=7)),
        ("signature", a_message(GOOD, signature={"a": ["deep", {"b": None}]})),
        ("signature", altered(a_message(GOOD, SECRET), body=board_json.encode(a_board(10)))),
        ("signature", altered(a_message(GOOD, SECRET), type="score:other")),
        ("signature", altered(a_message(GOOD, SECRET), message_id="board-2")),
        ("signature", altered(a_message(GOOD, SECRET), headers={"began": -(10**17)})),
        ("signature", altered(a_message(GOOD, SECRET), headers={"began": 1.5})),
        ("signature", altered(a_message(GOOD, SECRET), headers={"instance": "x" * 300})),
        ("signature", altered(a_message(GOOD, SECRET), headers={"traceparent": ["x"]})),
        ("size", a_message(b"[" * 100_000)),
        ("size", a_message(b" " * 8192 + GOOD, SECRET)),
        ("size", a_message(b" " * BOARDS_BYTES_MAX + GOOD, SECRET, boards="weekly:9")),
        ("malformed", a_message(b"", SECRET)),
        ("malformed", a_message(GOOD + b"\n" + GOOD, SECRET)),
        ("malformed", a_message(b"[" * 8000, SECRET)),
        ("malformed", a_message(GOOD, SECRET, kind="score:other")),
        ("malformed", a_message(GOOD.replace(b'"score":9', b'"score":1e30'), SECRET)),
        (
            "malformed",
            a_message(GOOD.replace(b'"version":9', b'"version":9007199254740992'), SECRET),
        ),
        ("malformed", a_message(b'{"version": 1, "topUsers": [], "timestamp": 1}', SECRET)),
    ],
)
async def test_a_message_that_is_no_board_of_ours_is_dropped_and_counted(
    amqp_url: str, admin: AbstractChannel, reason: str, message: aio_pika.Message
) -> None:
    one = Instance(amqp_url, "one")
    async with running(one):
        exchange = await admin.get_exchange(EXCHANGE)
        await exchange.publish(message, routing_key="")
        one.bus.publish(a_board(1))
        await eventually(lambda: one.versions == [1])

    assert one.counted("events_refused_total", reason=reason) == 1
    assert one.counted("events_received_total") == 2
    assert one.connects == 1


async def test_a_message_that_has_not_the_boards_that_it_names_is_dropped(
    amqp_url: str, admin: AbstractChannel
) -> None:
    one = Instance(amqp_url, "one")
    async with running(one):
        exchange = await admin.get_exchange(EXCHANGE)
        message = a_message(board_json.encode(of_another(9)), SECRET, boards="weekly:9 daily:9")
        await exchange.publish(message, routing_key="")
        await eventually(lambda: one.counted("events_refused_total", reason="malformed") == 1)
    assert not one.heard


@pytest.mark.parametrize(
    "boards",
    [7, "", "weekly", "weekly:x", "weekly:7  daily:7", ["weekly:7"], "weekly:7 " * 1_000],
)
async def test_boards_that_are_not_named_as_we_do_are_no_reason_to_pass_a_message_over(
    amqp_url: str, admin: AbstractChannel, boards: Any
) -> None:
    one = Instance(amqp_url, "one")
    one.ignores = {"weekly", "daily", MAIN}
    async with running(one):
        exchange = await admin.get_exchange(EXCHANGE)
        await exchange.publish(a_message(b"[" * 100, version=-1, boards=boards), routing_key="")
        await eventually(lambda: one.counted("events_refused_total", reason="unsigned") == 1)
    assert one.counted("events_received_total") == 1


async def test_a_message_that_says_itself_that_it_is_no_news_is_passed_over_unread(
    amqp_url: str, admin: AbstractChannel
) -> None:
    one = Instance(amqp_url, "one")
    async with running(one):
        exchange = await admin.get_exchange(EXCHANGE)
        one.has[MAIN] = 9
        no_news: list[Any] = [9, -(2**63)]
        others: list[Any] = [10, "9", 8.0, True, None]  # it does not say so, or not as we do
        for version in no_news + others:
            await exchange.publish(a_message(b"[" * 100, version=version), routing_key="")
        await eventually(lambda: one.counted("events_received_total") == 7)

    assert one.counted("boards_outdated_total") == 2
    assert one.counted("events_refused_total", reason="unsigned") == 5


async def test_boards_are_heard_while_secrets_are_rotated_and_after_it_only_from_who_knows_them(
    amqp_url: str,
) -> None:
    old, new = "the-old-secret-0123456789abcdef-01234", "the-new-secret-0123456789abcdef-01234"
    first = Instance(amqp_url, "first", secrets=(old, new))
    second = Instance(amqp_url, "second", secrets=(new, old))
    third = Instance(amqp_url, "third", secrets=(new,))
    async with running(first, second, third):
        first.bus.publish(a_board(1))
        await eventually(lambda: first.versions == second.versions == [1])
        second.bus.publish(a_board(2))
        await eventually(lambda: first.versions == second.versions == [1, 2])
        await eventually(lambda: third.versions == [2])

    assert third.counted("events_refused_total", reason="signature") == 1


async def test_a_defect_while_a_board_is_taken_is_counted_and_costs_no_other(
    amqp_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Aiormq would end its task without a word."""
    one = Instance(amqp_url, "one")
    async with running(one):
        with monkeypatch.context() as broken:
            broken.setattr(one, "offer", lambda *_: 1 / 0)
            one.bus.publish(a_board(1))
            await eventually(lambda: one.counted("events_refused_total", reason="failed") == 1)
        one.bus.publish(a_board(2))
        await eventually(lambda: one.versions == [2])


async def test_a_defect_of_one_board_costs_no_other_of_its_message(
    amqp_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Instance(amqp_url, "one")
    taken: list[Board] = []

    def offer(board: Board, _: Origin | None) -> None:
        if board.board_id == "weekly":
            raise ZeroDivisionError
        taken.append(board)

    monkeypatch.setattr(one, "offer", offer)
    async with running(one):
        for board in (of("weekly", 7), of("daily", 3)):
            one.bus.publish(board)
        await eventually(lambda: taken == [of("daily", 3)])

    assert one.counted("events_refused_total", reason="failed") == 1


def deep_table(depth: int) -> bytes:
    """An AMQP table in a table in a table…"""
    table = b"\0\0\0\0"
    for _ in range(depth):
        entry = b"\x01aF" + table
        table = struct.pack(">I", len(entry)) + entry
    return table


@pytest.mark.parametrize(
    ("property_name", "encoded", "given"),
    [
        ("timestamp", struct.pack(">Q", 2**63), {"timestamp": 1}),
        ("table", deep_table(12_000), {"headers": {"a": 1}}),
    ],
)
async def test_a_message_that_the_driver_cannot_read_costs_a_connection_and_no_more(
    amqp_url: str,
    admin: AbstractChannel,
    monkeypatch: pytest.MonkeyPatch,
    property_name: str,
    encoded: bytes,
    given: dict[str, Any],
) -> None:
    one = Instance(amqp_url, "one")
    async with running(one):
        exchange = await admin.get_exchange(EXCHANGE)
        with monkeypatch.context() as hostile:
            hostile.setitem(encode.METHODS, property_name, lambda _: encoded)
            if property_name == "table":
                hostile.setattr(encode, "field_table", lambda _: encoded)
            await exchange.publish(aio_pika.Message(b"x", **given), routing_key="")
        await eventually(lambda: one.connects == 2)
        await hears_again(one, one)


# --- healing: somebody meddles


async def hears_again(publisher: Instance, listener: Instance) -> None:
    """Boards get through again, and whoever listens was told to re-read what it missed."""
    numbers = itertools.count(1000 + len(listener.heard))

    def publish_and_look() -> bool:
        publisher.bus.publish(a_board(number := next(numbers)))
        return bool(listener.versions) and 1000 <= listener.versions[-1] <= number

    await eventually(publish_and_look, within_seconds=15, every_seconds=0.1)


async def test_a_full_queue_of_somebody_else_costs_no_board_and_no_connection(
    amqp_url: str, admin: AbstractChannel
) -> None:
    """Of each board RabbitMQ says that not all took it. It cost a connection, and came twice."""
    one, two = Instance(amqp_url, "one"), Instance(amqp_url, "two")
    async with running(one, two):
        full: Any = {"x-max-length": 1, "x-overflow": "reject-publish"}
        tap = await admin.declare_queue("tap", arguments=full)
        await tap.bind(EXCHANGE)
        for version in range(1, 6):
            one.bus.publish(a_board(version))
            await eventually(lambda: two.versions[-1:] == [version])  # noqa: B023 - called at once
        await one.bus.flush()

        assert two.versions == [1, 2, 3, 4, 5]
        assert one.counted("bus_connects_total", side="publish") == 1
        assert one.counted("event_publish_failures_total") >= 3


async def test_a_queue_that_somebody_deletes_is_made_anew(amqp_url: str, broker: Broker) -> None:
    one = Instance(amqp_url, "one", pace=ASSERTS_OFTEN)
    async with running(one):
        broker.delete_queues()

        await hears_again(one, one)
        assert broker.queues() == ["scoreboard.stream.one.2"]
        assert one.connects == 2


async def test_an_exchange_that_somebody_deletes_is_made_anew(
    amqp_url: str, admin: AbstractChannel
) -> None:
    """Nothing tells a consumer of it: without the regular assertion it would hear nothing more."""
    one, two = (
        Instance(amqp_url, "one", pace=ASSERTS_OFTEN),
        Instance(amqp_url, "two", pace=ASSERTS_OFTEN),
    )
    async with running(one, two):
        await admin.exchange_delete(EXCHANGE)

        await hears_again(one, two)
        await hears_again(two, one)


async def test_an_exchange_that_is_deleted_while_a_board_is_published_costs_no_board(
    amqp_url: str, admin: AbstractChannel
) -> None:
    publisher = Instance(amqp_url, "api", pace=ASSERTS_OFTEN)
    async with running(publisher):
        publisher.bus.publish(a_board(4))
        await eventually(lambda: publisher.counted("events_published_total") == 1)
        await admin.exchange_delete(EXCHANGE)
        publisher.bus.publish(a_board(5))
        await eventually(lambda: publisher.counted("events_published_total") == 2)

    assert publisher.counted("event_publish_failures_total") >= 1


async def test_whoever_may_make_the_exchange_again_does(
    amqp_url: str, admin: AbstractChannel, broker: Broker
) -> None:
    """An instance that was once refused waited for others for as long as it ran."""
    await admin.declare_exchange(EXCHANGE, aio_pika.ExchangeType.FANOUT, durable=True)
    broker.permit(configure="scoreboard.stream.*")
    one = Instance(amqp_url, "one", pace=ASSERTS_OFTEN)
    async with running(one):
        broker.permit()
        broker.delete_exchange()

        await hears_again(one, one)


async def test_a_binding_that_somebody_removes_is_made_anew(amqp_url: str, broker: Broker) -> None:
    """Nothing tells a consumer of it: without the regular assertion it would hear nothing more."""
    one, two = (
        Instance(amqp_url, "one", pace=ASSERTS_OFTEN),
        Instance(amqp_url, "two", pace=ASSERTS_OFTEN),
    )
    async with running(one, two):
        broker.delete_bindings()

        await hears_again(one, two)
        assert two.connects == 1  # on the connection that it had


async def test_an_exchange_of_another_kind_is_waited_out_with_growing_pauses(
    amqp_url: str, admin: AbstractChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker takes the connection and refuses the work: that is no reason to hammer it."""
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def recorded_sleep(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    recording = SimpleNamespace(**vars(asyncio) | {"sleep": recorded_sleep})
    monkeypatch.setattr(broker_module, "asyncio", recording)
    longest = SimpleNamespace(**vars(random) | {"uniform": lambda low, high: high})
    monkeypatch.setattr(broker_module, "random", longest)
    await admin.exchange_delete(EXCHANGE)  # a broker that is not ours alone has it already
    await admin.declare_exchange(EXCHANGE, aio_pika.ExchangeType.DIRECT)
    one = Instance(amqp_url, "one", publishes=False)
    task = asyncio.create_task(one.bus.run())
    await eventually(lambda: len(pauses) >= 7, within_seconds=15)
    await admin.exchange_delete(EXCHANGE)
    await eventually(lambda: one.connects)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

    assert pauses[:7] == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


# --- healing: the line breaks


async def test_a_connection_that_the_broker_closes_is_made_anew_with_a_fresh_queue(
    amqp_url: str, broker: Broker
) -> None:
    one, two = Instance(amqp_url, "one"), Instance(amqp_url, "two")
    async with running(one, two):
        broker.close_connections()

        await hears_again(one, two)
        await eventually(lambda: one.connects == two.connects == 2)
        assert broker.queues() == ["scoreboard.stream.one.2", "scoreboard.stream.two.2"]
        assert two.counted("bus_connects_total", side="consume") == 2


@pytest.mark.parametrize("round_number", range(5))
async def test_the_publisher_notices_a_lost_connection_without_publishing(
    amqp_url: str, broker: Broker, round_number: int
) -> None:
    """Else readiness would call it connected, and the next board would have to wait."""
    one = Instance(amqp_url, "one")
    async with running(one):
        one.bus.publish(a_board(1))
        broker.close_connections()

        await eventually(
            lambda: one.counted("bus_connects_total", side="publish") == 2, within_seconds=10
        )
        await one.bus.flush()
        assert one.counted("events_published_total") >= 1


@asynccontextmanager
async def through_proxy(url: str) -> AsyncIterator[tuple[TcpProxy, str]]:
    parts = urlsplit(url)
    async with TcpProxy(parts.hostname or "", parts.port or 0) as proxy:
        place = f"{parts.username}:{parts.password}@127.0.0.1:{proxy.port}"
        yield proxy, urlunsplit(parts._replace(netloc=place))


async def test_while_the_broker_is_away_the_newest_board_waits_and_is_sent_first(
    amqp_url: str, admin: AbstractChannel
) -> None:
    async with through_proxy(amqp_url) as (proxy, url):
        one = Instance(url, "one")
        async with running(one):
            queue = await _listener(admin)
            await proxy.cut()
            await eventually(lambda: not one.bus.connected)
            for version in range(1, 101):
                one.bus.publish(a_board(version))
                if version % 10 == 0:
                    await asyncio.sleep(0.01)

            await proxy.heal()
            first = await _first(queue)

    assert board_json.decode(first.body).version == 100
    assert one.counted("events_superseded_total") >= 99


async def test_a_broker_that_falls_silent_while_a_board_is_under_way_ends_no_side(
    amqp_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then aiormq cancels who waits for the confirm, though nobody asked for that."""
    made: list[Any] = []
    connect = aio_pika.connect

    async def noted(*arguments: Any, **options: Any) -> Any:
        made.append(await connect(*arguments, **options))
        made[-1].publishes = (
            options["client_properties"]["connection_name"] == "scoreboard.one.publish"
        )
        return made[-1]

    monkeypatch.setattr(aio_pika, "connect", noted)
    async with through_proxy(amqp_url) as (proxy, url):
        recorder = FakeRecorder()
        one = Instance(url, "one", tracing=Tracing(recorder))
        two = Instance(amqp_url, "two", publishes=False)
        trace = f"00-{1:032x}-{1:016x}-01"
        async with running(two), running(one):
            one.bus.publish(a_board(1))
            await one.bus.flush()
            proxy.black_hole()
            one.bus.publish(a_board(2), Origin("submit", time.monotonic(), trace))
            await eventually(lambda: recorder.spans, message="it is under way")
            # What its heartbeat does after 18 s without a word.
            [publishing] = [each for each in made if each.publishes]
            publishing.transport.connection._reader_task.cancel()
            await eventually(lambda: one.counted("event_publish_failures_total") == 1)
            await proxy.heal()
            await eventually(lambda: two.versions == [1, 2], within_seconds=15)


@pytest.mark.filterwarnings("error")
def test_a_connection_that_was_not_made_is_closed_before_it_is_collected() -> None:
    """What is collected later may find no loop that runs, and leaves a coroutine behind."""
    with closing(asyncio.new_event_loop()) as loop:
        nowhere = broker_module.connecting("amqp://127.0.0.1:1/", "nobody")
        with pytest.raises(broker_module.BROKER_ERRORS) as refused:  # holds the connection
            loop.run_until_complete(nowhere.__aenter__())
        [connection] = {
            id(each): each
            for frame in refused.traceback
            for each in frame.frame.f_locals.values()
            if isinstance(each, aio_pika.Connection)
        }.values()
        assert connection.is_closed


async def test_a_burst_is_a_few_messages_and_the_last_board_is_among_them(amqp_url: str) -> None:
    one = Instance(amqp_url, "one", pace=replace(PATIENT, apart_seconds=0.2))
    two = Instance(amqp_url, "two")
    async with running(one, two):
        for version in range(1, 51):
            one.bus.publish(a_board(version))
            await asyncio.sleep(0.001)
        await eventually(lambda: two.versions[-1:] == [50])

    assert two.versions[0] == 1
    assert len(two.versions) <= 25


async def test_on_return_whoever_listens_is_told_to_re_read(amqp_url: str) -> None:
    """What was published in the gap is lost for it: its queue died with the connection."""
    async with through_proxy(amqp_url) as (proxy, url):
        near, far = Instance(amqp_url, "near"), Instance(url, "far")
        async with running(near, far):
            await proxy.cut()
            await eventually(lambda: not far.bus.connected)
            near.bus.publish(a_board(1))
            await eventually(lambda: near.versions == [1])

            await proxy.heal()
            await eventually(lambda: far.connects == 2, within_seconds=10)
            await hears_again(near, far)

    assert 1 not in far.versions


# --- healing: the broker takes no messages


@asynccontextmanager
async def alarmed(broker: Broker, resource: str) -> AsyncIterator[None]:
    broker.alarm(resource)
    try:
        yield
    finally:
        broker.clear_alarm(resource)


@pytest.mark.parametrize("resource", ["memory", "disk"])
async def test_while_the_broker_takes_no_messages_the_bus_is_not_connected_and_says_why(
    amqp_url: str, broker: Broker, resource: str
) -> None:
    """It called itself connected again after each attempt, until the next one had failed. Each
    attempt left a connection and an old board to be read after the alarm.
    """
    one, two = (
        Instance(amqp_url, "one", pace=PROBES_OFTEN),
        Instance(amqp_url, "two", publishes=False),
    )
    seen: list[tuple[bool, float, str]] = []
    async with running(one, two):
        one.bus.publish(a_board(1))
        await one.bus.flush()
        with capture_logs() as logs:
            async with alarmed(broker, resource):
                await eventually(lambda: not one.bus.connected)  # without a board to publish
                for version in range(2, 22):
                    one.bus.publish(a_board(version))
                    await asyncio.sleep(0.1)
                    seen.append(
                        (
                            one.bus.connected,
                            one.counted("bus_connected", side="publish"),
                            one.bus.refused,
                        )
                    )
                blocked = one.counted("bus_blocked", side="publish")
                consumer = two.bus.connected, one.counted("bus_connected", side="consume")
                connections = broker.connection_names()
            await eventually(lambda: one.bus.connected)
            await eventually(lambda: two.versions[-1:] == [21])

        said = [line["event"] for line in logs if line.get("side") == "publish"]
        assert said == ["scoreboard.bus.blocked", "scoreboard.bus.connected"]
        assert set(seen) == {
            (False, 0, "it takes no messages, because its memory or its disk is nearly full")
        }
        assert (blocked, consumer) == (1, (True, 1))
        assert connections.count("scoreboard.one.publish") == 1
        assert one.counted("bus_connects_total", side="publish") == 1
        assert two.versions == [1, 21]
        assert (one.bus.refused, one.counted("bus_blocked", side="publish")) == ("", 0)


async def test_who_connects_during_an_alarm_is_not_connected_before_its_end(
    amqp_url: str, broker: Broker
) -> None:
    """RabbitMQ confirms the first message of each connection, for it blocks it only then."""
    one = Instance(amqp_url, "one")
    with capture_logs() as logs:
        async with alarmed(broker, "memory"):
            task = asyncio.create_task(one.bus.run())
            await eventually(lambda: one.bus.refused)
            broker.close_connections()
            await eventually(lambda: one.counted("bus_connects_total", side="publish") == 2)
            await eventually(lambda: one.bus.refused)
        await eventually(lambda: one.bus.connected)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    said = [line["event"] for line in logs if line["side"] == "publish"]
    assert said == [
        "scoreboard.bus.blocked",
        "scoreboard.bus.lost",
        "scoreboard.bus.blocked",
        "scoreboard.bus.connected",
    ]


async def test_a_broker_that_freezes_is_noticed_without_a_board_to_publish(amqp_url: str) -> None:
    async with through_proxy(amqp_url) as (proxy, url):
        one = Instance(url, "one", pace=PROBES_OFTEN)
        async with running(one):
            proxy.black_hole()
            await eventually(lambda: not one.bus.connected, within_seconds=10)
            await proxy.heal()
            await eventually(lambda: one.bus.connected, within_seconds=15)


async def test_whoever_may_not_publish_is_never_called_connected(
    amqp_url: str, broker: Broker
) -> None:
    """It may connect and open a channel, which was enough until there was a board to publish."""
    one = Instance(amqp_url, "one", pace=PROBES_OFTEN)
    async with running(one):
        broker.permit(write="nothing")
        with capture_logs() as logs:
            broker.close_connections()  # a channel remembers for a minute what its user may
            await eventually(lambda: one.counted("bus_connects_total", side="publish") >= 4)
        broker.permit()
        await eventually(lambda: one.bus.connected)
    said = [line["event"] for line in logs if line["side"] == "publish"]
    assert said == ["scoreboard.bus.lost"]


async def test_probes_are_no_boards_to_anybody(amqp_url: str, admin: AbstractChannel) -> None:
    """Not to instances of an earlier version either: they pass over what is no news by itself."""
    queue = await _listener(admin)
    often = replace(PATIENT, probe_seconds=0.05)
    one, two = Instance(amqp_url, "one", pace=often), Instance(amqp_url, "two", publishes=False)
    async with running(one, two):
        await eventually(lambda: two.counted("bus_probes_received_total") >= 3)
        assert (await _first(queue)).headers["version"] == -1
        assert two.counted("events_received_total") == two.counted("boards_outdated_total") == 0
        for fault in ("size", "unsigned", "signature", "malformed", "failed"):
            assert two.counted("events_refused_total", reason=fault) == 0

        one.bus.publish(a_board(1))
        await eventually(lambda: two.versions == [1])


# --- flush


async def test_flush_returns_when_the_broker_has_confirmed(amqp_url: str) -> None:
    one = Instance(amqp_url, "one")
    async with running(one):
        one.bus.publish(a_board(1))
        await one.bus.flush()

        assert one.counted("events_published_total") == 1


async def test_flush_does_not_wait_for_a_broker_that_is_away() -> None:
    one = Instance("amqp://127.0.0.1:1/", "one", pace=replace(PATIENT, flush_seconds=0.05))
    one.bus.publish(a_board(1))
    one.bus.publish(of_another(1))

    with capture_logs() as logs:
        await one.bus.flush()

    assert one.counted("events_unconfirmed_total") == 2
    [line] = [line for line in logs if line["event"] == "scoreboard.bus.unconfirmed"]
    assert line["log_level"] == "warning"


async def test_a_bus_without_boards_flushes_at_once() -> None:
    one = Instance("amqp://127.0.0.1:1/", "one")
    await one.bus.flush()
    assert one.counted("events_unconfirmed_total") == 0


async def test_it_is_not_connected_before_it_is_and_not_after_the_end(amqp_url: str) -> None:
    one = Instance(amqp_url, "one")
    assert not one.bus.connected
    async with running(one):
        assert one.counted("bus_connected", side="publish") == 1

    assert not one.bus.connected
    assert one.counted("bus_connected", side="consume") == 0


async def test_it_is_not_connected_before_its_queue_is_bound(
    amqp_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What others publish before that is lost for it, and who waits for it would not know."""
    opened, may_bind = asyncio.Event(), asyncio.Event()
    bind = Exchange.bind

    async def bind_later(self: Exchange, queue: AbstractQueue, channel: AbstractChannel) -> None:
        opened.set()
        await may_bind.wait()
        await bind(self, queue, channel)

    monkeypatch.setattr(Exchange, "bind", bind_later)
    one = Instance(amqp_url, "one", publishes=False)
    task = asyncio.create_task(one.bus.run())
    await opened.wait()
    assert not one.bus.connected
    assert one.counted("bus_connected", side="consume") == 0
    may_bind.set()
    await eventually(lambda: one.bus.connected)
    assert one.counted("bus_connected", side="consume") == 1
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_the_end_leaves_no_queue_behind(amqp_url: str, broker: Broker) -> None:
    one = Instance(amqp_url, "one")
    async with running(one):
        assert broker.queues()

    async def none_is_left() -> bool:
        return not broker.queues() and not broker.connection_names()

    await eventually(none_is_left)


async def test_a_loss_for_which_aiormq_has_no_reason_ends_no_side(amqp_url: str) -> None:
    """What waits on a connection that closes as it is opened is ended like this."""
    connections: list[AbstractConnection] = []

    async def work(connection: AbstractConnection, _: Side) -> None:
        connections.append(connection)
        waiting = FutureStore(asyncio.get_running_loop())
        await waiting.reject_all(None)
        await waiting.create_future()

    running = asyncio.create_task(Side("publish", "one", [amqp_url], Metrics()).run(work))
    try:
        await eventually(lambda: len(connections) == 2 or running.done())
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.wait([running])
