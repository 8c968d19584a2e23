"""A clock of PostgreSQL's for tests about seasons: it stands, and goes where it is set."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg2
import pytest

from scoreboard.ledger.queries import FUNCTIONS, SQL


class LedgerClock:
    """What the statements of the ledger read instead of `clock_timestamp()`, in one database."""

    def __init__(self, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._connection = psycopg2.connect(database_url)
        self._connection.autocommit = True
        self._execute(
            """
            CREATE TABLE ledger_clock (moment TIMESTAMPTZ NOT NULL);
            INSERT INTO ledger_clock VALUES (clock_timestamp());
            CREATE FUNCTION read_ledger_clock() RETURNS TIMESTAMPTZ LANGUAGE sql VOLATILE
            AS 'SELECT moment FROM ledger_clock'
            """
        )
        for name, statement in SQL.items():
            monkeypatch.setitem(SQL, name, _told(statement))
        for function in FUNCTIONS.values():
            self._execute(_told(function).replace("CREATE", "CREATE OR REPLACE", 1))

    def set(self, moment: datetime) -> None:
        self._execute("UPDATE ledger_clock SET moment = %s", (moment,))

    def end_with_the_next_grant(self, moment: datetime) -> None:
        """Go to this moment once a grant is committed, right behind it."""
        self._execute(
            f"""
            CREATE FUNCTION set_ledger_clock() RETURNS TRIGGER LANGUAGE plpgsql
            AS $$ BEGIN
                UPDATE ledger_clock SET moment = '{moment.isoformat()}';
                RETURN NULL;
            END $$;
            CREATE CONSTRAINT TRIGGER set_ledger_clock AFTER INSERT ON ledger
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION set_ledger_clock()
            """
        )

    def close(self) -> None:
        self._connection.close()

    def _execute(self, statement: str, parameters: Any = None) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, parameters)


def _told(statement: str) -> str:
    return statement.replace("clock_timestamp()", "read_ledger_clock()")
