"""The lines with which newcomers sign, as README.md and docs/server-keys.md have them, against an
instance.
"""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from scoreboard.client import AsyncClient, Refused, Result
from scoreboard.keys.server_key import shown
from scoreboard.parts import PARTS
from tests.game_server import GameServer
from tests.instances import SECRET, Instance
from tests.world import add_actions, scores, sql

ROOT = Path(__file__).parent.parent.parent
PATH = "/usr/local/bin:/usr/bin:/bin"


def blocks(page: str, language: str) -> list[str]:
    """The blocks of code of a page."""
    text = (ROOT / page).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


async def said(*argv: str, **variables: str) -> str:
    """What a program writes that ends well."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        env={"PATH": PATH, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output
    return output.decode()


async def answers(lines: str, **variables: str) -> list[Any]:
    """What the service answers to lines of shell, one answer a line."""
    written = await said(bash(), "-euc", lines, **variables)
    return [json.loads(line)["data"] for line in written.splitlines()]


def bash() -> str:
    """Where it is."""
    if (found := shutil.which("bash")) is None:
        pytest.skip("bash is not installed")
    return found


async def access_of(instance: Instance) -> dict[str, str]:
    """The variables that the examples take, with a key of every scope."""
    server = await GameServer.of(instance)
    return {
        "KEY_ID": server.key_id,
        "KEY_SECRET": shown(server.secret),
        "SERVICE": instance.url,
    }


async def test_a_newcomer_makes_a_key_and_signs_with_the_lines_of_the_readme(
    instance: Instance, database_url: str, redis_url: str
) -> None:
    add_actions(database_url, {"win-ten-in-a-row": 500})
    sql(database_url, "UPDATE actions SET claim = 'server'")
    make_key, function, bring_and_record, grant = blocks("README.md", "bash")
    python = f"{shlex.quote(sys.executable)} -m scoreboard"
    made = await said(
        *(bash(), "-euc"),
        make_key.replace(".venv/bin/scoreboard", python)
        + 'printf \'%s\\n%s\\n\' "$KEY_ID" "$KEY_SECRET"',
        SCOREBOARD_DATABASE_URL=database_url,
        SCOREBOARD_REDIS_URL=redis_url,
        SCOREBOARD_JWT_SECRET=SECRET,
    )
    *_, key_id, secret = made.splitlines()
    await instance.app[PARTS].revocations.read()
    record = bring_and_record.splitlines()[-1]
    player, [first], [again], [granted] = await answers(
        "\n".join(
            [
                function.replace("http://127.0.0.1:8080", instance.url),
                bring_and_record,
                record,
                grant,
            ]
        ),
        KEY_ID=key_id,
        KEY_SECRET=secret,
    )
    assert (player["username"], player["isNew"]) == ("grace", True)
    assert (first["verdict"], again["verdict"]) == ("recorded", "repeated")
    assert (granted["verdict"], granted["score"]) == ("granted", 620)
    assert scores(database_url) == {player["userId"]: 620}


async def test_the_lines_of_the_page_do_what_it_says(instance: Instance, database_url: str) -> None:
    add_actions(database_url, {"daily-login": 10})
    [lines] = blocks("docs/server-keys.md", "bash")
    player, [granted], [recorded], kept, board, closed = await answers(
        lines, **await access_of(instance)
    )
    assert (player["username"], player["isNew"]) == ("ada", True)
    assert (granted["verdict"], granted["userId"]) == ("granted", player["userId"])
    assert (recorded["verdict"], recorded["userId"]) == ("recorded", player["userId"])
    assert (kept["receipt"], kept["value"]) == (recorded["receipt"], 120)
    assert (board["boardId"], board["closedAt"]) == ("cup", None)
    assert closed["closedAt"]
    assert scores(database_url) == {player["userId"]: 130}


async def test_our_client_does_what_the_page_says_and_tells_why_it_was_refused(
    instance: Instance, database_url: str
) -> None:
    *_, example = blocks("docs/server-keys.md", "python")
    access = await access_of(instance)
    assert await said(sys.executable, "-c", example, **access) == "match-1:player-7 recorded \n"
    assert await said(sys.executable, "-c", example, **access) == "match-1:player-7 repeated \n"
    assert list(scores(database_url).values()) == [120]
    server = await GameServer.of(instance, ["users"])
    async with AsyncClient(instance.url, server.key_id, shown(server.secret)) as client:
        with pytest.raises(Refused, match="lacks the scope results") as refused:
            await client.record([Result("match-2", "player-7", "main", 120)])
        assert (refused.value.status, refused.value.code) == (403, "key_lacks_scope")
        with pytest.raises(Refused, match="send `suffix`"):
            await client.put_user("player-8", "grace")
        assert (await client.put_user("player-8", "grace", suffix=True)).username != "grace"
        with pytest.raises(Refused, match="Use 2 to 50 characters") as refused:
            await client.put_user("player-8", "g")
        assert list(refused.value.errors) == ["username"]
