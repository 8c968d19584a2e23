"""`scoreboard board`: the board, its copies, and whether they agree with the ledger."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any, Final

from scoreboard.accounts.names import username_key
from scoreboard.commands.verification import copy_differences, ledger_differences
from scoreboard.configuration import sources as configuration
from scoreboard.console.arguments import NAME_HELP, Commands, count, moment, text_to_store
from scoreboard.console.reports import Answer, CommandFailed, Report
from scoreboard.console.servers import open_ledger_and_copy, open_postgres
from scoreboard.console.terminal import say
from scoreboard.copies.copy import Found, RedisCopy
from scoreboard.ledger.ledger import Ledger
from scoreboard.model import BOARD_SIZE, LEAP_MAX
from scoreboard.scoring.standing import Place, Places, Standings
from scoreboard.timestamps import timestamp
from scoreboard.unicode import escaped

# Instances look at the copy once a second, and replace what they do not believe.
_STORED_WITHIN_SECONDS: Final = 2.5
_PAUSE_SECONDS: Final = 0.05
# Read at once, so that all ranks are of one moment.
_PLACES_MAX: Final = 10_000


def add_to(commands: Commands) -> None:
    """Declare `board show|verify|rebuild`."""
    group = commands.group("board", "show the board, compare its copies, mend them")
    _add_show(group)
    group.add(
        "verify",
        _verify,
        "compare the scores with the ledger and Redis with both; exit code 1 if they differ",
        "scoreboard board verify || mail -s 'scoreboard differs' operators@example.org",
        report=Report(("ok", "version", "differences")),
    )
    rebuild = group.add(
        "rebuild",
        _rebuild,
        "compute every score anew from the ledger and renew the board everywhere",
        "scoreboard board rebuild            grants wait meanwhile; nothing is lost",
        "scoreboard board rebuild --renumber when the version comes near the largest one",
        report=Report(("corrected", "version", "remarks")),
    )
    rebuild.add_argument(
        "--renumber",
        action="store_true",
        help="bring a version that is far too high down to one that play can have reached; clients "
        "are told to begin anew",
    )


def _add_show(group: Commands) -> None:
    show = group.add(
        "show",
        _show,
        "show the top 10 as the ledger has it, or any other part of the ranking",
        "scoreboard board show",
        "scoreboard board show --json | jq .version",
        "scoreboard board show --limit 100 --after 500    ranks 501 to 600",
        "scoreboard board show --name ada --since 2024-12-09",
        report=Report(("version", "timestamp", "topUsers")),
    )
    show.add_argument("--name", default="", type=text_to_store, metavar="PART", help=NAME_HELP)
    show.add_argument(
        "--since", type=moment, metavar="TIME", help="only scores reached at this time or later"
    )
    show.add_argument(
        "--limit",
        type=_limit,
        default=BOARD_SIZE,
        metavar="N",
        help=f"at most so many, up to {_PLACES_MAX} (default: %(default)s)",
    )
    show.add_argument(
        "--after", type=count, default=0, metavar="RANK", help="begin behind this rank"
    )


def _limit(text: str) -> int:
    limit = count(text)
    if limit > _PLACES_MAX:
        raise argparse.ArgumentTypeError(f"a whole number from 1 to {_PLACES_MAX} is expected")
    return limit


async def _show(arguments: argparse.Namespace) -> Answer:
    async with open_postgres(configuration.load()) as postgres:
        found = await Standings(postgres).places(
            arguments.after, arguments.limit, username_key(arguments.name), arguments.since
        )
    document = {
        "version": found.version,
        "timestamp": timestamp(found.changed_at),
        "topUsers": [_place(place) for place in found.places],
    }
    return Answer(document, _table(found))


def _place(place: Place) -> dict[str, Any]:
    return {
        "rank": place.rank,
        "userId": place.user_id,
        "score": place.score,
        "username": place.username,
        "reachedAt": timestamp(place.reached_at),
    }


def _table(found: Places) -> str:
    """Write places for people."""
    rows = [
        f"{place.rank:>4}  {place.score:>13,}  {escaped(place.username)}" for place in found.places
    ]
    head = f"rank  {'score':>13}  name"
    foot = f"version {found.version} of the board, since {timestamp(found.changed_at)}"
    return "\n".join([head, *(rows or ["      nobody has such a place"]), foot])


async def _verify(arguments: argparse.Namespace) -> Answer:
    async with open_ledger_and_copy(configuration.load()) as (ledger, copy):
        of_ledger = await ledger_differences(ledger)
        if not arguments.json:  # said before Redis is asked, which may be away
            for difference in of_ledger:
                say(difference)
        of_copy, version = await copy_differences(ledger, copy)
    differences = of_ledger + of_copy
    document = {"ok": not differences, "version": version, "differences": differences}
    if differences:
        advice = "These differ. `scoreboard board rebuild` sets all of it by the ledger."
        return Answer(document, "\n".join([*of_copy, advice]), 1)
    text = "All agree: every score is the sum of its ledger rows, and Redis has the board, version"
    return Answer(document, f"{text} {version}.")


async def _rebuild(arguments: argparse.Namespace) -> Answer:
    async with open_ledger_and_copy(configuration.load()) as (ledger, copy):
        document = await _renew(ledger, copy, renumber=arguments.renumber)
    has = f"The board has version {document['version']}, here and in Redis."
    return Answer(
        document, " ".join([_corrected(document["corrected"]), *document["remarks"], has])
    )


def _corrected(count: int) -> str:
    wrong = {0: "No score was", 1: "1 score was"}.get(count, f"{count} scores were")
    return f"{wrong} wrong."


async def _renew(ledger: Ledger, copy: RedisCopy, *, renumber: bool) -> dict[str, Any]:
    """Compute the scores anew and replace the copy; answers the document of `rebuild`.

    Whoever holds a version ignores an older one, so the new one must be above that of the copy,
    unless no history leads to that. Without Redis nobody can tell, so this ends before anything is
    changed.
    """
    seen, before = await copy.read(), await ledger.version()
    above = 0 if renumber else _believable(seen, before)
    corrected, board = await ledger.rebuild(above, renumber=renumber)
    if not await _replace(ledger, copy, board.version):
        raise CommandFailed(
            f"{_corrected(corrected)} The scores are set, but Redis did not take the board. "
            "Run it again.",
            "copy_not_stored",
        )
    remarks = _remarks(seen, before, board.version, renumber=renumber)
    return {"corrected": corrected, "version": board.version, "remarks": remarks}


def _believable(seen: Found, present: int) -> int:
    """Answer the version that the copy claims if the ledger can have had it once, else 0. Nothing
    else of the copy is believed, whoever wrote it.
    """
    claimed = seen.claimed or 0
    return claimed if 0 < claimed - present <= LEAP_MAX else 0  # guard: rebuild-believes-no


async def _replace(ledger: Ledger, copy: RedisCopy, version: int) -> bool:
    """Replace whatever lies in Redis by the ledger's board; say whether Redis has it then."""
    await copy.drop()
    clock = asyncio.get_running_loop().time
    deadline = clock() + _STORED_WITHIN_SECONDS
    while True:
        # Read after the copy was dropped: it is at least as new as one that was dropped with it.
        await copy.store(await ledger.board())
        found = await copy.read()
        if found.board is not None and found.board.version >= version:
            return True
        if clock() > deadline:
            return False
        await asyncio.sleep(_PAUSE_SECONDS)


def _remarks(seen: Found, before: int, after: int, *, renumber: bool) -> list[str]:
    """Say what was wrong before, and whether the board was numbered anew."""
    remarks = []
    if seen.fault is not None:
        remarks.append(f"Redis held {seen}; it was replaced.")
    elif seen.board is not None and seen.board.version > before:
        is_leap = seen.board.version - before > LEAP_MAX
        why = ", too far to have come from it; it was not believed" if is_leap else ""
        remarks.append(f"Redis held {seen}, ahead of the ledger's {before}{why}.")
    if after < before:
        remarks.append(
            f"The board is numbered anew, because its version was {before}; running instances tell "
            "their clients."
        )
    elif renumber:
        remarks.append("Its version had not leapt, so it was not numbered anew.")
    return remarks
