"""What tests put into a database, and how they look at it: plain SQL, apart from the code under
test.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
from psycopg2.extras import execute_values


def sql(database_url: str, statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    """Run one statement in a transaction of its own and return its rows."""
    with (
        closing(psycopg2.connect(database_url)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def holding(database_url: str, statement: str) -> Iterator[Any]:
    """Somebody else's transaction, which holds what the statement locked until it ends."""
    with closing(psycopg2.connect(database_url)) as connection:
        connection.cursor().execute(statement)
        yield connection


def add_users(database_url: str, count: int, prefix: str = "player") -> list[str]:
    """Register users without passwords; user ids ascend with the names' numbers, which go on where
    an earlier call ended. `prefix` is in lower case, so that a name is its own key.
    """
    [(before,)] = sql(
        database_url, "SELECT count(*) FROM users WHERE username ~ %s", (rf"^{prefix}\d+$",)
    )
    ids = sorted(str(uuid.uuid4()) for _ in range(count))
    rows = [
        (user_id, f"{prefix}{n}", f"{prefix}{n}", f"{prefix}{n}@example.org")
        for n, user_id in enumerate(ids, before)
    ]
    with (
        closing(psycopg2.connect(database_url)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        execute_values(
            cursor,
            "INSERT INTO users (user_id, username, username_key, email, password_hash) VALUES %s",
            rows,
            "(%s, %s, %s, %s, '-')",
        )
    return ids


def add_actions(database_url: str, points: dict[str, int]) -> None:
    """Put actions into the catalogue; one that is there already gets these points."""
    sql(
        database_url,
        "INSERT INTO actions (action_id, points)"
        " SELECT * FROM unnest(%s::text[], %s::bigint[])"
        " ON CONFLICT (action_id) DO UPDATE SET points = EXCLUDED.points",
        (list(points), list(points.values())),
    )


def scores(database_url: str) -> dict[str, int]:
    """Every user's score."""
    return dict(sql(database_url, "SELECT user_id::text, score FROM scores"))


def ledger_sums(database_url: str) -> dict[str, int]:
    """Every user's sum of points granted."""
    return dict(
        sql(
            database_url,
            "SELECT user_id::text, sum(points_granted)::integer FROM ledger GROUP BY user_id",
        )
    )


def grants(database_url: str) -> list[tuple[str, str]]:
    """Every (user, action) in the ledger, in the order of commits as far as ids tell."""
    return [
        (user, action)
        for user, action in sql(
            database_url, "SELECT user_id::text, action_id FROM ledger ORDER BY ledger_id"
        )
    ]


def ranking(database_url: str) -> list[tuple[str, int]]:
    """The top 10 by the rule of the specification, written down once more."""
    rows = sql(
        database_url,
        # Schemas of earlier releases know nobody who is hidden.
        "SELECT user_id::text, score FROM scores"
        " WHERE NOT coalesce((to_jsonb(scores) ->> 'hidden')::boolean, FALSE)"
        " ORDER BY score DESC, updated_at, user_id LIMIT 10",
    )
    return [(user, score) for user, score in rows]


def board_version(database_url: str) -> int:
    """The version that the database holds."""
    return int(sql(database_url, "SELECT version FROM board")[0][0])


def waiting_for_locks(database_url: str) -> int:
    """How many wait for a lock in this database."""
    statement = """SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'"""
    return int(sql(database_url, statement)[0][0])


def waits_for_lock(database_url: str) -> bool:
    """Whether anybody waits for a lock in this database."""
    return waiting_for_locks(database_url) > 0


def add_board(
    database_url: str,
    board_id: str,
    *seasons: tuple[datetime, datetime | None],
    state: str = "running",
    **columns: object,
) -> None:
    """Put a board with these seasons into the database, as they are before anybody let one begin
    or end: the first is in `state`, and what comes after it upcoming. `columns` are of `boards`.
    """
    given = {"title": board_id.title(), "version": 1} | columns
    starts, ends = [start for start, _ in seasons], [end for _, end in seasons]
    # At once: a statement for each of hundreds of seasons would take seconds, in which nothing else
    # of this process goes on.
    sql(
        database_url,
        f"""
        INSERT INTO boards (board_id, changed_at, {", ".join(given)})
        VALUES (%s, now(), {", ".join(["%s"] * len(given))});
        INSERT INTO seasons
            (board_id, number, previous_ends_at, starts_at, ends_at, closes_at, state)
        SELECT
            board_id, number, lag(written.ends_at) OVER (ORDER BY number), starts_at,
            written.ends_at, written.ends_at + make_interval(secs => grace_seconds),
            CASE number WHEN 1 THEN %s ELSE 'upcoming' END
        FROM boards
        CROSS JOIN unnest(%s::timestamptz[], %s::timestamptz[])
            WITH ORDINALITY AS written (starts_at, ends_at, number)
        WHERE board_id = %s
        ORDER BY number;
        UPDATE boards SET season_id = seasons.season_id FROM seasons
        WHERE boards.board_id = %s AND seasons.board_id = boards.board_id AND number = 1
        AND state = 'running'
        """,
        (board_id, *given.values(), state, starts, ends, board_id, board_id),
    )


def add_boards_of_every_kind(
    database_url: str, *seasons: tuple[datetime, datetime | None], listed: str
) -> list[str]:
    """Boards of every operator and direction with these seasons; two count one action alone."""
    kinds: dict[str, dict[str, Any]] = {
        "sum": {"size": 10},
        "best": {"operator": "best", "size": 1},
        "low": {"operator": "best", "direction": "low", "size": 12, "grace_seconds": 3600},
        "listed-sum": {"counts": "listed", "size": 3},
        "listed-low": {"counts": "listed", "operator": "best", "direction": "low", "size": 2},
    }
    for board_id, columns in kinds.items():
        add_board(database_url, board_id, *seasons, **columns)
        if columns.get("counts") == "listed":
            sql(database_url, "INSERT INTO board_actions VALUES (%s, %s)", (board_id, listed))
    return list(kinds)


def entries(database_url: str, board_id: str, season: int = 1) -> dict[str, int]:
    """Every user's kept score in a season: minus the value where low values win."""
    return dict(
        sql(
            database_url,
            "SELECT user_id::text, score FROM season_entries JOIN seasons USING (season_id)"
            " WHERE board_id = %s AND number = %s",
            (board_id, season),
        )
    )


def put_back(database_url: str, board_id: str | None, by: timedelta) -> None:
    """Let the seasons of a board (None: of all), its entries and all grants have been earlier, as
    if the clock had gone on so far. What is under way is left as it is.
    """
    of_board = "board_id <> 'main' AND coalesce(board_id = %(board_id)s, TRUE)"
    for statement in (
        f"""
        UPDATE seasons
        SET
            starts_at = starts_at - %(by)s,
            ends_at = ends_at - %(by)s,
            closes_at = closes_at - %(by)s,
            previous_ends_at = previous_ends_at - %(by)s
        WHERE {of_board}
        """,
        f"UPDATE boards SET written_until = written_until - %(by)s WHERE {of_board}",
        f"""
        UPDATE season_entries SET updated_at = updated_at - %(by)s
        WHERE season_id IN (SELECT season_id FROM seasons WHERE {of_board})
        """,
        "UPDATE ledger SET submitted_at = submitted_at - %(by)s",
    ):
        sql(database_url, statement, {"by": by, "board_id": board_id})


def zone_at_noon() -> str:
    """A time zone in which it is about noon: no day, week or month ends there while a test runs."""
    return f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"
