"""Grants that stop where a test wants them to, and how they are told on their way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

import orjson
import psycopg2

from scoreboard.ledger.queries import SQL
from tests.world import sql

# Any number, as long as nothing else takes the same one.
_PAUSE: Final = 4711


def commits(request: bytes) -> bool:
    """Whether what a client sends to PostgreSQL ends in a commit: COMMIT, or a batch of grants,
    which is a transaction of its own.
    """
    return b"COMMIT\0" in request or b"EXECUTE grant_" in request


def grant_by(cursor: Any, user: str, action: str) -> dict[str, Any]:
    """Grant an action to a user, without COMMIT, and answer what `grant` says."""
    cursor.execute(SQL["grant"], {"user_ids": [user], "action_ids": [action], "by_server": [False]})
    [(text,)] = cursor.fetchall()
    said: dict[str, Any] = orjson.loads(text)
    return said


@contextmanager
def paused_grants(database_url: str, user: str) -> Iterator[Callable[[], None]]:
    """Let every grant to a user stop once its rows are written, before it raises boards and
    commits, until what this yields is called.
    """
    with closing(psycopg2.connect(database_url)) as holder, holder.cursor() as cursor:
        holder.autocommit = True
        cursor.execute(
            f"""
            CREATE FUNCTION pause() RETURNS TRIGGER LANGUAGE plpgsql
            AS $$ BEGIN
                PERFORM pg_advisory_xact_lock_shared({_PAUSE});
                RETURN NULL;
            END $$;
            CREATE TRIGGER pause AFTER INSERT ON ledger
            FOR EACH ROW WHEN (NEW.user_id = '{user}') EXECUTE FUNCTION pause();
            SELECT pg_advisory_lock({_PAUSE})
            """
        )
        yield lambda: cursor.execute(f"SELECT pg_advisory_unlock({_PAUSE})")


def are_paused(database_url: str) -> bool:
    """Whether a grant has stopped there."""
    [(waiting,)] = sql(
        database_url,
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
        f" AND objid = {_PAUSE} AND classid = 0",
    )
    return bool(waiting)
