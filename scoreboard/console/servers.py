"""The servers that a command needs: opened for it, closed after it, named when they are away."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from scoreboard.bus import bus
from scoreboard.configuration.settings import Settings, SettingsError
from scoreboard.configuration.signatures import Signatures
from scoreboard.connections import blocking, hosts, sentinels
from scoreboard.connections.hints import POSTGRES, in_words
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.redis import Redis, RedisUnavailable
from scoreboard.connections.redis_answers import to_do
from scoreboard.connections.refusals import PostgresRefused
from scoreboard.connections.session import StatementRefused, TransactionAborted
from scoreboard.console import exports
from scoreboard.console.copies import Copies
from scoreboard.console.reports import CommandFailed
from scoreboard.console.terminal import first_line, note, sentence
from scoreboard.copies.copy import PURPOSE
from scoreboard.database import migrations
from scoreboard.errors import LedgerUnavailable, UnknownBoard
from scoreboard.ledger.definitions import Defined, Definitions
from scoreboard.ledger.ledger import Ledger
from scoreboard.ledger.moderation import Moderation
from scoreboard.model import MAIN, BoardId
from scoreboard.ranks.verifying import KeptFences
from scoreboard.unicode import escaped

NAME: Final = "scoreboard.cli"
# Only the operator waits for a command, and can end it; to compare or load millions of rows takes
# minutes, so the deadline of the service (5 s) would make that impossible.
_PATIENCE_SECONDS: Final = 600.0
_SESSIONS: Final = 2
_PAUSE_SECONDS: Final = 0.5


def await_postgres(settings: Settings, seconds: float, *, may_embed: bool) -> None:
    """Return when PostgreSQL answers. Raises SettingsError; CommandFailed, which says which server
    is away, where and what to do; and UnfitDatabase at once when waiting does not help.

    `may_embed`: embedded servers are among what to do.
    """
    url = database_url(settings)
    deadline = time.monotonic() + seconds
    is_told = not seconds
    while True:
        try:
            return asyncio.run(migrations.require_answer(url))
        except blocking.UnfitDatabase:
            raise
        except blocking.MigrationError as error:
            problem = error
        line = first_line(problem)
        if not is_told:
            is_told = True
            what, why = line.partition(": ")[0], line.rpartition(": ")[2].strip()
            note(f"scoreboard: {what} ({why}); waiting up to {seconds:g} s")
        if time.monotonic() > deadline:
            is_away = not isinstance(problem, blocking.DatabaseRefuses)
            advice = f" {_advice(problem, may_embed=may_embed)}" if is_away else ""
            raise CommandFailed(f"{sentence(line)}{advice}")
        time.sleep(_PAUSE_SECONDS)


def _advice(problem: blocking.MigrationError, *, may_embed: bool) -> str:
    if problem.to_do != POSTGRES.to_do(""):  # starting PostgreSQL does not mend that
        return problem.to_do
    start = "Start PostgreSQL there, or set SCOREBOARD_DATABASE_URL to where it runs"
    embed = "; `scoreboard serve --embedded`, without that variable, brings its own"
    return f"{start}{embed if may_embed else ''}."


@contextlib.asynccontextmanager
async def open_postgres(settings: Settings) -> AsyncIterator[Postgres]:
    """Lend connections to PostgreSQL. Raises SettingsError, and CommandFailed when it is away."""
    url = database_url(settings)
    postgres = Postgres(url, sessions=_SESSIONS, timeout_seconds=_PATIENCE_SECONDS, name=NAME)
    try:
        yield postgres
    except TransactionAborted as error:
        raise CommandFailed(
            f"PostgreSQL ended the transaction ({error}), so nothing was changed. Run it again."
        ) from error
    except PostgresRefused as error:
        raise CommandFailed(
            f"PostgreSQL at {hosts.place(url)} refuses: {sentence(error)} {error.to_do}".strip()
        ) from error
    except LedgerUnavailable as error:
        raise CommandFailed(await _why_unavailable(url)) from error
    except StatementRefused as error:
        raise CommandFailed(
            f"PostgreSQL refused a value ({error}), so nothing was changed. Its log says which."
        ) from error
    finally:
        await postgres.finish()


@contextlib.asynccontextmanager
async def open_redis(settings: Settings) -> AsyncIterator[Redis]:
    """Lend a connection to Redis. Raises SettingsError, and CommandFailed when it is away."""
    check_redis_url(settings)
    client = Redis(settings.redis_url, timeout_seconds=settings.redis_timeout_seconds, name=NAME)
    try:
        yield client
    except RedisUnavailable as error:
        raise CommandFailed(
            f"Redis at {sentinels.place(settings.redis_url)} cannot be used: "
            f"{sentence(words := in_words(str(error)) or 'no answer in time')} "
            f"{to_do(words, settings.redis_url)}"
        ) from error
    finally:
        await client.close()


@dataclass(frozen=True, slots=True)
class OpenedBoards:
    """What a command needs that changes boards."""

    ledger: Ledger
    definitions: Definitions
    moderation: Moderation
    fences: KeptFences
    copies: Copies

    async def named(self, arguments: argparse.Namespace) -> list[BoardId]:
        """The boards that the arguments name (`console.arguments.add_board`), `main` first.
        Raises CommandFailed when there is no such board, LedgerUnavailable.
        """
        present = (await self.ledger.versions()).boards
        if arguments.all_boards:
            return sorted(present, key=lambda board_id: (board_id != MAIN, board_id))
        if arguments.board_id not in present:
            raise no_board(arguments.board_id)
        return [arguments.board_id]


@contextlib.asynccontextmanager
async def open_boards(settings: Settings) -> AsyncIterator[OpenedBoards]:
    """Lend the ledger and the copies in Redis. Raises as `open_postgres` and `open_redis` do.

    Without a secret, which only the service needs, nobody can say who made a copy; and one that is
    stored counts for nothing until an instance has replaced it, within a second.
    """
    signatures = Signatures(settings.secrets, PURPOSE) if settings.jwt_secret else None
    async with open_postgres(settings) as postgres, open_redis(settings) as redis:
        yield OpenedBoards(
            Ledger(postgres, postgres),
            Definitions(postgres),
            Moderation(postgres),
            KeptFences(postgres),
            Copies(redis, signatures),
        )


async def defined(definitions: Definitions, board_id: str) -> Defined:
    """Find how a board is defined. Raises CommandFailed when there is none, LedgerUnavailable."""
    for found in await definitions.all():
        if found.definition.board_id == board_id:
            return found
    raise no_board(board_id)


def no_board(board_id: str) -> CommandFailed:
    """Say that there is no such board, in the words of commands."""
    return CommandFailed(
        f"There is no board {escaped(board_id)}. `scoreboard boards list` shows all.",
        UnknownBoard.code,
    )


def database_url(settings: Settings) -> str:
    """Answer where PostgreSQL is. Raises SettingsError when that is not set or not an address."""
    if not settings.database_url:
        raise SettingsError(
            "SCOREBOARD_DATABASE_URL is not set, "
            f"e.g. postgresql://user:password@localhost:5432/scoreboard{exports.hint()}"
        )
    if problem := hosts.problem(settings.database_url):
        raise SettingsError(
            f"SCOREBOARD_DATABASE_URL is not an address that can be used: {problem}; "
            "e.g. postgresql://user:password@localhost:5432/scoreboard"
        )
    return settings.database_url


def check_redis_url(settings: Settings) -> None:
    """Raises SettingsError when the address of Redis is not set or not an address."""
    url = settings.redis_url
    if not url or not sentinels.is_address(url):
        problem = "is not an address" if url else "is not set"
        more = "" if url else exports.hint()
        raise SettingsError(f"SCOREBOARD_REDIS_URL {problem}, e.g. redis://localhost:6379/0{more}")


def check_amqp_url(settings: Settings) -> None:
    """Raises SettingsError when the addresses of RabbitMQ are set and not addresses."""
    if settings.amqp_url and not bus.addresses(settings.amqp_url):
        raise SettingsError(
            "SCOREBOARD_AMQP_URL is not an address, e.g. amqp://user:password@localhost:5672/; "
            "several are written with commas between them"
        )


async def _why_unavailable(url: str) -> str:
    """Find out why PostgreSQL did not answer: it is away, or its schema is older."""
    try:
        missing = await migrations.pending(url)
    except (blocking.DatabaseRefuses, blocking.UnfitDatabase) as error:
        return sentence(error)
    except blocking.MigrationError as error:
        return f"{sentence(first_line(error))} {error.to_do}"
    if missing:
        return (
            f"The database at {hosts.place(url)} lacks {', '.join(missing)}. "
            "Bring it up to date first: scoreboard migrate"
        )
    return (
        f"PostgreSQL at {hosts.place(url)} did not answer in time or ended the connection. "
        "Its log says why; run the command again when it is well."
    )
