"""`scoreboard users delete-demo`: deletes the players of demos, and nobody else."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, Final

from scoreboard.accounts import listing
from scoreboard.accounts.users import Account
from scoreboard.configuration import sources as configuration
from scoreboard.configuration.settings import Settings
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session import TransactionAborted
from scoreboard.console.arguments import Commands
from scoreboard.console.reports import Answer, CommandFailed, Report
from scoreboard.console.servers import open_boards, open_postgres
from scoreboard.demo import marks as demo_marks
from scoreboard.ledger.ledger import Ledger
from scoreboard.model import Board, BoardId
from scoreboard.unicode import escaped

_REPORT: Final = Report(("deleted", "others"), ("version",))
# Grants wait while these are deleted, so they are not many at once.
_AT_ONCE: Final = 100
# So often a deletion is tried: somebody may hold a lock for a moment.
_TRIES: Final = 5
_NAMED: Final = 5


def add_to(group: Commands) -> None:
    """Declare `users delete-demo`."""
    delete = group.add(
        "delete-demo",
        _delete,
        "delete the players that `scoreboard demo` made, with scores and ledger rows",
        "scoreboard users delete-demo         says whom it would delete",
        "scoreboard users delete-demo --yes",
        report=_REPORT,
    )
    delete.add_argument("--yes", action="store_true", help="yes, for ever")


async def _delete(arguments: argparse.Namespace) -> Answer:
    document = await _delete_all(configuration.load(), certain=arguments.yes)
    said = f"Deleted {_players(document['deleted'])} with scores and ledger rows."
    if "version" in document:
        said += f" The board has version {document['version']}."
    return Answer(document, "\n".join([said, *_remark(document["others"])]))


async def _delete_all(found: Settings, *, certain: bool) -> dict[str, Any]:
    """Delete the players that are there now. A demo that still runs goes on with new ones."""
    async with open_postgres(found) as postgres, open_boards(found) as opened:
        players, others = await _find(postgres)
        if players and not certain:
            raise CommandFailed(_question(players, others), "not_confirmed")
        deleted, newest = 0, dict[BoardId, Board]()
        for begin in range(0, len(players), _AT_ONCE):
            some = [player.user_id for player in players[begin : begin + _AT_ONCE]]
            count, boards = await _delete_some(opened.ledger, some)
            deleted += count
            newest |= {board.board_id: board for board in boards}
        await opened.copies.store(newest.values())
        version = await opened.ledger.version()
    document: dict[str, Any] = {"deleted": deleted, "others": others}
    return document | {"version": version} if deleted else document


async def _find(postgres: Postgres) -> tuple[list[Account], int]:
    """The players that were made with the key that lies here, and how many have an address of the
    same kind by another key.
    """
    marks = demo_marks.kept()
    players, others = [], 0
    async for account in listing.marked(postgres, demo_marks.ENDING):
        if marks is not None and marks.made(account.email):
            players.append(account)
        else:
            others += 1
    return players, others


async def _delete_some(ledger: Ledger, user_ids: Sequence[str]) -> tuple[int, list[Board]]:
    """Delete these users; again when PostgreSQL has rolled that back, which is safe."""
    for _ in range(_TRIES - 1):
        try:
            return await ledger.remove_users(user_ids)
        except TransactionAborted:
            pass
    return await ledger.remove_users(user_ids)


def _question(players: Sequence[Account], others: int) -> str:
    names = ", ".join(escaped(player.username) for player in players[:_NAMED])
    more = f" and {len(players) - _NAMED} more" if len(players) > _NAMED else ""
    question = (
        f"This deletes {_players(len(players))} ({names}{more}) with scores and ledger rows, for "
        "ever, and nobody else. If that is meant, add --yes."
    )
    return "\n".join([question, *_remark(others)])


def _players(count: int) -> str:
    return "1 player of the demo" if count == 1 else f"{count} players of the demo"


def _remark(others: int) -> list[str]:
    """Say that some accounts may be of a demo that was run elsewhere."""
    if not others:
        return []
    who = "1 account seems" if others == 1 else f"{others} accounts seem"
    return [
        f"{who} to be of a demo that another user or machine ran: run this there, or bring its key "
        f"here ({demo_marks.key_place()})."
    ]
