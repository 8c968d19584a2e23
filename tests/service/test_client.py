"""scoreboard.client against an instance: what it says is what the service said."""

from __future__ import annotations

import asyncio

import pytest

from scoreboard.client import AsyncClient, Client, Grant, Refused, Result
from scoreboard.keys.server_key import Scope, shown
from tests.game_server import GameServer
from tests.instances import Instance
from tests.world import add_actions, scores


async def test_a_game_server_asks_from_python(instance: Instance, database_url: str) -> None:
    add_actions(database_url, {"daily-login": 10})
    server = await GameServer.of(instance)
    match = Result("match-1:player-7", "player-7", "main", 120)
    async with AsyncClient(instance.url, server.key_id, shown(server.secret)) as scoreboard:
        player = await scoreboard.put_user("player-7", "grace")
        verdicts = await scoreboard.grant(
            [Grant("player-7", "daily-login"), Grant("player-7", "no-such-action")]
        )
        first, again = await scoreboard.record([match]), await scoreboard.record([match])
        kept = await scoreboard.result(match.receipt)
        hidden = await scoreboard.moderate("hide", "a trial", userId="player-7")
    assert (player.username, player.is_new) == ("grace", True)
    assert [verdict.verdict for verdict in verdicts] == ["granted", "refused"]
    assert verdicts[0].score == 10
    assert verdicts[1].error is not None
    assert verdicts[1].error.code == "unknown_action"
    assert [first[0].verdict, again[0].verdict] == ["recorded", "repeated"]
    assert first[0].kept == again[0].kept == kept
    assert hidden.user_id == player.user_id == kept.user_id
    assert scores(database_url) == {player.user_id: 130}


async def test_what_is_refused_says_so_also_without_asyncio(instance: Instance) -> None:
    scopes: list[Scope] = ["users"]
    server = await GameServer.of(instance, scopes)

    def ask() -> None:
        with Client(instance.url, server.key_id, shown(server.secret)) as scoreboard:
            assert scoreboard.put_user("player-7", "grace").is_new
            scoreboard.record([Result("match-1", "player-7", "main", 1)])

    with pytest.raises(Refused) as refused:
        await asyncio.to_thread(ask)
    assert (refused.value.status, refused.value.code) == (403, "key_lacks_scope")
