"""How an embedded server fails: who only tries Scoreboard has this message and nothing else."""

from __future__ import annotations


class EmbeddedServerError(Exception):
    """An embedded server cannot run here; the message says why and what to do."""


def failure_text(name: str, problem: str, output: str) -> str:
    """Quote what the server said, because the cause is there, and add the two ways out."""
    return (
        f"The embedded {name} {problem}. It said:\n{output.strip()}\n"
        "Removing the directory .scoreboard starts afresh and loses its data; setting "
        "SCOREBOARD_DATABASE_URL and SCOREBOARD_REDIS_URL uses other servers instead."
    )
