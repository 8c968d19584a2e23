"""The embedded servers together, and where they listen: one owner decides what runs and ends it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scoreboard.embedded.home import only_run, private_directory, socket_directory
from scoreboard.embedded.postgres import running_postgres
from scoreboard.embedded.redis import end_leftover_redis, running_redis


@dataclass(frozen=True, slots=True)
class EmbeddedUrls:
    """Where the embedded servers listen; None for one that was not asked for."""

    database_url: str | None
    redis_url: str | None


@contextlib.contextmanager
def embedded_servers(
    directory: Path, *, postgres: bool = True, redis: bool = True
) -> Iterator[EmbeddedUrls]:
    """Run the servers asked for while the context lasts, with their files in `directory`.

    Raises EmbeddedServerError, also when another run uses the directory already.
    """
    home = private_directory(directory)
    with contextlib.ExitStack() as stack:
        stack.enter_context(only_run(home))
        sockets = stack.enter_context(socket_directory(home))
        # First of all: a run that ends before it needs Redis takes the directory with it.
        end_leftover_redis(sockets)  # guard: killed-runs-redis
        yield EmbeddedUrls(
            database_url=stack.enter_context(running_postgres(home, sockets)) if postgres else None,
            redis_url=stack.enter_context(running_redis(home, sockets)) if redis else None,
        )
