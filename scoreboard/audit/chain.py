"""Whether the audit is as it was written. Each row's digest is made of the digest of the row before
it and of all that the row says:

    SHA-256 of the JSON array [digest before, number, time, by whom, act, user, board, season,
    details, reason, request]

The rows and nothing else are asked of the database: whoever may change rows may also change the
function there that makes digests. Whoever writes the whole chain anew is found out by a digest
that somebody kept in another place.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Final

from scoreboard.audit import rows
from scoreboard.audit.rows import Row
from scoreboard.connections.postgres import Postgres

FIRST: Final = "0" * 64  # what stands in the place of a digest before the first row


@dataclass(frozen=True, slots=True)
class Verified:
    """How far the chain holds. `digest` is that of the last good row. `problem` says what is wrong
    with the first row that is not as it was written, whose number is `wrong_id`. `kept_id` is the
    row whose digest was expected.
    """

    rows: int
    digest: str
    kept_id: int | None = None
    wrong_id: int | None = None
    problem: str = ""


def digest_of(before: str, row: Row) -> str:
    """The digest that a row has to have behind a row with the digest `before`."""
    said = [
        *(before, row.audit_id, row.at, row.made_by, row.act, row.user_id, row.board_id),
        *(row.season, row.details, row.reason, row.request_id),
    ]
    return hashlib.sha256(json.dumps(said, ensure_ascii=False).encode()).hexdigest()


async def verify(postgres: Postgres, expected: str | None = None) -> Verified:
    """Follow the chain to its end, or to the first row that is not as it was written. The row with
    the `expected` digest is looked for. Raises LedgerUnavailable.
    """
    count, before = 0, FIRST
    kept_id = 0 if expected == FIRST else None
    async for row in rows.everything(postgres):
        problem = _problem(row, count + 1, before)
        if problem:
            return Verified(count, before, kept_id, row.audit_id, problem)
        count, before = row.audit_id, row.digest
        if row.digest == expected:
            kept_id = row.audit_id
    return Verified(count, before, kept_id)


def _problem(row: Row, number: int, before: str) -> str:
    if row.audit_id < number:
        return f"Row {row.audit_id} was put in: the first one has the number 1."
    if row.audit_id > number:  # guard: audit-no-gaps
        missing = f"Row {number} is" if row.audit_id == number + 1 else f"Rows from {number} are"
        return f"{missing} missing before row {row.audit_id}: removed, or given another number."
    if row.digest != digest_of(before, row):  # guard: audit-follows
        return (
            f"Row {number} is not the one that was written behind row {number - 1}: changed, put "
            "in, or moved there."
        )
    return ""
