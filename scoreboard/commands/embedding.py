"""What `scoreboard serve --embedded` adds: its servers, what is put into them, and a welcome."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Final

import structlog

from scoreboard.commands.actions import read_file
from scoreboard.configuration import sources as configuration
from scoreboard.configuration.settings import Settings
from scoreboard.console import exports
from scoreboard.console.reports import CommandFailed
from scoreboard.console.servers import open_postgres
from scoreboard.console.terminal import program, say, sentence
from scoreboard.database import migrations
from scoreboard.embedded.home import (
    JWT_FILE,
    AlreadyRuns,
    EmbeddedServerError,
    embedded_secret,
)
from scoreboard.embedded.servers import EmbeddedUrls, embedded_servers
from scoreboard.ledger.definitions import Definitions
from scoreboard.model import BoardId
from scoreboard.processes.streams import OutputLost
from scoreboard.scoring.catalogue import Catalogue, Sought
from scoreboard.seasons.definition import Definition

log = structlog.get_logger("scoreboard.serving")

# Their days begin at midnight in UTC, wherever the machine is: so everybody who tries them, and
# every page of the documentation, sees the same.
_BOARDS: Final = (
    Definition(BoardId("daily"), "Today", period="day"),
    Definition(BoardId("weekly"), "This week", period="week"),
)
_WELCOME: Final = """
  Scoreboard runs. Open {address} to watch the board live.

    players            {players}
    what it offers     {offers}
    the board          curl {board}
    its stream         curl -N {stream}
    all boards         curl {boards}
    an account         curl {address}/api/auth/register -H 'Content-Type: application/json' \\
      -d '{{"username": "ada", "email": "ada@example.org", "password": "analytical engine"}}'
{servers}
  Ctrl-C ends it.
"""


@contextlib.contextmanager
def with_servers(given: Settings) -> Iterator[tuple[Settings, list[str]]]:
    """Run a server for each address that is not set, while the context lasts; yields the settings
    with these addresses, and the lines of shell after which other commands find the servers.

    Raises EmbeddedServerError, CommandFailed, MigrationError.
    """
    wanted = {"postgres": not given.database_url, "redis": not given.redis_url}
    with contextlib.ExitStack() as stack:
        with _failing_files_named():
            urls = EmbeddedUrls(None, None)
            if any(wanted.values()):
                urls = stack.enter_context(_embedded_servers(**wanted))
            secret = given.jwt_secret or embedded_secret(exports.DIRECTORY)
            lines = exports.lines(urls, None if given.jwt_secret else exports.DIRECTORY / JWT_FILE)
            if any(wanted.values()):
                stack.enter_context(exports.kept(lines))
        complete = dataclasses.replace(
            given,
            database_url=given.database_url or urls.database_url or "",
            redis_url=given.redis_url or urls.redis_url or "",
            jwt_secret=secret,
        )
        if urls.database_url:
            _prepare(complete)
        yield complete, lines


@contextlib.contextmanager
def _embedded_servers(**wanted: bool) -> Iterator[EmbeddedUrls]:
    """Run them. Raises CommandFailed, with how to share them, when they run here already."""
    with contextlib.ExitStack() as stack:
        try:
            urls = stack.enter_context(embedded_servers(exports.DIRECTORY, **wanted))
        except AlreadyRuns as error:
            shared = exports.found()
            if not shared:
                raise
            raise CommandFailed("\n".join([f"{error} To share them:", *shared])) from error
        yield urls


@contextlib.contextmanager
def _failing_files_named() -> Iterator[None]:
    """Name a file that cannot be used, and say why. Raises EmbeddedServerError."""
    try:
        yield
    except OSError as error:
        place = error.filename or exports.DIRECTORY.resolve()
        raise EmbeddedServerError(f"{place} cannot be used: {sentence(error.strerror)}") from error


def _prepare(complete: Settings) -> None:
    """Migrate the embedded database, and give it something to play with if it has no actions, or
    no boards beside the one that is always there. One that is closed is a board too.
    """
    migrations.migrate(complete.database_url)
    asyncio.run(fill(complete))


async def fill(complete: Settings) -> None:
    """Load the demo's actions where there are none, and add the first boards where there are none
    beside `main`. Raises CommandFailed.
    """
    async with open_postgres(complete) as postgres:
        catalogue, definitions = Catalogue(postgres), Definitions(postgres)
        if not await catalogue.list(Sought(), limit=1):
            demo = read_file(str(configuration.shipped("config") / "demo-actions.csv"))
            await catalogue.load(demo.points, claims=demo.claims)
        if len(await definitions.all()) == 1:
            await definitions.add(_BOARDS)


def welcome(address: str, servers: Sequence[str]) -> None:
    """Say where everything is: on a terminal to a person, elsewhere to the log. `servers` has the
    lines of shell after which other commands find the embedded servers.
    """
    # A client cannot go to every address; this machine is one of them.
    for everywhere in ("//0.0.0.0:", "//[::]:"):
        address = address.replace(everywhere, "//127.0.0.1:")
    facts = {
        "address": address,
        "players": f"{program()} demo --url {address}",
        "offers": f"{address}/docs",
        "board": f"{address}/api/leaderboard",
        "stream": f"{address}/api/leaderboard/stream",
        "boards": f"{address}/api/boards",
    }
    if not sys.stdout.isatty():
        log.info(
            "scoreboard.serving.embedded",
            **facts,
            account=f"POST {address}/api/auth/register with username, email and password",
            data=str(exports.DIRECTORY.resolve()),
            other_commands_need=[line.strip() for line in servers],
            end=f"Ctrl-C, or kill {os.getpid()}",
        )
        return
    others = ["", f"  Other commands ({program()} users list) need", *servers, ""]
    with contextlib.suppress(OutputLost):  # it serves all the same
        say(_WELCOME.format(**facts, servers="\n".join(others) if servers else ""))
        sys.stdout.flush()
