"""What personal streams cost: processor time of the instance that has them, at a steady pace of
grants, with streams and without.

    python -m tests.benchmarks.personal [--streams 15000] [--players 30000] [--rate 1000]

Grants are written straight into PostgreSQL, a batch of them in a transaction as the service does
it, so the instance under measurement serves streams and nothing else. Whoever has a stream is
granted as often as every other player. It prints the processor time of the instance, and that of
the PostgreSQL sessions that it has, as parts of a core; what came on the streams; and how many
places wait, so for how long.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import select
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

import psycopg2

from scoreboard.accounts.access import AccessTokens
from scoreboard.operations.metrics import Metrics
from tests.benchmarks.processes import Service, Stage
from tests.benchmarks.processor import process_seconds
from tests.benchmarks.world import a_world, user_id
from tests.instances import test_settings
from tests.servers import PostgresServer, RedisServer
from tests.world import sql

_CONNECT_SECONDS: Final = 120.0
_OF_A_PROCESS: Final = 8_000
_BATCHES_PER_SECOND: Final = 20
_ACTIONS: Final = 2_000
_AT_ONCE: Final = 50
_PLACES: Final = "personal_places_total"
_TURNS: Final = "personal_turn_seconds_count"
_EVENT: Final = re.compile(rb"event: ([a-z:]+)\n")

_GRANT: Final = """
WITH granted AS (
    INSERT INTO ledger (user_id, action_id, points_granted)
    SELECT DISTINCT user_id::uuid, action_id, 1 + length(action_id)
    FROM unnest(%s, %s) AS submitted (user_id, action_id)
    ON CONFLICT DO NOTHING
    RETURNING user_id, points_granted, submitted_at
)
INSERT INTO scores AS present (user_id, score, updated_at)
SELECT user_id, sum(points_granted), clock_timestamp() FROM granted GROUP BY user_id
ON CONFLICT (user_id) DO UPDATE
SET score = present.score + excluded.score, updated_at = clock_timestamp()
"""


class Grants:
    """Grants random actions to random players, so many a second, until it is closed."""

    def __init__(self, url: str, players: int, rate: int) -> None:
        self._url, self._players, self._rate = url, players, rate
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.made = 0
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        chance, due = random.Random(), time.monotonic()
        with closing(psycopg2.connect(self._url)) as connection:
            connection.autocommit = True
            while not self._ended.wait(max(0.0, due - time.monotonic())):
                due += 1 / _BATCHES_PER_SECOND
                count = self._rate // _BATCHES_PER_SECOND
                users = [user_id(chance.randint(1, self._players)) for _ in range(count)]
                actions = [f"personal{chance.randrange(_ACTIONS)}" for _ in range(count)]
                with connection.cursor() as cursor:
                    cursor.execute(_GRANT, (users, actions))
                self.made += count


class Listeners:
    """Streams of users by the thousand, in this process."""

    def __init__(self, count: int, first: int, port: int) -> None:
        settings = test_settings()
        tokens = AccessTokens(settings, Metrics())
        self._epoll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self.events: Counter[str] = Counter()
        self._requests: dict[int, bytes] = {}
        for number in range(first, first + count):
            connection = socket.socket()
            connection.setblocking(False)
            connection.connect_ex(("127.0.0.1", port))
            file = connection.fileno()
            self._sockets[file] = connection
            self._requests[file] = (
                "GET /api/me/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                f"Authorization: Bearer {tokens.issue(user_id(number))}\r\n\r\n"
            ).encode()
            self._epoll.register(file, select.EPOLLOUT)
            if number % _AT_ONCE == 0:  # a connection that asks for nothing is closed
                self.turn(0.05)

    def turn(self, seconds: float) -> None:
        """Read what there is."""
        for file, _ in self._epoll.poll(seconds):
            if file not in self._sockets:
                continue
            if request := self._requests.pop(file, b""):
                self._sockets[file].sendall(request)
                self._epoll.modify(file, select.EPOLLIN)
            else:
                came = self._sockets[file].recv(65536)
                if not came:
                    self.events["lost"] += 1
                    self._epoll.unregister(file)
                self.events.update(name.decode() for name in _EVENT.findall(came))

    def watch(self, file: int) -> bool:
        """Read until a line can be read from a file."""
        with select.epoll() as other:
            other.register(file, select.EPOLLIN)
            while not other.poll(0):
                self.turn(0.05)
        return True


def listen(count: int, first: int, port: int) -> None:
    """What the processes of the listeners run: each line read is answered by what came so far."""
    listeners, began = Listeners(count, first, port), time.monotonic()
    while listeners.events["me:place"] < count and time.monotonic() < began + _CONNECT_SECONDS:
        listeners.turn(0.1)
    _say(json.dumps(listeners.events))
    while listeners.watch(sys.stdin.fileno()) and sys.stdin.readline():
        _say(json.dumps(listeners.events))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@contextmanager
def a_crowd(count: int, port: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Hold streams of the first so many users, each of which has its place."""
    command = [sys.executable, "-m", "tests.benchmarks.personal", "--listen"]
    started = [
        subprocess.Popen(
            [*command, str(min(_OF_A_PROCESS, count - first)), str(first + 1), str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for first in range(0, count, _OF_A_PROCESS)
    ]
    try:
        for process in started:
            assert process.stdout is not None
            process.stdout.readline()
        yield started
    finally:
        for process in started:
            process.kill()
            process.communicate()


def came(crowd: list[subprocess.Popen[str]]) -> Counter[str]:
    """What has come so far, by event."""
    events: Counter[str] = Counter()
    for process in crowd:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        events.update(json.loads(process.stdout.readline()))
    return events


def postgres_seconds(url: str) -> dict[int, float]:
    """The processor time of each PostgreSQL session that the instance has."""
    rows = sql(url, "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'scoreboard%%'")
    return {pid: process_seconds(pid) for (pid,) in rows}


def metric(port: int, name: str) -> float:
    """A metric of the instance."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        found = re.search(rf"^scoreboard_{name} (\S+)$", answer.read().decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


def measure(
    service: Service, url: str, streams: int, players: int, rate: int, seconds: float
) -> dict[str, Any]:
    """What one pace costs one number of streams."""
    with a_crowd(streams, service.port) as crowd:
        time.sleep(5.0)
        grants = Grants(url, players, rate) if rate else None
        time.sleep(5.0)  # the ranking is held by now, and every turn has its work
        before, of_postgres = came(crowd), postgres_seconds(url)
        places, turns = (metric(service.port, name) for name in (_PLACES, _TURNS))
        cpu, began = service.cpu_seconds(), time.monotonic()
        time.sleep(seconds)
        cpu, took = service.cpu_seconds() - cpu, time.monotonic() - began
        postgres = sum(
            now - of_postgres.get(pid, 0.0) for pid, now in postgres_seconds(url).items()
        )
        events = came(crowd) - before
        places, turns = metric(service.port, _PLACES) - places, metric(service.port, _TURNS) - turns
        waiting = metric(service.port, "personal_places_waiting")
        made = 0 if grants is None else grants.made
        if grants is not None:
            grants.close()
    return {
        "streams": streams,
        "grants/s": rate,
        "made": made,
        "core": round(cpu / took, 4),
        "core of PostgreSQL": round(postgres / took, 4),
        "turns/s": round(turns / took, 2),
        "places/s": round(places / took, 1),
        "places waiting": round(waiting),
        "MB": round(service.rss_bytes() / 1e6),
        "events/s": {name: round(number / took, 1) for name, number in events.items()},
    }


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description="What personal streams cost.")
    parser.add_argument("--streams", type=int, default=15_000)
    parser.add_argument("--players", type=int, default=30_000)
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--listen", type=int, nargs=3, metavar=("COUNT", "FIRST", "PORT"))
    asked = parser.parse_args()
    if asked.listen:
        listen(*asked.listen)
        return
    with (
        PostgresServer() as postgres,
        RedisServer() as redis,
        a_world(postgres, "personal", asked.players) as url,
    ):
        names = [f"personal{n}" for n in range(_ACTIONS)]
        sql(url, "INSERT INTO actions (action_id, points) SELECT unnest(%s), 1", (names,))
        stage = Stage(postgres, redis, None, url, amqp_url="-")  # type: ignore[arg-type]
        paces = [(0, 0), (0, asked.rate), (1, asked.rate)]
        paces += [(asked.streams, 0), (asked.streams, asked.rate)]
        for streams, rate in paces:
            settings = {"connections_per_ip": 30_000, "streams_per_user": 1_000}
            with Service(stage, amqp_url="", **settings) as service:
                found = measure(service, url, streams, asked.players, rate, asked.seconds)
                _say(json.dumps(found))


if __name__ == "__main__":
    main()
