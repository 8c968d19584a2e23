"""What it costs a grant that triggers write down how rankings move, in PostgreSQL's processor time.

Databases with the triggers and without take turns at a few batches each, so that both meet the same
moments of the machine. Only the backend that runs the batches is looked at: its processor time says
the same beside other work, where the time of day does not.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from scoreboard.connections.postgres import Postgres
from scoreboard.ledger.ledger import Ledger
from scoreboard.model import Grant, Submission
from tests.benchmarks.processor import process_seconds
from tests.benchmarks.world import ACTIONS, NOTING_TRIGGERS, settle_down, user_id
from tests.world import sql

BATCHES = (1, 8, 64)
_NOTED, _NOT_NOTED = "Scoreboard", "without the triggers"
_TIMES = 25  # batches in a turn
_TURNS = 12  # in a round
_WARM = 40  # batches
_STRIDE = 7_919  # a prime: one user after the other from all over the ranking


@dataclass(frozen=True)
class Noted:
    """What a batch of so many submissions costs PostgreSQL, on `main` alone or on these boards."""

    program: str
    boards: str
    batch: int
    cpu_us: float


class Granting:
    """One database, and the one backend that grants in it."""

    def __init__(self, url: str, users: int) -> None:
        self._users = users
        self._postgres = Postgres(url, sessions=1, timeout_seconds=3600, name="benchmarks.noted")
        self._ledger = Ledger(self._postgres, self._postgres)
        self._submitted = 0
        self._pid = 0

    def close(self) -> None:
        self._postgres.close()

    async def warm(self, batch: int) -> None:
        """Let it plan its statements, and find its pages."""
        for _ in range(_WARM):
            await self._grant(batch)
        [(self._pid,)] = await self._postgres.read("SELECT pg_backend_pid()")

    async def cpu_us(self, batch: int) -> float:
        """Processor time of a batch."""
        before = process_seconds(self._pid)
        for _ in range(_TIMES):
            await self._grant(batch)
        return (process_seconds(self._pid) - before) / _TIMES * 1e6

    async def _grant(self, batch: int) -> None:
        settlement = await self._ledger.grant([self._next() for _ in range(batch)])
        assert all(isinstance(verdict, Grant) for verdict in settlement.verdicts.values())

    def _next(self) -> Submission:
        """Some user's next submission; no pair comes twice."""
        self._submitted += 1
        action, number = divmod(self._submitted * _STRIDE, self._users)
        return Submission(user_id(1 + number), f"a{action % ACTIONS}")


def measure(urls: Mapping[str, Sequence[str]], users: int, rounds: int) -> list[Noted]:
    """Measure on pairs of databases, by what they are called; the second of each pair loses its
    triggers.
    """
    for noted, not_noted in urls.values():
        sql(
            not_noted,
            ";".join(f"DROP TRIGGER {name} ON {table}" for table, name in NOTING_TRIGGERS),
        )
        settle_down(noted)
        settle_down(not_noted)
    programs = {
        (program, boards): url
        for boards, pair in urls.items()
        for program, url in zip((_NOTED, _NOT_NOTED), pair, strict=True)
    }
    with _all_granting(programs, users) as granting:
        return asyncio.run(_measure(granting, rounds))


@contextmanager
def _all_granting(
    programs: Mapping[tuple[str, str], str], users: int
) -> Iterator[dict[tuple[str, str], Granting]]:
    granting = {program: Granting(url, users) for program, url in programs.items()}
    try:
        yield granting
    finally:
        for one in granting.values():
            one.close()


async def _measure(granting: Mapping[tuple[str, str], Granting], rounds: int) -> list[Noted]:
    found = []
    for batch in BATCHES:
        for one in granting.values():
            await one.warm(batch)
        for _ in range(rounds):
            spent = dict.fromkeys(granting, 0.0)
            for _ in range(_TURNS):
                for program in random.sample(list(granting), len(granting)):
                    spent[program] += await granting[program].cpu_us(batch)
            found += [Noted(*program, batch, cpu / _TURNS) for program, cpu in spent.items()]
    return found
