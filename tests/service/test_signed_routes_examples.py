"""The lines of docs/server-keys.md about the routes, as they stand there, against an instance."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from pathlib import Path

import pytest

from scoreboard.keys.server_key import shown
from tests.game_server import GameServer
from tests.instances import Instance
from tests.world import add_actions, scores

PAGE = Path(__file__).parent.parent.parent / "docs" / "server-keys.md"


async def test_the_lines_of_the_page_do_what_it_says(instance: Instance, database_url: str) -> None:
    if (bash := shutil.which("bash")) is None:
        pytest.skip("bash is not installed")
    [lines] = re.findall(r"^```bash\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    add_actions(database_url, {"daily-login": 10})
    server = await GameServer.of(instance)
    process = await asyncio.create_subprocess_exec(
        *(bash, "-euc", lines),
        env={
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "KEY_ID": server.key_id,
            "KEY_SECRET": shown(server.secret),
            "SERVICE": instance.url,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    player, granted, board, closed = (json.loads(line)["data"] for line in output.splitlines())
    assert (player["username"], player["isNew"]) == ("ada", True)
    assert [each["verdict"] for each in granted] == ["granted"]
    assert granted[0]["userId"] == player["userId"]
    assert (board["boardId"], board["closedAt"]) == ("cup", None)
    assert closed["closedAt"]
    assert scores(database_url) == {player["userId"]: 10}
