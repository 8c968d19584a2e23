"""The statements of the audit, by name (`queries.sql`)."""

from __future__ import annotations

from typing import Final

from scoreboard.connections import statements

SQL: Final = statements.load("scoreboard.audit")
