"""What the commands of `scoreboard users` share: who is meant, and the accounts."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from scoreboard.accounts.access import AccessTokens
from scoreboard.accounts.passwords import Passwords
from scoreboard.accounts.registry import Accounts
from scoreboard.configuration.settings import Settings
from scoreboard.console.servers import open_postgres
from scoreboard.operations.metrics import Metrics

USERNAME_HELP: Final = "2 to 50 letters, digits, _ - ."
LOGIN_HELP: Final = (
    "user name (in any spelling), e-mail address or id:USERID; put -- before a name with - in front"
)


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
