"""`scoreboard users delete`: what deletes an account and, with it, changes the board."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from scoreboard.accounts.access import AccessTokens
from scoreboard.accounts.passwords import Passwords
from scoreboard.accounts.registry import Accounts
from scoreboard.accounts.users import NOBODY
from scoreboard.configuration import sources as configuration
from scoreboard.configuration.settings import Settings
from scoreboard.console.arguments import Commands
from scoreboard.console.reports import Answer, CommandFailed, Report
from scoreboard.console.servers import open_boards, open_postgres
from scoreboard.errors import UnknownUser
from scoreboard.operations.metrics import Metrics
from scoreboard.unicode import escaped

USERNAME_HELP: Final = "2 to 50 letters, digits, _ - ."
LOGIN_HELP: Final = (
    "user name (in any spelling), e-mail address or id:USERID; put -- before a name with - in front"
)


def add_to(group: Commands) -> None:
    """Declare `users delete`."""
    delete = group.add(
        "delete",
        _delete,
        "delete a user with their score and ledger rows, and renew the board",
        "scoreboard users delete ada --yes",
        report=Report(("userId", "username", "version")),
    )
    add_login(delete)
    delete.add_argument("--yes", action="store_true", help="yes, for ever")


def add_login(parser: argparse.ArgumentParser) -> None:
    """Declare the argument that names a user."""
    parser.add_argument("login", metavar="LOGIN", help=LOGIN_HELP)


def add_force(parser: argparse.ArgumentParser) -> None:
    """Declare the option that gives a user a name that nobody may take by themselves."""
    parser.add_argument(
        "--force", action="store_true", help="a name that `scoreboard names` refuses, too"
    )


@contextlib.asynccontextmanager
async def open_accounts(found: Settings) -> AsyncIterator[Accounts]:
    """Lend the accounts. Raises SettingsError, and CommandFailed when PostgreSQL is away."""
    passwords = Passwords()
    try:
        async with open_postgres(found) as postgres:
            yield Accounts(found, postgres, AccessTokens(found), passwords, Metrics())
    finally:
        passwords.close()


async def _delete(arguments: argparse.Namespace) -> Answer:
    found = configuration.load()
    async with open_accounts(found) as accounts, open_boards(found) as opened:
        account = await accounts.users.known(arguments.login)
        if not arguments.yes:
            raise CommandFailed(
                f"This deletes {escaped(account.username)} ({account.user_id}) with score and "
                "ledger rows, for ever. If that is meant, add --yes.",
                "not_confirmed",
            )
        removed, boards = await opened.ledger.remove_users([account.user_id])
        if not removed:
            raise UnknownUser(NOBODY)
        await opened.copies.store(boards)
        version = await opened.ledger.version()
    return Answer(
        {"userId": account.user_id, "username": account.username, "version": version},
        f"Deleted {escaped(arguments.login)} with score and ledger rows. "
        f"The board has version {version}.",
    )
