"""`scoreboard users`: accounts, as operators see them."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import getpass
import sys
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from marshmallow import ValidationError

from scoreboard import configuration, handed_over
from scoreboard.accounts import listing
from scoreboard.accounts.access import AccessTokens
from scoreboard.accounts.listing import Listed
from scoreboard.accounts.names import username_key
from scoreboard.accounts.passwords import Passwords
from scoreboard.accounts.registry import Accounts
from scoreboard.accounts.users import NOBODY, Account, good_username, refusing_taken
from scoreboard.api.schemas import RegistrationSchema
from scoreboard.commands.arguments import Commands
from scoreboard.commands.failure import CommandFailed
from scoreboard.commands.servers import open_cached_board, open_ledger, open_postgres, open_redis
from scoreboard.commands.terminal import note, say, say_json
from scoreboard.errors import InvalidPayload, UnknownUser
from scoreboard.handed_over import Unreadable
from scoreboard.scoring.board import CachedBoard
from scoreboard.scoring.model import Board
from scoreboard.settings import Settings
from scoreboard.timestamps import timestamp
from scoreboard.unicode import escaped

_LOGIN: Final = (
    "user name (in any spelling), e-mail address or id:USERID; put -- before a name with - in front"
)


def add_to(commands: Commands) -> None:
    """Declare `users create|list|show|rename|set-email|set-password|revoke|delete`."""
    group = commands.group("users", "look after accounts")
    create = group.add(
        "create",
        _create,
        "register a user; the password is asked for",
        "scoreboard users create ada ada@example.org",
        "pass show ada | head -n 1 | scoreboard users create ada ada@example.org --password-stdin",
    )
    create.add_argument("username", metavar="USERNAME", help="2 to 50 letters, digits, _ - .")
    create.add_argument("email", metavar="EMAIL")
    _add_password_source(create)
    listed = group.add(
        "list", _list, "show every user, in the order of names", "scoreboard users list --json"
    )
    listed.add_argument("--json", action="store_true", help="as JSON")
    show = group.add(
        "show",
        _show,
        "show one user",
        "scoreboard users show ada@example.org",
        "scoreboard users show -- --all       a name that begins with -",
    )
    rename = group.add(
        "rename",
        _rename,
        "give a user another name, on the board too",
        "scoreboard users rename ada countess",
        "scoreboard users rename id:5f0c1f8e-6b0a-4c58-9d3e-0f7a3f1b2c4d ada-2",
    )
    mail = group.add(
        "set-email",
        _set_email,
        "give a user another e-mail address",
        "scoreboard users set-email ada ada@example.org",
    )
    change = group.add(
        "set-password",
        _set_password,
        "change a user's password and log them out everywhere; the new one is asked for",
        "scoreboard users set-password ada",
    )
    _add_password_source(change)
    revoke = group.add(
        "revoke",
        _revoke,
        "log a user out everywhere: neither refresh tokens nor access tokens work any more",
        "scoreboard users revoke ada",
    )
    delete = group.add(
        "delete",
        _delete,
        "delete a user with their score and ledger rows, and renew the board",
        "scoreboard users delete ada --yes",
    )
    delete.add_argument("--yes", action="store_true", help="yes, for ever")
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
            return await accounts.create(**new, password=password)

    account = asyncio.run(create())
    say(f"Registered {escaped(account.username)} as {account.user_id}.")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    async def show_all() -> None:
        async with open_postgres(configuration.load()) as postgres:
            everybody = listing.everybody(postgres)
            if arguments.json:
                await say_json(_documents(everybody))
                return
            async for user in everybody:
                say(_line(user))

    asyncio.run(show_all())
    return 0


def _line(user: Listed) -> str:
    account = user.account
    name, email = escaped(account.username), escaped(account.email)
    line = f"{name:<24}  {account.created_at:%Y-%m-%d}  {email}"
    if not user.problems:
        return line
    return f"{line}  ({escaped(' '.join(user.problems))} id:{account.user_id})"


def _show(arguments: argparse.Namespace) -> int:
    async def find() -> Account:
        async with _open_accounts(configuration.load()) as accounts:
            return await accounts.known(arguments.login)

    account = asyncio.run(find())
    for name, value in _document(account).items():
        say(f"{name:<10} {escaped(value)}")
    return 0


def _rename(arguments: argparse.Namespace) -> int:
    old, new = asyncio.run(_give_name(configuration.load(), arguments.login, arguments.username))
    say(f"Renamed {escaped(old)} to {escaped(new)}.")
    return 0


async def _give_name(found: Settings, login: str, username: str) -> tuple[str, str]:
    """Rename a user; returns the old name and the new one."""
    new = good_username(username)
    async with (
        _open_accounts(found) as accounts,
        open_ledger(found) as ledger,
        open_redis(found) as redis,
        open_cached_board(found, redis, ledger) as cached,
    ):
        account = await accounts.known(login)
        with refusing_taken():
            known, board = await ledger.rename_user(account.user_id, new, username_key(new))
        if not known:
            raise UnknownUser(NOBODY)
        if board is not None:
            await _store(cached, board)
        return account.username, new


def _set_email(arguments: argparse.Namespace) -> int:
    async def change() -> Account:
        async with _open_accounts(configuration.load()) as accounts:
            return await accounts.set_email(arguments.login, arguments.email)

    account = asyncio.run(change())
    say(f"{escaped(account.username)} has another e-mail address.")
    return 0


def _set_password(arguments: argparse.Namespace) -> int:
    password = _password(from_stdin=arguments.password_stdin)
    _check({"password": password}, only=("password",))

    async def change() -> int:
        async with _open_accounts(configuration.load()) as accounts:
            return await accounts.set_password(arguments.login, password)

    say(f"The password is changed; {_log_ins(asyncio.run(change()))} ended.")
    return 0


def _revoke(arguments: argparse.Namespace) -> int:
    async def revoke() -> int:
        async with _open_accounts(configuration.load()) as accounts:
            return await accounts.revoke(arguments.login)

    say(f"{_log_ins(asyncio.run(revoke()))} ended. Access tokens that are out end within 2 s.")
    return 0


def _delete(arguments: argparse.Namespace) -> int:
    board = asyncio.run(_remove(configuration.load(), arguments.login, certain=arguments.yes))
    say(
        f"Deleted {escaped(arguments.login)} with score and ledger rows. "
        f"The board has version {board.version}."
    )
    return 0


async def _remove(found: Settings, login: str, *, certain: bool) -> Board:
    async with (
        _open_accounts(found) as accounts,
        open_ledger(found) as ledger,
        open_redis(found) as redis,
        open_cached_board(found, redis, ledger) as cached,
    ):
        account = await accounts.known(login)
        if not certain:
            raise CommandFailed(
                f"This deletes {escaped(account.username)} ({account.user_id}) with score and "
                "ledger rows, for ever. If that is meant, add --yes."
            )
        board = await ledger.remove_user(account.user_id)
        if board is None:
            raise UnknownUser(NOBODY)
        await _store(cached, board)
        return board


async def _store(cached: CachedBoard, board: Board) -> None:
    """Give the copy a board. The change is made whatever Redis does, so a copy that missed it is a
    remark and no failure.
    """
    if not await cached.store(board):
        note(
            "scoreboard: Redis did not take the new board. Running instances mend that within a "
            "second of its return; `scoreboard board verify` tells."
        )


@contextlib.asynccontextmanager
async def _open_accounts(found: Settings) -> AsyncIterator[Accounts]:
    passwords = Passwords()
    try:
        async with open_postgres(found) as postgres:
            yield Accounts(postgres, AccessTokens(found), passwords, found)
    finally:
        passwords.close()


async def _documents(everybody: AsyncIterator[Listed]) -> AsyncIterator[dict[str, Any]]:
    async for user in everybody:
        problems = {"problems": user.problems} if user.problems else {}
        yield _document(user.account) | problems


def _document(account: Account) -> dict[str, str]:
    return {
        "userId": account.user_id,
        "username": account.username,
        "email": account.email,
        "createdAt": timestamp(account.created_at),
    }


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
