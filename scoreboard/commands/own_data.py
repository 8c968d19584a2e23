"""`scoreboard users export|erase`: what one person may ask an operator for."""

from __future__ import annotations

import argparse
import sys

from scoreboard.accounts.users import NOBODY
from scoreboard.commands.moderating import add_reason, answer_of, order_of
from scoreboard.commands.user_changes import add_login, open_accounts
from scoreboard.configuration import sources as configuration
from scoreboard.console.arguments import Commands
from scoreboard.console.reports import Answer, CommandFailed, Report
from scoreboard.console.servers import open_boards, open_postgres
from scoreboard.console.terminal import say
from scoreboard.errors import UnknownUser
from scoreboard.personal.export import PersonalData
from scoreboard.unicode import escaped


def add_to(group: Commands) -> None:
    """Declare the commands, in the group `users`."""
    export = group.add(
        "export",
        _export,
        "write all that is kept about a user, as JSON, without tokens and what is others'",
        "scoreboard users export ada > ada.json",
    )
    add_login(export)
    erase = group.add(
        "erase",
        _erase,
        "delete a user with all that is personal; what they did stays, under a neutral name",
        "scoreboard users erase ada --yes --reason 'Asked for it, ticket 4711'",
        report=Report(("auditId", "act", "userId", "at", "username")),
    )
    add_login(erase)
    erase.add_argument("--yes", action="store_true", help="yes, for ever")
    add_reason(erase)


async def _export(arguments: argparse.Namespace) -> None:
    """Write the document as it is read, and what nobody can see as JSON allows."""
    found = configuration.load()
    async with open_accounts(found) as accounts, open_postgres(found) as postgres:
        account = await accounts.users.known(arguments.login)
        async for piece in PersonalData(postgres).document(account.user_id):
            sys.stdout.write(escaped(piece.decode()))
    say("")


async def _erase(arguments: argparse.Namespace) -> Answer:
    found = configuration.load()
    async with open_accounts(found) as accounts, open_boards(found) as opened:
        account = await accounts.users.known(arguments.login)
        name = escaped(account.username)
        if not arguments.yes:
            raise CommandFailed(
                f"This deletes {name} ({account.user_id}) with name, address and log-ins, for "
                "ever. If that is meant, add --yes.",
                "not_confirmed",
            )
        try:
            done = await opened.moderation.erase(account.user_id, order_of(arguments))
        except UnknownUser as error:  # somebody was faster
            raise UnknownUser(NOBODY) from error
        await opened.copies.store(done.boards)
    text = (
        f"Erased {name}; tokens end within 2 s. Final boards keep their lines under a neutral "
        "name. Backups and logs: see docs/personal-data.md."
    )
    return answer_of(done, account, text)
