"""A server that somebody else runs, named by the environment."""

from __future__ import annotations

import os

ENVIRONMENT = {
    "postgres": "SCOREBOARD_TEST_DATABASE_URL",
    "redis": "SCOREBOARD_TEST_REDIS_URL",
    "rabbit": "SCOREBOARD_TEST_AMQP_URL",
}


def given_url(name: str) -> str | None:
    """Answer the address that the environment gives for `name`; an empty one counts as none."""
    return os.environ.get(ENVIRONMENT[name]) or None


class GivenServer:
    """Holds the address of a server that this run must neither start nor stop."""

    controllable = False

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.url = url

    def start(self) -> None:
        """Do nothing: it runs already."""

    def destroy(self) -> None:
        """Do nothing: it goes on running."""
