"""Tries the clients, and writes the table of docs/clients.md: `python -m tests.clients [words]`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from scoreboard.database.migrations import migrate
from scoreboard.operations import logs
from tests.clients.catalogue import CLIENTS
from tests.clients.client import Client, NotHereError
from tests.clients.table import PAGE, written
from tests.clients.trial import Row, a_world, tried
from tests.conftest import a_database
from tests.servers import PostgresServer, RabbitServer, RedisServer


def main(arguments: Sequence[str]) -> int:
    """Try those whose names have one of these words, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.clients", description="Try clients.")
    parser.add_argument("words", nargs="*", help="words in the names; none means all")
    parser.add_argument("--dry", action="store_true", help="leave docs/clients.md as it is")
    asked = parser.parse_args(arguments)
    chosen = [
        client
        for client in CLIENTS
        if not asked.words or any(word in client.name for word in asked.words)
    ]
    logs.configure("error", "console", "clients")
    asyncio.run(_try(chosen, _leave if asked.dry else _write))
    return 0


def _leave(_: Mapping[str, Row]) -> None:
    """Leave the page as it is."""


def _write(rows: Mapping[str, Row]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(written(page, CLIENTS, rows), encoding="utf-8")


async def _try(clients: Sequence[Client], keep: Callable[[Mapping[str, Row]], None]) -> None:
    """Try one after the other; what is found is kept at once, because all take a while."""
    with ExitStack() as stack:
        postgres = stack.enter_context(PostgresServer())
        redis = stack.enter_context(RedisServer())
        rabbit = stack.enter_context(RabbitServer())
        database = stack.enter_context(a_database(postgres.url, "clients", template="template1"))
        migrate(database)
        async with a_world(
            database,
            redis.url,
            rabbit.add_vhost("clients"),
        ) as world:
            for client in clients:
                try:
                    row = await tried(client, world)
                    said = str(row)
                    keep({client.name: row})
                except NotHereError as missing:
                    said = f"not tried here: {missing}"
                    keep({})
                sys.stdout.write(f"{client.place} {client.name}: {said}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
