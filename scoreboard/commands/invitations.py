"""`scoreboard invitations`: who may register where the setting `registration` asks for a code."""

from __future__ import annotations

import argparse
import math
from collections.abc import AsyncIterator
from typing import Any, Final

from scoreboard.accounts import invitations
from scoreboard.accounts.invitations import AT_ONCE_MAX, DAYS_MAX, NOTE_CHARS_MAX, Invitation, State
from scoreboard.configuration import sources as configuration
from scoreboard.connections.postgres import Postgres
from scoreboard.console.arguments import Commands, add_page, count_up_to, text_to_store
from scoreboard.console.reports import Answer, CommandFailed, Report, report_list
from scoreboard.console.servers import open_postgres
from scoreboard.console.terminal import counted, note, say
from scoreboard.timestamps import timestamp
from scoreboard.unicode import escaped

_DAYS: Final = 30
_NUMBER: Final = count_up_to(2**63 - 1)  # of an invitation, as PostgreSQL keeps it


def add_to(commands: Commands) -> None:
    """Declare `invitations add|list|revoke`."""
    group = commands.group(
        "invitations", "codes with which one person each may register, if the settings ask for one"
    )
    _add_add(group)
    listed = group.add(
        "list",
        _list,
        "show invitations without their codes, in the order in which they were made",
        "scoreboard invitations list --state open",
        report=Report(
            ("invitationId", "state", "createdAt", "expiresAt"),
            ("usedAt", "userId", "revokedAt", "note"),
            is_list=True,
        ),
    )
    listed.add_argument("--state", choices=invitations.STATES, help="only those in this state")
    add_page(listed, "INVITATION", "begin behind this number", _NUMBER)
    revoke = group.add(
        "revoke",
        _revoke,
        "end invitations that were not used; who has registered stays",
        "scoreboard invitations revoke 17 18",
        report=Report(("revoked",)),
    )
    revoke.add_argument("ids", type=_NUMBER, nargs="+", metavar="INVITATION", help="its number")


def _add_add(group: Commands) -> None:
    add = group.add(
        "add",
        _add,
        "make invitations, and show their codes, this once",
        "scoreboard invitations add --count 20 --days 7 --note 'evening of games'",
        report=Report(("invitationId", "code", "expiresAt"), ("note",), is_list=True),
    )
    add.add_argument(
        "--count",
        type=count_up_to(AT_ONCE_MAX),
        default=1,
        metavar="N",
        help="how many (default: 1)",
    )
    add.add_argument(
        "--days",
        type=count_up_to(DAYS_MAX),
        default=_DAYS,
        metavar="N",
        help="days after which they cannot be used any more (default: %(default)s)",
    )
    add.add_argument(
        "--note", type=note_to_store, default="", help="what they are for; only operators see it"
    )


def note_to_store(text: str) -> str:
    """Read a note. Raises ArgumentTypeError when it is too long to be kept."""
    if len(text_to_store(text)) > NOTE_CHARS_MAX:
        raise argparse.ArgumentTypeError(f"at most {NOTE_CHARS_MAX} characters are kept")
    return text


async def _add(arguments: argparse.Namespace) -> None:
    found = configuration.load()
    async with open_postgres(found) as postgres:
        made = await invitations.add(postgres, arguments.count, arguments.days, arguments.note)
    if found.accounts == "off":
        note("scoreboard: The setting accounts is `off` here, so nobody can register.")
    elif found.registration != "invitation":
        note(
            f"scoreboard: The setting registration is `{found.registration}` here, so nobody is "
            "asked for an invitation."
        )
    if not arguments.json:
        note("scoreboard: Keep these codes: they are not shown again.")
        for one in made:
            say(f"{one.invitation_id:>6}  {one.code}  until {one.expires_at:%Y-%m-%d %H:%M}")
        return

    async def documents() -> AsyncIterator[dict[str, Any]]:
        for one in made:
            yield {
                "invitationId": one.invitation_id,
                "code": one.code,
                "expiresAt": timestamp(one.expires_at),
            } | ({"note": arguments.note} if arguments.note else {})

    await report_list(documents())


async def _list(arguments: argparse.Namespace) -> None:
    async with open_postgres(configuration.load()) as postgres:
        found = _all(postgres, arguments.state, arguments.after or 0, arguments.limit)
        if arguments.json:
            await report_list(_documents(found))
            return
        async for one in found:
            say(_line(one))


async def _revoke(arguments: argparse.Namespace) -> Answer:
    async with open_postgres(configuration.load()) as postgres:
        revoked = await invitations.revoke(postgres, arguments.ids)
    left = sorted(set(arguments.ids) - set(revoked))
    if left:
        done = f"{counted(len(revoked), 'other')} revoked. " if revoked else ""
        raise CommandFailed(
            f"{done}Not open, so not revoked: {', '.join(map(str, left))}. "
            "`scoreboard invitations list` shows the state of all.",
            "invitation_not_open",
        )
    return Answer({"revoked": revoked}, f"Revoked {counted(len(revoked), 'invitation')}.")


async def _all(
    postgres: Postgres, state: State | None, after: int, limit: int | None
) -> AsyncIterator[Invitation]:
    left = math.inf if limit is None else limit
    while page := await invitations.listed(postgres, state, after, limit):
        for one in page:
            yield one
            left -= 1
            if left <= 0:
                return
        after = page[-1].invitation_id


async def _documents(found: AsyncIterator[Invitation]) -> AsyncIterator[dict[str, Any]]:
    async for one in found:
        optional = {
            "usedAt": one.used_at and timestamp(one.used_at),
            "userId": one.user_id,
            "revokedAt": one.revoked_at and timestamp(one.revoked_at),
            "note": one.note,
        }
        yield {
            "invitationId": one.invitation_id,
            "state": one.state,
            "createdAt": timestamp(one.created_at),
            "expiresAt": timestamp(one.expires_at),
        } | {name: value for name, value in optional.items() if value}


def _line(one: Invitation) -> str:
    state = f"{one.state:<7}  until {one.expires_at:%Y-%m-%d %H:%M}"
    who = f"  id:{one.user_id}" if one.user_id else ""
    return f"{one.invitation_id:>6}  {state}{who}  {escaped(one.note)}".rstrip()
