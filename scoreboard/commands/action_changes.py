"""`scoreboard actions disable|enable|rename|remove`: what becomes of one action and its grants.

Grants explain scores, so none of these takes one back: an action that was granted can be switched
off or get another id, and only one that never was granted can be removed.
"""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from typing import Any, Final

from scoreboard import action_ids
from scoreboard.configuration import sources as configuration
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session import StatementRefused
from scoreboard.console.arguments import Commands, text_to_store
from scoreboard.console.reports import Answer, CommandFailed, Report
from scoreboard.console.servers import open_postgres
from scoreboard.console.terminal import counted
from scoreboard.ledger.ledger import Ledger
from scoreboard.scoring.catalogue import Action, Catalogue, HasGrants, IsListed
from scoreboard.timestamps import timestamp
from scoreboard.unicode import escaped

_STATE: Final = Report(("actionId", "points", "claim", "grants"), ("disabledAt",))
# Moving so many takes a second or two; whoever submits the action waits for it.
_NAMED_MAX: Final = 5
_MOVED_UNASKED: Final = 20_000
_UNIQUE: Final = "23505"


def add_to(group: Commands) -> None:
    """Declare `actions disable|enable|rename|remove`."""
    disable = group.add(
        "disable",
        _disable,
        "refuse an action from now on; grants and points stay",
        "scoreboard actions disable summer-event",
        report=_STATE,
    )
    enable = group.add(
        "enable",
        _enable,
        "grant a disabled action again",
        "scoreboard actions enable summer-event",
        report=_STATE,
    )
    rename = group.add(
        "rename",
        _rename,
        "give an action another id, with its grants; the id that it had goes on as a former one",
        "scoreboard actions rename first-win first-victory",
        report=Report(("actionId", "formerActionId", "grants")),
    )
    remove = group.add(
        "remove",
        _remove,
        "take an action that was never granted out of the catalogue, or forget a former id",
        "scoreboard actions remove daily-logni",
        report=Report(("actionId", "isFormerId")),
    )
    for parser in (disable, enable, rename, remove):
        parser.add_argument("action_id", type=text_to_store, metavar="ACTION", help="its id")
    rename.add_argument("new_id", metavar="NEW", help="the id that it is to have")
    rename.add_argument("--yes", action="store_true", help="yes, also with very many grants")


def document_of(action: Action) -> dict[str, Any]:
    """Write an action as JSON; only a disabled one has `disabledAt`."""
    document: dict[str, Any] = {
        "actionId": action.action_id,
        "points": action.points,
        "claim": action.claim,
    }
    if action.disabled_at is not None:
        document["disabledAt"] = timestamp(action.disabled_at)
    return document


async def _disable(arguments: argparse.Namespace) -> Answer:
    return await _switch(
        arguments.action_id,
        Catalogue.disable,
        "disabled: nobody is granted it from now on, and whoever has it keeps its points",
    )


async def _enable(arguments: argparse.Namespace) -> Answer:
    return await _switch(
        arguments.action_id,
        Catalogue.enable,
        "enabled: whoever does not have it is granted it from now on",
    )


async def _switch(
    action_id: str, switch: Callable[[Catalogue, Action], Awaitable[object]], state: str
) -> Answer:
    async with open_postgres(configuration.load()) as postgres:
        catalogue = Catalogue(postgres)
        before = await _known(catalogue, action_id)
        await switch(catalogue, before)
        action = await _known(catalogue, before.action_id)
        grants = await catalogue.grants_of(action)
    text = f"{escaped(action.action_id)} is {state} ({counted(grants, 'grant')})."
    return Answer(document_of(action) | {"grants": grants}, text)


async def _rename(arguments: argparse.Namespace) -> Answer:
    new_id = action_ids.composed(arguments.new_id)
    if problem := action_ids.problem(arguments.new_id):
        raise CommandFailed(
            f'The id "{escaped(arguments.new_id)}" {problem}. Nothing was changed.', "bad_action_id"
        )
    async with open_postgres(configuration.load()) as postgres:
        catalogue = Catalogue(postgres)
        action = await _known(catalogue, arguments.action_id)
        await _require_free(catalogue, action, new_id)
        grants = await catalogue.grants_of(action)
        if grants > _MOVED_UNASKED and not arguments.yes:
            raise CommandFailed(
                f"{escaped(action.action_id)} has {counted(grants, 'grant')}, which are all "
                "written anew. Whoever submits this action waits meanwhile, or is told to try "
                "again. If that is meant, add --yes. Nothing was changed.",
                "not_confirmed",
            )
        moved = await _move(postgres, action, new_id)
    old, new = escaped(action.action_id), escaped(new_id)
    return Answer(
        {"actionId": new_id, "formerActionId": action.action_id, "grants": moved},
        f"Renamed {old} to {new}, with {counted(moved, 'grant')}. Whoever submits {old} is "
        f"granted {new}, once.",
    )


async def _move(postgres: Postgres, action: Action, new_id: str) -> int:
    try:
        moved = await Ledger(postgres, postgres).rename_action(action.action_id, new_id)
    except StatementRefused as refusal:
        if refusal.sqlstate != _UNIQUE:
            raise
        raise _taken(new_id) from refusal
    if moved is None:  # somebody was faster
        raise _unknown(action.action_id)
    return moved


async def _require_free(catalogue: Catalogue, action: Action, new_id: str) -> None:
    """Raises CommandFailed unless the id is nobody's, or was this action's before."""
    other = await catalogue.find(new_id)
    # A new spelling of its own id is one that it may have.
    if other is not None and (other != action or new_id == action.action_id):
        raise _taken(new_id)
    owner = (await catalogue.present_ids([new_id])).get(new_id, action.action_id)
    if owner != action.action_id:
        raise CommandFailed(
            f"{escaped(new_id)} is an id that {escaped(owner)} had before, and that clients may "
            "still submit for it. Choose another id, or forget that one first: scoreboard actions "
            f"remove {escaped(new_id)}",
            "former_action_id",
        )


async def _remove(arguments: argparse.Namespace) -> Answer:
    action_id: str = arguments.action_id
    async with open_postgres(configuration.load()) as postgres:
        catalogue = Catalogue(postgres)
        if await catalogue.find(action_id) is None:
            for spelling in dict.fromkeys((action_id, action_ids.composed(action_id))):
                if await catalogue.forget_former_id(spelling):
                    text = f"{escaped(spelling)} is no former id any more, and unknown from now on."
                    return Answer({"actionId": spelling, "isFormerId": True}, text)
        action = await _known(catalogue, action_id)
        name = escaped(action.action_id)
        try:
            await catalogue.remove(action)
        except HasGrants as kept:
            raise CommandFailed(
                f"{name} has {counted(kept.count, 'grant')}, and each explains points of "
                "somebody's score. Nothing was changed. To have nobody granted it from now on: "
                f"scoreboard actions disable {name}",
                "has_grants",
            ) from kept
        except IsListed as listed:
            named = ", ".join(listed.board_ids[:_NAMED_MAX])
            more = len(listed.board_ids) - _NAMED_MAX
            raise CommandFailed(
                f"{name} counts on {named}{f' and {more:,} more boards' if more > 0 else ''}, and "
                "what counts on a board does not change. Nothing was changed. To have nobody "
                f"granted it from now on: scoreboard actions disable {name}",
                "is_listed",
            ) from listed
    document = {"actionId": action.action_id, "isFormerId": False}
    return Answer(document, f"Removed {name} from the catalogue.")


async def _known(catalogue: Catalogue, action_id: str) -> Action:
    """Find an action. Raises CommandFailed, with the present id if it was renamed."""
    action = await catalogue.find(action_id)
    if action is not None:
        return action
    present = await catalogue.present_ids([action_id])
    if action_id in present:
        now = escaped(present[action_id])
        raise CommandFailed(
            f"{escaped(action_id)} is a former id. The action is {now} now: name it so.",
            "former_action_id",
        )
    raise _unknown(action_id)


def _unknown(action_id: str) -> CommandFailed:
    return CommandFailed(
        f"There is no action {escaped(action_id)}. `scoreboard actions list` shows all.",
        "unknown_action",
    )


def _taken(new_id: str) -> CommandFailed:
    return CommandFailed(
        f"There is an action {escaped(new_id)} already. Nothing was changed.", "action_taken"
    )
