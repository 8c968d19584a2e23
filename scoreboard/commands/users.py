"""`scoreboard users`: accounts, as operators see them."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import getpass
import sys
from collections.abc import AsyncIterator, Mapping
from typing import Final

from marshmallow import ValidationError

from scoreboard.account_parts import make_access_tokens, make_accounts
from scoreboard.accounts.names import username_key
from scoreboard.accounts.passwords import Passwords
from scoreboard.accounts.registry import Accounts
from scoreboard.accounts.users import NOBODY, Account, good_username, refusing_taken
from scoreboard.api.schemas.accounts import RegistrationSchema
from scoreboard.commands import user_list
from scoreboard.configuration import handed_over
from scoreboard.configuration import sources as configuration
from scoreboard.configuration.handed_over import Unreadable
from scoreboard.configuration.settings import Settings
from scoreboard.console.arguments import Commands
from scoreboard.console.failure import CommandFailed
from scoreboard.console.reports import Report, report
from scoreboard.console.servers import (
    open_cached_board,
    open_ledger,
    open_postgres,
    open_redis,
    store,
)
from scoreboard.demo import accounts as demo_players
from scoreboard.errors import InvalidPayload, UnknownUser
from scoreboard.model import Board
from scoreboard.operations.metrics import Metrics
from scoreboard.unicode import escaped

_LOGIN: Final = (
    "user name (in any spelling), e-mail address or id:USERID; put -- before a name with - in front"
)
_ACCOUNT: Final = Report(user_list.MEMBERS)
_RENAMED: Final = Report(("userId", "username", "formerUsername"))
_ENDED: Final = Report(("logInsEnded",))
_DELETED: Final = Report(("userId", "username", "version"))


def add_to(commands: Commands) -> None:
    """Declare `users create|list|show|rename|set-email|set-password|revoke|delete|delete-demo`."""
    group = commands.group("users", "look after accounts")
    create = group.add(
        "create",
        _create,
        "register a user; the password is asked for",
        "scoreboard users create ada ada@example.org",
        "pass show ada | head -n 1 | scoreboard users create ada ada@example.org --password-stdin",
        report=_ACCOUNT,
    )
    create.add_argument("username", metavar="USERNAME", help="2 to 50 letters, digits, _ - .")
    create.add_argument("email", metavar="EMAIL")
    _add_password_source(create)
    user_list.add_to(group)
    show = group.add(
        "show",
        _show,
        "show one user",
        "scoreboard users show ada@example.org",
        "scoreboard users show -- --all       a name that begins with -",
        report=_ACCOUNT,
    )
    rename = group.add(
        "rename",
        _rename,
        "give a user another name, on the board too",
        "scoreboard users rename ada countess",
        "scoreboard users rename id:5f0c1f8e-6b0a-4c58-9d3e-0f7a3f1b2c4d ada-2",
        report=_RENAMED,
    )
    mail = group.add(
        "set-email",
        _set_email,
        "give a user another e-mail address",
        "scoreboard users set-email ada ada@example.org",
        report=_ACCOUNT,
    )
    change = group.add(
        "set-password",
        _set_password,
        "change a user's password and log them out everywhere; the new one is asked for",
        "scoreboard users set-password ada",
        report=_ENDED,
    )
    _add_password_source(change)
    revoke = group.add(
        "revoke",
        _revoke,
        "log a user out everywhere: neither refresh tokens nor access tokens work any more",
        "scoreboard users revoke ada",
        report=_ENDED,
    )
    delete = group.add(
        "delete",
        _delete,
        "delete a user with their score and ledger rows, and renew the board",
        "scoreboard users delete ada --yes",
        report=_DELETED,
    )
    delete.add_argument("--yes", action="store_true", help="yes, for ever")
    demo_players.add_to(group)
    for parser in (show, rename, mail, change, revoke, delete):
        parser.add_argument("login", metavar="LOGIN", help=_LOGIN)
    rename.add_argument("username", metavar="USERNAME", help="2 to 50 letters, digits, _ - .")
    mail.add_argument("email", metavar="EMAIL")


def _add_password_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--password-stdin",
        action="store_true",
        help="read the password from standard input, which is one line",
    )


def _create(arguments: argparse.Namespace) -> int:
    new = {"username": arguments.username, "email": arguments.email}
    _check(new, only=("username", "email"))  # before anybody thinks of a password
    password = _password(from_stdin=arguments.password_stdin)
    _check(new | {"password": password})

    async def create() -> Account:
        async with _open_accounts(configuration.load()) as accounts:
            return await accounts.users.create(**new, password=password)

    account = asyncio.run(create())
    text = f"Registered {escaped(account.username)} as {account.user_id}."
    report(user_list.document_of(account), text, as_json=arguments.json)
    return 0


def _show(arguments: argparse.Namespace) -> int:
    async def find() -> Account:
        async with _open_accounts(configuration.load()) as accounts:
            return await accounts.users.known(arguments.login)

    account = asyncio.run(find())
    document = user_list.document_of(account)
    text = "\n".join(f"{name:<10} {escaped(value)}" for name, value in document.items())
    report(document, text, as_json=arguments.json)
    return 0


def _rename(arguments: argparse.Namespace) -> int:
    account, new = asyncio.run(
        _give_name(configuration.load(), arguments.login, arguments.username)
    )
    document = {"userId": account.user_id, "username": new, "formerUsername": account.username}
    text = f"Renamed {escaped(account.username)} to {escaped(new)}."
    report(document, text, as_json=arguments.json)
    return 0


async def _give_name(found: Settings, login: str, username: str) -> tuple[Account, str]:
    """Rename a user; returns the user as they were, and the new name."""
    new = good_username(username)
    async with (
        _open_accounts(found) as accounts,
        open_ledger(found) as ledger,
        open_redis(found) as redis,
        open_cached_board(found, redis, ledger) as cached,
    ):
        account = await accounts.users.known(login)
        with refusing_taken():
            known, board = await ledger.rename_user(account.user_id, new, username_key(new))
        if not known:
            raise UnknownUser(NOBODY)
        if board is not None:
            await store(cached, board)
        return account, new


def _set_email(arguments: argparse.Namespace) -> int:
    async def change() -> Account:
        async with _open_accounts(configuration.load()) as accounts:
            account = await accounts.users.set_email(arguments.login, arguments.email)
            return await accounts.users.known(f"id:{account.user_id}")

    account = asyncio.run(change())
    text = f"{escaped(account.username)} has another e-mail address."
    report(user_list.document_of(account), text, as_json=arguments.json)
    return 0


def _set_password(arguments: argparse.Namespace) -> int:
    password = _password(from_stdin=arguments.password_stdin)
    _check({"password": password}, only=("password",))

    async def change() -> int:
        async with _open_accounts(configuration.load()) as accounts:
            return await accounts.set_password(arguments.login, password)

    ended = asyncio.run(change())
    text = f"The password is changed; {_log_ins(ended)} ended."
    report({"logInsEnded": ended}, text, as_json=arguments.json)
    return 0


def _revoke(arguments: argparse.Namespace) -> int:
    async def revoke() -> int:
        async with _open_accounts(configuration.load()) as accounts:
            return await accounts.revoke(arguments.login)

    ended = asyncio.run(revoke())
    text = f"{_log_ins(ended)} ended. Access tokens that were issued before end within 2 s."
    report({"logInsEnded": ended}, text, as_json=arguments.json)
    return 0


def _delete(arguments: argparse.Namespace) -> int:
    account, board = asyncio.run(
        _remove(configuration.load(), arguments.login, certain=arguments.yes)
    )
    text = (
        f"Deleted {escaped(arguments.login)} with score and ledger rows. "
        f"The board has version {board.version}."
    )
    document = {"userId": account.user_id, "username": account.username, "version": board.version}
    report(document, text, as_json=arguments.json)
    return 0


async def _remove(found: Settings, login: str, *, certain: bool) -> tuple[Account, Board]:
    async with (
        _open_accounts(found) as accounts,
        open_ledger(found) as ledger,
        open_redis(found) as redis,
        open_cached_board(found, redis, ledger) as cached,
    ):
        account = await accounts.users.known(login)
        if not certain:
            raise CommandFailed(
                f"This deletes {escaped(account.username)} ({account.user_id}) with score and "
                "ledger rows, for ever. If that is meant, add --yes.",
                "not_confirmed",
            )
        board = await ledger.remove_user(account.user_id)
        if board is None:
            raise UnknownUser(NOBODY)
        await store(cached, board)
        return account, board


@contextlib.asynccontextmanager
async def _open_accounts(found: Settings) -> AsyncIterator[Accounts]:
    passwords = Passwords()
    try:
        async with open_postgres(found) as postgres:
            yield make_accounts(found, postgres, make_access_tokens(found), passwords, Metrics())
    finally:
        passwords.close()


def _check(values: Mapping[str, str], only: tuple[str, ...] | None = None) -> None:
    """Hold operators to what the API asks of everybody. Raises InvalidPayload."""
    try:
        RegistrationSchema(only=only).load(values)
    except ValidationError as error:
        raise InvalidPayload(error.messages_dict) from error


def _password(*, from_stdin: bool) -> str:
    """Ask for a password, twice because it does not show."""
    if from_stdin:
        try:
            return handed_over.password(handed_over.standard_input())
        except Unreadable as error:
            raise CommandFailed(
                f"Standard input gives no password: {error}. Nothing was changed."
            ) from error
    if not sys.stdin.isatty():
        raise CommandFailed("There is no terminal to ask for a password on. Use --password-stdin.")
    password = getpass.getpass("Password: ")
    if getpass.getpass("The same again: ") != password:
        raise CommandFailed("The two differ. Nothing was changed.")
    return password


def _log_ins(count: int) -> str:
    return "1 log-in" if count == 1 else f"{count} log-ins"
