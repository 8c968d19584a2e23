"""A server that somebody else runs, named by the environment."""

from __future__ import annotations

import os

ENVIRONMENT = {
    "postgres": "SCOREBOARD_TEST_DATABASE_URL",
    "redis": "SCOREBOARD_TEST_REDIS_URL",
    "rabbit": "SCOREBOARD_TEST_AMQP_URL",
}

# Set where servers are lent to one test run after another (`tests/guards`): a run whose tests need
# a server of their own starts it then, where otherwise those tests would be skipped.
LENT = "SCOREBOARD_TEST_SERVERS_ARE_LENT"


def given_url(name: str) -> str | None:
    """Answer the address that the environment gives for `name`; an empty one counts as none."""
    return os.environ.get(ENVIRONMENT[name]) or None


def are_lent() -> bool:
    """Say whether the given servers are only lent."""
    return bool(os.environ.get(LENT))


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
