"""`scoreboard users`: accounts as operators see them. `moderating` and `own_data` change boards."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Coroutine, Mapping
from typing import Any, Final

from marshmallow import ValidationError

from scoreboard.api.schemas.accounts import RegistrationSchema
from scoreboard.audit import withheld
from scoreboard.commands import moderating, own_data, user_changes, user_list
from scoreboard.commands.user_changes import open_accounts
from scoreboard.configuration import handed_over
from scoreboard.configuration import sources as configuration
from scoreboard.configuration.handed_over import Unreadable
from scoreboard.console.arguments import Commands
from scoreboard.console.reports import Answer, CommandFailed, Report
from scoreboard.console.servers import open_postgres
from scoreboard.console.terminal import counted
from scoreboard.demo import accounts as demo_players
from scoreboard.errors import InvalidPayload
from scoreboard.unicode import escaped

_ACCOUNT: Final = Report(user_list.MEMBERS)
_ENDED: Final = Report(("logInsEnded",))


def add_to(commands: Commands) -> None:
    """Declare the group `users`."""
    group = commands.group("users", "look after accounts")
    create = group.add(
        "create",
        _create,
        "register a user; the password is asked for",
        "scoreboard users create ada ada@example.org",
        "pass show ada | head -n 1 | scoreboard users create ada ada@example.org --password-stdin",
        report=_ACCOUNT,
    )
    create.add_argument("username", metavar="USERNAME", help=user_changes.USERNAME_HELP)
    create.add_argument("email", metavar="EMAIL")
    user_changes.add_force(create)
    _add_password_source(create)
    user_list.add_to(group)
    _add_changes(group)
    moderating.add_to(group)
    own_data.add_to(group)
    demo_players.add_to(group)


def _add_changes(group: Commands) -> None:
    """Declare what shows or changes one account and leaves the board as it is."""
    show = group.add(
        "show",
        _show,
        "show one user; who is hidden or banned, with the reason",
        "scoreboard users show ada@example.org",
        "scoreboard users show -- --all       a name that begins with -",
        report=Report(user_list.MEMBERS, user_list.WITHHELD),
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
    revoke = group.add(
        "revoke",
        _revoke,
        "log a user out everywhere: neither refresh tokens nor access tokens work any more",
        "scoreboard users revoke ada",
        report=_ENDED,
    )
    for parser in (show, mail, change, revoke):
        user_changes.add_login(parser)
    mail.add_argument("email", metavar="EMAIL")
    _add_password_source(change)


def _add_password_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--password-stdin",
        action="store_true",
        help="read the password from standard input, which is one line",
    )


def _create(arguments: argparse.Namespace) -> Coroutine[Any, Any, Answer]:
    new = {"username": arguments.username, "email": arguments.email}
    _check(new, only=("username", "email"))  # before anybody thinks of a password
    password = read_password(from_stdin=arguments.password_stdin)
    _check(new | {"password": password})

    async def create() -> Answer:
        async with open_accounts(configuration.load()) as accounts:
            account = await accounts.users.create(
                **new, password=password, any_name=arguments.force
            )
        text = f"Registered {escaped(account.username)} as {account.user_id}."
        return Answer(user_list.document_of(account), text)

    return create()


async def _show(arguments: argparse.Namespace) -> Answer:
    found = configuration.load()
    async with open_accounts(found) as accounts, open_postgres(found) as postgres:
        account = await accounts.users.known(arguments.login)
        state = (await withheld.among(postgres, [account.user_id])).get(account.user_id)
    document = user_list.document_of(account)
    lines = [f"{name:<10} {escaped(value)}" for name, value in document.items()]
    lines += map(escaped, user_list.in_words(state))
    return Answer(document | (state.as_json() if state else {}), "\n".join(lines))


async def _set_email(arguments: argparse.Namespace) -> Answer:
    async with open_accounts(configuration.load()) as accounts:
        account = await accounts.users.set_email(arguments.login, arguments.email)
        account = await accounts.users.known(f"id:{account.user_id}")
    text = f"{escaped(account.username)} has another e-mail address."
    return Answer(user_list.document_of(account), text)


def _set_password(arguments: argparse.Namespace) -> Coroutine[Any, Any, Answer]:
    password = read_password(from_stdin=arguments.password_stdin)
    _check({"password": password}, only=("password",))

    async def change() -> Answer:
        async with open_accounts(configuration.load()) as accounts:
            ended = await accounts.set_password(arguments.login, password)
        text = f"The password is changed; {counted(ended, 'log-in')} ended."
        return Answer({"logInsEnded": ended}, text)

    return change()


async def _revoke(arguments: argparse.Namespace) -> Answer:
    async with open_accounts(configuration.load()) as accounts:
        ended = await accounts.revoke(arguments.login)
    ends = "Access tokens that were issued before end within 2 s."
    return Answer({"logInsEnded": ended}, f"{counted(ended, 'log-in')} ended. {ends}")


def _check(values: Mapping[str, str], only: tuple[str, ...] | None = None) -> None:
    """Hold operators to what the API asks of everybody. Raises InvalidPayload."""
    try:
        RegistrationSchema(only=only).load(values)
    except ValidationError as error:
        raise InvalidPayload(error.messages_dict) from error


def read_password(*, from_stdin: bool) -> str:
    """Ask for a password twice, because the terminal does not show it. Raises CommandFailed."""
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
