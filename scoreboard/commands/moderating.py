"""`scoreboard users hide|unhide|ban|unban|rename|correct|revoke-grant|revoke-result`: what an
operator does to a user and their score, each with a reason, and a row of the audit.

`users show` and `users revoke` had their meaning before: so the act `show` is `unhide` here.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pwd
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, Final

from scoreboard.accounts.names import username_key
from scoreboard.accounts.users import NOBODY, Account, good_username, refusing_taken
from scoreboard.commands.user_changes import USERNAME_HELP, add_force, add_login, open_accounts
from scoreboard.configuration import sources as configuration
from scoreboard.console.arguments import Commands, season_number, seen_text, text_to_store
from scoreboard.console.reports import Answer, Report
from scoreboard.console.servers import OpenedBoards, open_boards
from scoreboard.errors import UnknownAction, UnknownUser
from scoreboard.ledger.audited import POINTS_MAX, REASON_CHARS_MAX, Done, Order
from scoreboard.ledger.moderation import Moderation
from scoreboard.unicode import escaped

_MEMBERS: Final = ("auditId", "act", "userId", "at")
_OF_USER: Final = Report((*_MEMBERS, "username"))
_NAME_CHARS_MAX: Final = 80
_WITHIN: Final = "Every instance follows within 2 s."

# What is done to a user, with an order.
_Act = Callable[[Moderation, str, Order], Awaitable[Done]]
# How a command that only names a user is declared: its name, what it does, its summary, what it
# says of the user, and the command that takes it back.
_SIMPLE: Final[tuple[tuple[str, _Act, str, str, str], ...]] = (
    (
        "hide",
        Moderation.hide,
        "show a user on no board; what they do goes on to count, and nobody tells them",
        "{} is shown on no board any more. What they do goes on to count.",
        "unhide",
    ),
    (
        "unhide",
        Moderation.show,
        "show a user again who was hidden, with all that they have",
        "{} is not hidden any more.",
        "hide",
    ),
    (
        "ban",
        Moderation.ban,
        "show a user on no board, refuse every token of theirs and end their streams",
        "{} is banned: shown on no board, and refused.",
        "unban",
    ),
    (
        "unban",
        Moderation.unban,
        "lift a ban; who was hidden as well stays hidden",
        "{} is not banned any more. Their log-ins work again.",
        "ban",
    ),
)


def add_to(group: Commands) -> None:
    """Declare the commands, in the group `users`."""
    for name, act, summary, said, undo in _SIMPLE:
        run = _simple(act, said, undo)
        example = f"scoreboard users {name} ada --reason 'Impossible scores, ticket 4711'"
        parser = group.add(name, run, summary, example, report=_OF_USER)
        add_login(parser)
        add_reason(parser)
    _add_rename(group)
    _add_correct(group)
    _add_revocations(group)


def add_reason(parser: argparse.ArgumentParser) -> None:
    """Declare the option that says why."""
    parser.add_argument(
        "--reason",
        type=seen_text(REASON_CHARS_MAX),
        required=True,
        metavar="TEXT",
        help="why; the audit keeps it for ever, so leave out names and addresses of people",
    )


def order_of(arguments: argparse.Namespace) -> Order:
    """Who asks, by the account of the operating system, and why."""
    return Order(f"operator:{_operator()}", arguments.reason)


def answer_of(
    done: Done,
    account: Account | None,
    text: str,
    undo: str | None = None,
    more: dict[str, str | int] | None = None,
) -> Answer:
    """Say what was done, which row of the audit it is, and by what of `scoreboard users` it is
    undone, if it can be.
    """
    document = done.as_json()
    del document["isRepeated"]  # which only a request can be that is sent again
    if account is not None:
        document["username"] = account.username
        if undo is not None and " " not in undo:
            undo = f"{undo} id:{account.user_id}"
    lines = [f"{text} It is row {done.audit_id} of the audit."]
    if undo is not None:
        lines.append(f"To undo it: scoreboard users {undo} --reason …")
    return Answer(document | (more or {}), "\n".join(lines))


def _add_rename(group: Commands) -> None:
    rename = group.add(
        "rename",
        _rename,
        "give a user another name, on the board too",
        "scoreboard users rename ada countess --reason 'Asked for it'",
        "scoreboard users rename id:5f0c1f8e-6b0a-4c58-9d3e-0f7a3f1b2c4d ada-2 --reason Insult",
        report=Report((*_MEMBERS, "username", "formerUsername")),
    )
    add_login(rename)
    rename.add_argument("username", metavar="USERNAME", help=USERNAME_HELP)
    add_force(rename)
    add_reason(rename)


def _add_correct(group: Commands) -> None:
    correct = group.add(
        "correct",
        _correct,
        "add points to a user's score in a season of a board, or take some",
        "scoreboard users correct ada --board weekly --points -500 --reason 'Counted twice'",
        "scoreboard users correct ada --board weekly --season 48 --points 20 --reason 'Outage'",
        report=Report((*_MEMBERS, "username", "boardId", "points")),
    )
    add_login(correct)
    correct.add_argument(
        "--board", dest="board_id", type=text_to_store, required=True, metavar="BOARD"
    )
    correct.add_argument(
        "--points", type=_points, required=True, metavar="N", help="below zero, they are taken"
    )
    correct.add_argument(
        "--season",
        type=season_number,
        metavar="NUMBER",
        help="default: the one that the board shows",
    )
    add_reason(correct)


def _add_revocations(group: Commands) -> None:
    grant = group.add(
        "revoke-grant",
        _revoke_grant,
        "take a grant back, wherever it counts; the action is not granted to the user again",
        "scoreboard users revoke-grant ada daily-login --reason 'Was never done'",
        report=Report((*_MEMBERS, "username", "actionId")),
    )
    add_login(grant)
    grant.add_argument("action_id", type=text_to_store, metavar="ACTION", help="its id")
    add_reason(grant)
    result = group.add(
        "revoke-result",
        _revoke_result,
        "take a result back that a server sent; its receipt stays used",
        "scoreboard users revoke-result arena match-4711 --reason 'The match was void'",
        report=Report((*_MEMBERS, "source", "receipt")),
    )
    result.add_argument("source", type=text_to_store, metavar="SOURCE", help="whose key signed it")
    result.add_argument("receipt", type=text_to_store, metavar="RECEIPT")
    add_reason(result)


def _simple(
    act: _Act, said: str, undo: str
) -> Callable[[argparse.Namespace], Coroutine[Any, Any, Answer]]:
    async def run(arguments: argparse.Namespace) -> Answer:
        async with _opened(arguments) as (opened, account):
            done = await act(opened.moderation, account.user_id, order_of(arguments))
            await opened.copies.store(done.boards)
        text = said.format(escaped(account.username))
        return answer_of(done, account, f"{text} {_WITHIN}", undo)

    return run


async def _rename(arguments: argparse.Namespace) -> Answer:
    new = good_username(arguments.username)
    async with _opened(arguments, name=None if arguments.force else new) as (opened, account):
        order, key = order_of(arguments), username_key(new)
        with refusing_taken():
            done = await opened.moderation.rename(account.user_id, new, key, order)
        await opened.copies.store(done.boards)
    text = f"Renamed {escaped(account.username)} to {escaped(new)}."
    undo = f"rename id:{account.user_id} {shlex.quote(account.username)}"
    return answer_of(
        done, account, text, undo, {"username": new, "formerUsername": account.username}
    )


async def _correct(arguments: argparse.Namespace) -> Answer:
    points, board_id = arguments.points, arguments.board_id
    async with _opened(arguments) as (opened, account):
        done = await opened.moderation.correct(
            account.user_id, board_id, points, order_of(arguments), arguments.season
        )
        await opened.copies.store(done.boards)
    where = board_id if arguments.season is None else f"{board_id}, season {arguments.season}"
    what = f"Added {points:,} points to" if points > 0 else f"Took {-points:,} points from"
    season = "" if arguments.season is None else f" --season {arguments.season}"
    undo = f"correct id:{account.user_id} --board {board_id} --points {-points}{season}"
    text = f"{what} {escaped(account.username)} on {escaped(where)}. {_WITHIN}"
    return answer_of(done, account, text, undo, {"boardId": board_id, "points": points})


async def _revoke_grant(arguments: argparse.Namespace) -> Answer:
    action_id = arguments.action_id
    async with _opened(arguments) as (opened, account):
        try:
            done = await opened.moderation.revoke_grant(
                account.user_id, action_id, order_of(arguments)
            )
        except UnknownAction as error:
            raise UnknownAction(
                f"There is no action {escaped(action_id)}. `scoreboard actions list` shows all."
            ) from error
        await opened.copies.store(done.boards)
    text = (
        f"Took {escaped(action_id)} back from {escaped(account.username)}, on every board. "
        f"{_WITHIN} It is not granted again: `users correct` gives points."
    )
    return answer_of(done, account, text, None, {"actionId": action_id})


async def _revoke_result(arguments: argparse.Namespace) -> Answer:
    source, receipt = arguments.source, arguments.receipt
    async with open_boards(configuration.load()) as opened:
        done = await opened.moderation.revoke_result(source, receipt, order_of(arguments))
        await opened.copies.store(done.boards)
    text = (
        f"Took the result {escaped(receipt)} of {escaped(source)} back from id:{done.user_id}. "
        f"{_WITHIN} Its receipt stays used: a result that is right needs another one."
    )
    return answer_of(done, None, text, None, {"source": source, "receipt": receipt})


@contextlib.asynccontextmanager
async def _opened(
    arguments: argparse.Namespace, *, name: str | None = None
) -> AsyncIterator[tuple[OpenedBoards, Account]]:
    """Lend the boards, and find the user; a new `name` is held to those that nobody may take.
    Raises UnknownUser, RefusedName.
    """
    found = configuration.load()
    async with open_accounts(found) as accounts, open_boards(found) as opened:
        account = await accounts.users.known(arguments.login)
        if name is not None:
            await accounts.users.read_refused()
            accounts.users.refused.check(name)  # guard: refused-name-rename
        try:
            yield opened, account
        except UnknownUser as error:
            raise UnknownUser(NOBODY) from error


def _operator() -> str:
    """The name of whoever runs this, or the number where there is no name, as in containers."""
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
    return escaped(name)[:_NAME_CHARS_MAX]


def _points(text: str) -> int:
    digits = text.removeprefix("-")
    if not digits.isdecimal() or len(digits) > len(str(POINTS_MAX)):
        raise argparse.ArgumentTypeError("a whole number is expected, such as 50 or -50")
    points = int(text)
    if not 0 < abs(points) <= POINTS_MAX:
        raise argparse.ArgumentTypeError(f"1 to {POINTS_MAX} are expected, or as many below zero")
    return points
