"""What a delivery costs: processor time, deliveries a second, memory of an idle subscriber.

Side by side, with the same event bytes: the service on one instance and on two, nginx with nchan,
and a bare loop of `send`. Boards of the service come from real submissions to an instance of its
own (`role api`), through RabbitMQ; the instances that are measured only stream.
"""

from __future__ import annotations

import http.client
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from tests.benchmarks.boards import event_data
from tests.benchmarks.crowd import a_crowd
from tests.benchmarks.processes import BareSender, Measured, Nchan, Service, Stage

PACED = 8.0  # boards a second: below what the shipped push interval lets through
OFFERED = 50.0  # far more than 5,000 subscribers can be sent
_SETTLE_SECONDS = 1.0


@dataclass(frozen=True)
class Delivery:
    """What one program did with so many subscribers."""

    program: str
    subscribers: int
    cpu_us: float
    per_second: float
    rss_kib: float


Send = Callable[[float, float], None]  # rate, seconds


@dataclass(frozen=True)
class Sender:
    """A program under measurement: its processes, and how to make it send boards."""

    program: str
    processes: Sequence[Measured]
    send: Send

    def cpu_seconds(self) -> float:
        return sum(process.cpu_seconds() for process in self.processes)

    def rss_bytes(self) -> int:
        return sum(process.rss_bytes() for process in self.processes)


def measure(
    stage: Stage, token: str, actions: Iterator[int], subscribers: int, seconds: float
) -> list[Delivery]:
    """Measure every program once with so many subscribers."""
    makers: list[Callable[[], AbstractContextManager[Sender]]] = [
        a_bare_loop,
        an_nchan,
        partial(a_service, stage, token, actions, instances=1, push_interval_seconds=0),
        partial(a_service, stage, token, actions, instances=2, push_interval_seconds=0),
    ]
    results = []
    for make in makers:
        with make() as sender:
            results.append(deliveries(sender, subscribers, seconds))
    return results


def deliveries(
    sender: Sender, subscribers: int, seconds: float, boards: Sequence[str] = ("-",)
) -> Delivery:
    """Measure one program, with its subscribers spread over these boards."""
    ports = [process.port for process in sender.processes]
    # What the first connections bring in (code, caches) is not the price of a subscriber.
    with a_crowd(min(50, subscribers), ports, boards=boards):
        time.sleep(_SETTLE_SECONDS)
    time.sleep(_SETTLE_SECONDS)
    empty = sender.rss_bytes()
    with a_crowd(subscribers, ports, boards=boards) as crowd:
        if crowd.errors:
            raise RuntimeError(f"{sender.program}: {crowd.errors} subscribers got no board")
        time.sleep(_SETTLE_SECONDS)
        rss = sender.rss_bytes() - empty
        cpu, came = sender.cpu_seconds(), crowd.boards()
        sender.send(PACED, seconds)
        time.sleep(_SETTLE_SECONDS / 2)  # the last one arrives
        cpu, came = sender.cpu_seconds() - cpu, crowd.boards() - came
        began, before = time.monotonic(), crowd.boards()
        sender.send(OFFERED, seconds / 2)
        per_second = (crowd.boards() - before) / (time.monotonic() - began)
    return Delivery(
        sender.program,
        subscribers,
        cpu_us=cpu / came * 1e6,
        per_second=per_second,
        rss_kib=rss / subscribers / 1024,
    )


@contextmanager
def a_bare_loop() -> Iterator[Sender]:
    """The limit."""
    with BareSender() as bare:
        yield Sender("bare send loop", [bare], bare.send)


@contextmanager
def an_nchan() -> Iterator[Sender]:
    """Run nginx with nchan, which is told to publish over HTTP."""
    body, headers = event_data(), {"X-EventSource-Event": "score:update"}
    with Nchan() as nchan:
        client = http.client.HTTPConnection("127.0.0.1", nchan.port)

        def publish() -> None:
            client.request("POST", "/publish", body, headers)
            client.getresponse().read()

        publish()
        yield Sender("nginx + nchan", [nchan], lambda rate, seconds: paced(publish, rate, seconds))
        client.close()


@contextmanager
def a_service(
    stage: Stage, token: str, actions: Iterator[int], *, instances: int, **settings: object
) -> Iterator[Sender]:
    """Streaming instances, and one beside them that takes the submissions."""
    with ExitStack() as stack:
        streaming = [
            stack.enter_context(Service(stage, "--role", "stream", **settings))
            for _ in range(instances)
        ]
        writing = stack.enter_context(Service(stage, "--role", "api", **settings))
        submit = Submitter(writing, token, actions)
        submit()
        name = f"Scoreboard, {instances} instance{'s' if instances > 1 else ''}"
        yield Sender(name, streaming, lambda rate, seconds: paced(submit, rate, seconds))
        submit.close()


class Submitter:
    """The player at the top, whose every submission changes the board."""

    def __init__(self, service: Measured, token: str, actions: Iterator[int]) -> None:
        self._client = http.client.HTTPConnection("127.0.0.1", service.port)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._actions = actions

    def __call__(self) -> bytes:
        body = f'{{"actionId":"t{next(self._actions)}"}}'
        self._client.request("POST", "/api/actions", body, self._headers)
        response = self._client.getresponse()
        answer = response.read()
        if response.status != 200:
            raise RuntimeError(f"a submission was refused: {answer.decode()}")
        return answer

    def close(self) -> None:
        self._client.close()


def paced(act: Callable[[], object], rate: float, seconds: float) -> None:
    """Act so many times a second, for so long."""
    end, due = time.monotonic() + seconds, time.monotonic()
    for _ in itertools.count():
        if time.monotonic() >= end:
            return
        act()
        due = max(due + 1 / rate, time.monotonic() - 0.5)
        time.sleep(max(0.0, due - time.monotonic()))
