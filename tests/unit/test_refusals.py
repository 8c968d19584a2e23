"""What is a refusal of PostgreSQL's and what is none; what of it is said, and how often."""

from __future__ import annotations

import psycopg2
import pytest
from structlog.testing import capture_logs

from scoreboard.connections.refusals import PostgresRefused, Refusals, refusal_to_connect
from scoreboard.errors import LedgerUnavailable

SERVER = 'connection to server at "10.0.0.7", port 5432 failed: '


@pytest.mark.parametrize(
    ("text", "sqlstate"),
    [
        (f'{SERVER}FATAL:  password authentication failed for user "scoreboard"', "28P01"),
        (f'{SERVER}FATAL:  role "scoreboard" does not exist', "28000"),
        (f'{SERVER}FATAL:  no pg_hba.conf entry for host "10.0.0.9", user "x"', "28000"),
        (f'{SERVER}FATAL:  database "games" does not exist', "3D000"),
        (f"{SERVER}FATAL:  sorry, too many clients already", "53300"),
        (f'{SERVER}FATAL:  too many connections for role "scoreboard"', "53300"),
        (f'{SERVER}FATAL:  permission denied for database "games"', "42501"),
        (f"{SERVER}FATAL:  unsupported startup parameter: options", "42704"),
        (f"{SERVER}FATAL:  Passwort-Authentifizierung fehlgeschlagen", "08004"),
        (f"{SERVER}ВАЖНО:  база данных не существует", "08004"),
        ("FATAL:  remaining connection slots are reserved", "53300"),  # libpq before 14
        # The first of several addresses did not answer.
        (f"{SERVER}Connection refused\n\tIs it running?\n{SERVER}FATAL:  no such role", "08004"),
    ],
)
def test_what_the_server_says_to_who_connects_is_a_refusal(text: str, sqlstate: str) -> None:
    refusal = refusal_to_connect(psycopg2.OperationalError(text + "\n"))

    assert refusal is not None
    assert refusal.sqlstate == sqlstate
    assert refusal.text == text.rpartition(":  ")[2]
    assert refusal.to_do


@pytest.mark.parametrize(
    "text",
    [
        f"{SERVER}Connection refused\n\tIs the server running on that host?",
        f"{SERVER}timeout expired",
        f"{SERVER}server closed the connection unexpectedly\n\tThis probably means the server",
        'could not translate host name "db" to address: Name or service not known',
        f"{SERVER}FATAL:  the database system is starting up",
        f"{SERVER}FATAL:  terminating connection due to administrator command",
        "",
    ],
)
def test_who_does_not_answer_or_is_about_to_has_refused_nothing(text: str) -> None:
    assert refusal_to_connect(psycopg2.OperationalError(text)) is None
    assert refusal_to_connect(OSError(text)) is None


@pytest.mark.parametrize(
    ("sqlstate", "meaning"),
    [
        ("42501", "a right is missing (42501)"),
        ("42P01", "a table is missing (42P01)"),
        ("42P17", "something is missing in the schema (42P17)"),
        ("25006", "it takes no writes (25006)"),
        ("53100", "its disk is full (53100)"),
        ("53400", "it has run out of something (53400)"),
        ("P0001", "a trigger refuses (P0001)"),
        ("", "a setting cannot be set"),
    ],
)
def test_a_refusal_says_what_is_the_matter_without_naming_anything(
    sqlstate: str, meaning: str
) -> None:
    refusal = PostgresRefused(sqlstate, 'permission denied for table "secrets"')

    assert refusal.meaning == meaning
    assert refusal.to_do
    # To clients it is as unavailable as one that is away.
    assert (refusal.status, refusal.code) == (503, "ledger_unavailable")
    assert refusal.message == LedgerUnavailable.message


def test_each_refusal_is_logged_once_a_minute_and_the_latest_is_known_for_one() -> None:
    now = 1000.0
    noted = Refusals(lambda: now)
    assert noted.recent == ""
    with capture_logs() as logs:
        for seconds in (0, 1, 58, 2, 30):
            now += seconds
            noted.note(PostgresRefused("42501", "permission denied for table ledger"))
        noted.note(PostgresRefused("42P01", 'relation "board" does not exist'))

    assert [(entry["log_level"], entry["sqlstate"]) for entry in logs] == [
        ("error", "42501"),
        ("error", "42501"),
        ("error", "42P01"),
    ]
    assert noted.recent == "a table is missing (42P01)"
    now += 61
    assert noted.recent == ""


def test_what_was_logged_is_not_remembered_without_bound() -> None:
    noted = Refusals()
    with capture_logs() as logs:
        for number in (*range(1000), 0):
            noted.note(PostgresRefused("XX000", f"something unforeseen {number}"))

    assert len(logs) == 1001  # the first one was forgotten, so it is logged again
