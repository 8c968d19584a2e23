"""The programs of docs/python-client.md, as they stand there, against an instance."""

from __future__ import annotations

import sys

from tests.instances import Instance
from tests.service.test_signed_routes_examples import blocks, said
from tests.world import add_actions, add_users


async def test_every_program_of_the_page_does_what_it_says(
    instance: Instance, database_url: str
) -> None:
    add_actions(database_url, {"first-win": 50})
    [player] = add_users(database_url, 1)
    await instance.submit(player, "first-win")
    follow, follow_async, play, personal = blocks("docs/python-client.md", "python")

    async def written(program: str) -> list[str]:
        output = await said(sys.executable, "-W", "error", "-c", program, SERVICE=instance.url)
        return output.splitlines()

    version = (await instance.board())["version"]
    assert (await written(follow))[-1] == f"{version} [('player0', 50)]"
    assert (await written(follow_async))[-1] == "player0 50"
    assert await written(play) == ["50 50", "already_granted", "2 of 2"]
    assert (await written(personal))[-1] == "2 of 2 on main"
