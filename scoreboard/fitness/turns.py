"""Whether seasons begin and end when they are due, and whether this machine knows their zones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from scoreboard.connections.findings import Finding
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session_settings import SQL
from scoreboard.seasons import zones

_NAME: Final = "seasons"
# An instance that takes submissions looks once a second.
_LATE: Final = timedelta(seconds=60)
_NAMED: Final = 5


async def findings(postgres: Postgres, part: str) -> list[Finding]:
    """What an operator has to know of seasons; what goes well is one finding. Raises
    LedgerUnavailable.
    """
    [(boards, next_at, now, late)] = await postgres.read(SQL["read_turns"], {"late": _LATE})
    found = [_late(part, late, now)] if late else []
    rows = await postgres.read(SQL["read_zones"])
    unknown = [(zone, board_ids) for zone, board_ids in rows if zones.problem(zone)]
    found += [_unknown(part, zone, board_ids) for zone, board_ids in unknown]
    if found:
        return found
    begins = f"the next season is due at {next_at:%Y-%m-%dT%H:%M:%SZ}" if next_at else "none ends"
    counted = f"{boards} board counts" if boards == 1 else f"{boards} boards count"
    return [Finding(part, _NAME, "ok", f"{counted}; {begins}.")]


def _late(part: str, late: Sequence[tuple[str, str]], now: datetime) -> Finding:
    """A season that nobody has turned."""
    board_id, since = late[0]
    waits = now - datetime.fromisoformat(since)
    more = f", and {len(late) - 1} more" if len(late) > 1 else ""
    what = (
        f"A season of the board {board_id} has been due for {_in_words(waits)}{more}: nobody lets "
        "it begin or end, so its board still shows what it showed before."
    )
    to_do = (
        "Run an instance that takes submissions (role all or api). Nothing is lost: grants count "
        "in the season of their time. If one runs, its log says why (scoreboard.relay, "
        "scoreboard.ledger)."
    )
    return Finding(part, _NAME, "warning", what, to_do)


def _unknown(part: str, zone: str, board_ids: list[str]) -> Finding:
    """A zone of which this machine has no rules."""
    named = ", ".join(board_ids[:_NAMED])
    more = f" and {len(board_ids) - _NAMED} more" if len(board_ids) > _NAMED else ""
    what = (
        f"This machine does not know the time zone {zone} of {named}{more}. A season that this "
        "instance writes ahead begins at a midnight of UTC."
    )
    return Finding(part, _NAME, "warning", what, "Install a newer release of the package tzdata.")


def _in_words(waits: timedelta) -> str:
    seconds = int(waits.total_seconds())
    if seconds < 3600:
        return f"{seconds // 60} min"
    hours = seconds // 3600
    return f"{hours} h" if hours < 48 else f"{hours // 24} days"
