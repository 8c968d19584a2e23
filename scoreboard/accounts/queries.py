"""The statements of accounts, by name (`queries.sql`)."""

from typing import Final

from scoreboard.connections import statements

SQL: Final = statements.load("scoreboard.accounts")
