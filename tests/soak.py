"""A soak: people play for as long as you like while everything breaks, in an order that a seed
decides.

    python -m tests.soak [--minutes 60] [--seed 7] [--faults redis]    (make soak SOAK="...")

Three instances: one in this process, whose tasks can be counted; a steady process, which nobody
kills and whose memory is measured; a mortal one of two workers, which are killed, frozen, renewed
and restarted. Between them and the servers are proxies. At the end everything is reckoned up, and
tasks, files and memory have to be back where they began.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scoreboard.database.migrations import migrate
from scoreboard.operations import logs
from tests.breaking import FAULTS, WORKERS, Stage, draw, parts_of
from tests.conftest import a_database
from tests.eventually import eventually
from tests.five_boards import seasons_ended
from tests.instances import Instance, test_settings
from tests.lines import a_line
from tests.load import Load
from tests.places_load import PlacesLoad, a_places_load
from tests.reckoning import MARGIN_SECONDS, PROMISED_SECONDS, a_game, reckon
from tests.servers import PostgresServer, RabbitServer, RedisServer, settle
from tests.servers.scoreboard import ScoreboardServer
from tests.trust_load import TrustLoad, a_trust_load

# All lines lead through this process: whoever gave Redis up sooner while that is busy would be
# without it alone.
_SETTINGS: dict[str, Any] = {
    "database_timeout_seconds": 1.0,
    "redis_timeout_seconds": 1.5,
    "publish_timeout_seconds": 1.0,
}
_FAULT_SECONDS = (0.3, 2.5)
_WARM_SECONDS = 3.0
# What the steady process may hold at the end above what it held once warm: allocators keep some of
# what a burst took, and caches fill up to their bounds. A leak of 1 KiB a submission is past it in
# five minutes.
_MEMORY_BYTES = 24 * 2**20
# Sessions and pools that were not all in use at the start: 6 to PostgreSQL, 8 to Redis, 2 to the
# broker.
_FILES = 16
_SUBMISSIONS_A_MINUTE = 12_000
_USERS = 40
# A season of one of the five boards ends every few seconds; in a long soak so many of them do.
_SEASON_SECONDS = 3.0
_SEASONS = 150
# For each board at each door: everybody is asked about, one after the other.
_PLACES_SECONDS = 10.0
_OURS = str(Path(__file__).parent)


@dataclass(frozen=True)
class Servers:
    """The three servers, and this soak's own places on them."""

    postgres: PostgresServer
    redis: RedisServer
    rabbit: RabbitServer
    database_url: str
    redis_url: str
    amqp_url: str


@dataclass(frozen=True)
class Players:
    """Those who play, servers that send what they know, and those who ask where they stand."""

    load: Load
    trust: TrustLoad
    places: PlacesLoad


@dataclass
class Report:
    """What happened."""

    seed: int
    seconds: float
    faults: Counter[str]
    replies: Counter[int]
    acknowledged: int
    results: int
    sent_again: int
    acts: int
    events: int
    streams: int
    reads: int
    reads_in_doubt: int
    places: int
    seasons: int
    memory_bytes: int

    def __str__(self) -> str:
        answers = ", ".join(
            f"{status or 'no answer'}: {count}" for status, count in sorted(self.replies.items())
        )
        return (
            f"seed {self.seed}, {self.seconds:.0f} s, {self.faults.total()} faults of "
            f"{len(self.faults)} kinds; {self.acknowledged} grants acknowledged ({answers}), "
            f"{self.results} results ({self.sent_again} sent again), {self.acts} acts of "
            f"moderation, "
            f"{self.events} events over {self.streams} streams; {self.reads} reads, "
            f"{self.reads_in_doubt} of them in doubt; {self.places} places; "
            f"{self.seasons} seasons ended; lost: nothing; memory "
            f"{self.memory_bytes / 2**20:+.1f} MiB"
        )


async def soak(servers: Servers, seconds: float, seed: int, word: str = "") -> Report:
    """Play and break for so long, by the faults with this word in their names; raises
    AssertionError when anything does not add up.
    """
    pairs = a_game(
        servers.database_url,
        users=_USERS,
        actions=int((seconds / 60 + 2) * _SUBMISSIONS_A_MINUTE / _USERS),
        seed=seed,
        season_seconds=max(_SEASON_SECONDS, seconds / _SEASONS),
    )
    try:
        async with _a_stage(servers) as stage:
            tasks, files = _tasks(), stage.steady.itself.num_fds()
            async with (
                Load(stage.doors, pairs, pause_seconds=0.04, stay_seconds=20.0) as load,
                a_trust_load(load, servers.database_url) as trust,
                a_places_load(load, servers.database_url) as places,
            ):
                await load.flows(within_seconds=60.0)
                await asyncio.sleep(_WARM_SECONDS)
                memory = stage.steady.itself.memory_info().rss
                began = time.monotonic()
                dice = random.Random(seed)
                players = Players(load, trust, places)
                faults = await _break_everything(stage, players, dice, began + seconds, word)
                await load.flows(within_seconds=60.0)
                await reckon(load, servers.database_url, servers.redis_url, trust=trust)
                await places.agree(stage.doors(), within_seconds=_PLACES_SECONDS)
                assert load.violations == [], load.violations[:9]
            await eventually(lambda: not _tasks() - tasks, within_seconds=30.0, message="tasks")
            await eventually(
                lambda: stage.steady.itself.num_fds() <= files + _FILES, message="open files"
            )
            grown = stage.steady.itself.memory_info().rss - memory
            assert grown < _MEMORY_BYTES
            followers = [*load.subscribers, *load.others]
            return Report(
                seed,
                time.monotonic() - began,
                faults,
                Counter(reply.status for reply in load.replies),
                len(load.acknowledged) + len(trust.granted),
                len(trust.recorded),
                trust.sent_again,
                len(trust.done),
                sum(len(subscriber.versions) for subscriber in followers),
                sum(subscriber.streams for subscriber in followers),
                load.reads.total(),
                load.reads_in_doubt,
                places.answers,
                seasons_ended(servers.database_url),
                grown,
            )
    except BaseException as error:
        replay = f"--seed {seed} --minutes {seconds / 60:g} --faults {word!r}"
        error.add_note(f"replay: python -m tests.soak {replay}")
        raise


async def _break_everything(
    stage: Stage, players: Players, dice: random.Random, until: float, word: str
) -> Counter[str]:
    """One fault or two at a time, then grants and boards through every door, what servers send,
    and places. Only the dice decide what comes next, so the same seed gives the same order.
    """
    load, trust, places = players.load, players.trust, players.places
    done: Counter[str] = Counter()
    while time.monotonic() < until:
        chosen = draw(dice, word)
        seconds = dice.uniform(*_FAULT_SECONDS)
        print(f"{seconds:.1f} s: {', '.join(chosen)}", flush=True)  # noqa: T201 - what is replayed
        await asyncio.gather(*(FAULTS[name](stage, seconds) for name in chosen))
        await load.flows(within_seconds=60.0)
        await eventually(lambda: _all_is_up(stage), within_seconds=60.0, message="/readyz")
        await trust.flows(within_seconds=60.0)
        await places.flows(within_seconds=60.0)
        await trust.nobody_hidden_is_shown(load, within_seconds=PROMISED_SECONDS + MARGIN_SECONDS)
        violations = [*load.violations, *trust.violations, *places.violations]
        assert violations == [], violations[:9]
        done.update(chosen)
    return done


async def _all_is_up(stage: Stage) -> bool:
    """Whether every instance says so of every server."""
    states = [await parts_of(door) for door in stage.doors()]
    return all(all(state.values()) for state in states)


def _tasks() -> Counter[str]:
    """The service's tasks in this process by name; those of proxies and players are not its own."""
    codes = [getattr(task.get_coro(), "cr_code", None) for task in asyncio.all_tasks()]
    return Counter(
        code.co_qualname for code in codes if code and not code.co_filename.startswith(_OURS)
    )


@asynccontextmanager
async def _a_stage(servers: Servers) -> AsyncIterator[Stage]:
    async with (
        a_line(servers.database_url) as database,
        a_line(servers.redis_url) as redis,
        a_line(servers.amqp_url) as amqp,
    ):
        urls = (database.url, redis.url, amqp.url)
        steady = ScoreboardServer(*urls, **_SETTINGS)
        mortal = ScoreboardServer(*urls, workers=WORKERS, **_SETTINGS)
        settings = test_settings(
            database_url=database.url, redis_url=redis.url, amqp_url=amqp.url, **_SETTINGS
        )
        try:
            for server in (steady, mortal):
                await asyncio.to_thread(server.start)
            async with await Instance.start(settings) as home:
                await eventually(lambda: home.metric("bus_connected", side="consume") == 1)
                yield Stage(
                    postgres=servers.postgres,
                    redis=servers.redis,
                    rabbit=servers.rabbit,
                    database_line=database,
                    redis_line=redis,
                    amqp_line=amqp,
                    database_url=servers.database_url,
                    redis_url=servers.redis_url,
                    amqp_url=servers.amqp_url,
                    lasting=(home.url, steady.url),
                    steady=steady,
                    mortal=mortal,
                )
        finally:
            for server in (steady, mortal):
                await asyncio.to_thread(server.destroy)


def main() -> None:
    """Soak on servers of its own, and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--faults", default="", help="a word in the names of the faults to make")
    arguments = parser.parse_args()
    if not any(arguments.faults in name for name in FAULTS):
        parser.error(f"no fault has {arguments.faults!r} in its name; there are {sorted(FAULTS)}")
    logging.disable(logging.CRITICAL)  # what breaks on purpose is no news
    logs.configure("error", "console", "soak")
    with ExitStack() as stack:
        own = settle(["postgres", "redis", "rabbit"])
        for server in own.values():
            if not isinstance(server, PostgresServer | RedisServer | RabbitServer):
                parser.exit(2, "unset SCOREBOARD_TEST_*_URL: a soak stops its servers\n")
            stack.enter_context(server)
        postgres, rabbit = own["postgres"], own["rabbit"]
        assert isinstance(postgres, PostgresServer)
        assert isinstance(rabbit, RabbitServer)
        assert isinstance(own["redis"], RedisServer)
        url = stack.enter_context(a_database(postgres.url, "soak", template="template1"))
        migrate(url)
        servers = Servers(
            postgres, own["redis"], rabbit, url, own["redis"].url, rabbit.add_vhost("soak")
        )
        report = asyncio.run(
            soak(servers, arguments.minutes * 60, arguments.seed, arguments.faults)
        )
    sys.stdout.write(f"{report}\n")


if __name__ == "__main__":
    main()
