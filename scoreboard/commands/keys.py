"""`scoreboard keys`: what servers sign their requests with. A secret is shown once."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

from scoreboard.commands.key_words import MEMBERS, document, moment_text, row
from scoreboard.configuration import sources as configuration
from scoreboard.configuration.kinds import Rate
from scoreboard.configuration.settings import SettingsError
from scoreboard.console import columns, exports
from scoreboard.console.arguments import Commands, moment, seen_text, text_to_store
from scoreboard.console.reports import Answer, CommandFailed, Report, report_list
from scoreboard.console.servers import defined, open_postgres
from scoreboard.console.terminal import counted, say
from scoreboard.errors import UnknownKey
from scoreboard.keys.registry import KEYS_MAX, KeyRegistry, ListedKey, NewKey, TooManyKeys
from scoreboard.keys.sealing import Seal
from scoreboard.keys.server_key import (
    OF_ALL_BOARDS,
    SCOPES,
    SOURCE,
    SOURCE_CHARS_MAX,
    TITLE_CHARS_MAX,
)
from scoreboard.ledger.definitions import Definitions
from scoreboard.unicode import escaped

_KEY: Final = Report(MEMBERS)
_WITH_SECRET: Final = Report((*MEMBERS, "secret"))
_RATE: Final = "600/minute"
_GRACE_SECONDS: Final = 86_400
_GRACE_SECONDS_MAX: Final = 30 * 86_400
_SHOWN_ONCE: Final = "Keep it now: it is shown this once."


def add_to(commands: Commands) -> None:
    """Declare `keys add|list|rotate|revoke|reseal`."""
    group = commands.group("keys", "maintain the keys with which servers sign their requests")
    _add_add(group)
    group.add(
        "list",
        _list,
        "show every server key, without secrets; revoked ones too",
        "scoreboard keys list",
        "scoreboard keys list --json | jq -r '.[] | select(.revokedAt == null) | .keyId'",
        report=Report(MEMBERS, is_list=True),
    )
    _add_rotate(group)
    revoke = group.add(
        "revoke",
        _revoke,
        "refuse a key for good, on every instance within 2 s",
        "scoreboard keys revoke key_0a1b2c3d4e5f60718293",
        report=_KEY,
    )
    _add_key(revoke)
    group.add(
        "reseal",
        _reseal,
        "seal every secret under today's JWT secret, before an earlier one is dropped",
        "scoreboard keys reseal",
        report=Report(("resealed", "unreadable")),
    )


def _add_add(group: Commands) -> None:
    add = group.add(
        "add",
        _add,
        "make a server key, and show its secret this once",
        "scoreboard keys add arena --title 'Game servers' --scope grants --scope results",
        "scoreboard keys add arena --title Cup --scope results --board cup --expires 2027-03-09",
        report=_WITH_SECRET,
    )
    add.add_argument(
        "source",
        type=_source,
        metavar="SOURCE",
        help="who signs with it, the same for all its keys and for ever: its receipts and users "
        "belong to that; lower-case letters, digits and hyphens",
    )
    add.add_argument(
        "--title", type=seen_text(TITLE_CHARS_MAX), required=True, help="what operators call it"
    )
    add.add_argument(
        "--scope",
        action="append",
        dest="scopes",
        choices=SCOPES,
        required=True,
        help="what it may do; again for each one",
    )
    _add_bounds(add)


def _add_bounds(add: argparse.ArgumentParser) -> None:
    """Declare what holds a key to less than its scopes allow."""
    add.add_argument(
        "--board",
        action="append",
        dest="board_ids",
        type=text_to_store,
        metavar="BOARD",
        help="a board that it may touch; again for each one (default: all, also those to come)",
    )
    add.add_argument(
        "--rate",
        type=_rate,
        default=_RATE,
        help="requests of this key, over all instances (default: %(default)s)",
    )
    add.add_argument(
        "--expires", type=moment, metavar="TIME", help="until when it is good (default: for ever)"
    )


def _add_rotate(group: Commands) -> None:
    rotate = group.add(
        "rotate",
        _rotate,
        "give a key another secret; the one that it had is good for a day more",
        "scoreboard keys rotate key_0a1b2c3d4e5f60718293",
        "scoreboard keys rotate key_0a1b2c3d4e5f60718293 --grace-seconds 0   it was stolen",
        report=_WITH_SECRET,
    )
    rotate.add_argument(
        "--grace-seconds",
        type=_grace,
        default=_GRACE_SECONDS,
        metavar="N",
        help="how long the secret that it had is good, up to 30 days (default: %(default)s)",
    )
    _add_key(rotate)


def _add_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("key_id", type=text_to_store, metavar="KEY", help="its id")


async def _add(arguments: argparse.Namespace) -> Answer:
    board_ids = arguments.board_ids and sorted(set(arguments.board_ids))
    if board_ids and (of_all := [each for each in arguments.scopes if each in OF_ALL_BOARDS]):
        raise CommandFailed(
            f"The scope {of_all[0]} is about every board: leave --board out, or make a key of its "
            "own for that scope.",
            "scope_of_all_boards",
        )
    async with _open_keys() as (keys, definitions):
        for board_id in board_ids or ():
            await defined(definitions, board_id)
        new = NewKey(
            source=arguments.source,
            title=arguments.title,
            scopes=[scope for scope in SCOPES if scope in arguments.scopes],
            board_ids=board_ids,
            rate=arguments.rate,
            expires_at=arguments.expires,
        )
        try:
            key, secret = await keys.add(new)
        except TooManyKeys as error:
            raise CommandFailed(
                f"There are {KEYS_MAX} keys, which is as many as there may be. Revoke some first.",
                "too_many_keys",
            ) from error
    text = f"Added {key.key_id}, of {key.source}. Its secret:\n{secret}\n{_SHOWN_ONCE}"
    return Answer(document(key) | {"secret": secret}, text)


async def _list(arguments: argparse.Namespace) -> None:
    async with open_postgres(configuration.load()) as postgres:
        found = await KeyRegistry(postgres, Seal(())).all()
    if arguments.json:
        await report_list(_documents(found))
    elif found:
        say(columns.table([row(key) for key in found]))
    else:
        say("There are no server keys. `scoreboard keys add` makes one.")


async def _rotate(arguments: argparse.Namespace) -> Answer:
    async with _open_keys() as (keys, _), _known(arguments.key_id):
        key, secret = await keys.rotate(arguments.key_id, arguments.grace_seconds)
    until = f"The one that it had is good until {moment_text(key.previous_until)}."
    text = f"{key.key_id} has another secret:\n{secret}\n{_SHOWN_ONCE} {until}"
    return Answer(document(key) | {"secret": secret}, text)


async def _revoke(arguments: argparse.Namespace) -> Answer:
    async with open_postgres(configuration.load()) as postgres, _known(arguments.key_id):
        key = await KeyRegistry(postgres, Seal(())).revoke(arguments.key_id)
    text = f"Revoked {key.key_id}, of {key.source}. Every instance refuses it within 2 s."
    return Answer(document(key), text)


async def _reseal(_: argparse.Namespace) -> Answer:
    async with _open_keys() as (keys, _definitions):
        done = await keys.reseal()
    text = f"Sealed {counted(done.resealed, 'key')} under today's secret."
    if done.unreadable:
        text += (
            f" The secrets of {', '.join(done.unreadable)} cannot be read: add the JWT secret that "
            "sealed them to SCOREBOARD_JWT_PREVIOUS_SECRETS and run this again, or "
            "revoke these keys."
        )
    document = {"resealed": done.resealed, "unreadable": done.unreadable}
    return Answer(document, text, code=1 if done.unreadable else 0)


@contextlib.asynccontextmanager
async def _open_keys() -> AsyncIterator[tuple[KeyRegistry, Definitions]]:
    """Lend the keys, with what seals their secrets, and the boards. Raises SettingsError."""
    settings = configuration.load()
    seal = Seal(settings.secrets)
    if not seal.can_seal:
        raise SettingsError(
            "SCOREBOARD_JWT_SECRET is not set: secrets of server keys are sealed under it. Give "
            f"this command the secret that the instances have.{exports.hint()}"
        )
    async with open_postgres(settings) as postgres:
        yield KeyRegistry(postgres, seal), Definitions(postgres)


@contextlib.asynccontextmanager
async def _known(key_id: str) -> AsyncIterator[None]:
    """Say in the words of commands that there is no such key."""
    try:
        yield
    except UnknownKey as error:
        raise CommandFailed(
            f"There is no key {escaped(key_id)} that is not revoked. `scoreboard keys list` shows "
            "all.",
            UnknownKey.code,
        ) from error


async def _documents(keys: list[ListedKey]) -> AsyncIterator[dict[str, Any]]:
    for key in keys:
        yield document(key)


def _source(text: str) -> str:
    if len(text) > SOURCE_CHARS_MAX or not SOURCE.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"lower-case letters, digits and single hyphens are expected, up to {SOURCE_CHARS_MAX}"
        )
    return text


def _rate(text: str) -> str:
    try:
        found = Rate.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return f"{found.count}/{text.partition('/')[2].strip()}"


def _grace(text: str) -> int:
    if not text.isdecimal() or len(text) > 9 or int(text) > _GRACE_SECONDS_MAX:
        raise argparse.ArgumentTypeError(f"whole seconds up to {_GRACE_SECONDS_MAX} are expected")
    return int(text)
