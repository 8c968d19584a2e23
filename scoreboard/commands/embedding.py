"""The servers that `scoreboard serve --embedded` brings along, and what it finds in them."""

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
from scoreboard.embedded import (
    EmbeddedServerError,
    EmbeddedUrls,
    embedded_secret,
    embedded_servers,
)
from scoreboard.scoring.catalogue import Catalogue, Sought

_DEMO_ACTIONS: Final = "demo-actions.csv"


@contextlib.contextmanager
def with_servers(found: Settings) -> Iterator[tuple[Settings, list[str]]]:
    """Fill in what is not set, with the lines of shell after which other commands find it. What is
    set stays untouched.
    """
    directory = exports.DIRECTORY
    wanted = {"postgres": not found.database_url, "redis": not found.redis_url}
    with contextlib.ExitStack() as stack:
        urls = EmbeddedUrls(None, None)
        if any(wanted.values()):
            with _files_that_fail_named():
                urls = stack.enter_context(_embedded_servers(**wanted))
                stack.enter_context(exports.noted(urls))
        with _files_that_fail_named():
            secret = found.jwt_secret or embedded_secret(directory)
        complete = dataclasses.replace(
            found,
            database_url=found.database_url or urls.database_url or "",
            redis_url=found.redis_url or urls.redis_url or "",
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
        except EmbeddedServerError as error:
            shared = exports.of_a_running_instance()
            if not shared:
                raise
            raise CommandFailed("\n".join([f"{error} To share them:", *shared])) from error
        yield urls


@contextlib.contextmanager
def _files_that_fail_named() -> Iterator[None]:
    """Say of a file that cannot be used which one, and why. Raises EmbeddedServerError."""
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
        if not await catalogue.list_all(Sought(), limit=1):
            demo = read_file(str(configuration.config_directory() / _DEMO_ACTIONS))
            await catalogue.load(demo.points)
