"""The servers that `scoreboard serve --embedded` brings along, and what it puts into them."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Final

from scoreboard.commands.actions import read_file
from scoreboard.configuration import sources as configuration
from scoreboard.configuration.settings import Settings
from scoreboard.console import exports
from scoreboard.console.failure import CommandFailed
from scoreboard.console.servers import open_postgres
from scoreboard.console.terminal import sentence
from scoreboard.database import migrations
from scoreboard.embedded.home import AlreadyRuns, EmbeddedServerError, embedded_secret
from scoreboard.embedded.servers import EmbeddedUrls, embedded_servers
from scoreboard.scoring.catalogue import Catalogue, Sought

_DEMO_ACTIONS: Final = "demo-actions.csv"


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
                stack.enter_context(exports.kept(exports.lines(urls)))
            secret = given.jwt_secret or embedded_secret(exports.DIRECTORY)
        complete = dataclasses.replace(
            given,
            database_url=given.database_url or urls.database_url or "",
            redis_url=given.redis_url or urls.redis_url or "",
            jwt_secret=secret,
        )
        if urls.database_url:
            _prepare(complete)
        yield complete, exports.lines(urls)


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
    """Migrate the embedded database, and give it something to play with if it has no actions."""
    migrations.migrate(complete.database_url)
    asyncio.run(_load_demo_actions(complete))


async def _load_demo_actions(complete: Settings) -> None:
    async with open_postgres(complete) as postgres:
        catalogue = Catalogue(postgres)
        if not await catalogue.list(Sought(), limit=1):
            demo = read_file(str(configuration.shipped("config") / _DEMO_ACTIONS))
            await catalogue.load(demo.points)
