"""The nginx of docs/two-origins.md: an app and the service under one origin."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.instances import Instance, events_of
from tests.servers.installation import NGINX, ProgramsMissingError, provide
from tests.servers.process import running
from tests.servers.proxies import NginxProxy
from tests.world import add_actions, add_users

# An installation may have to come first.
pytestmark = pytest.mark.timeout(240)

MANUAL = (Path(__file__).parents[2] / "docs" / "two-origins.md").read_text(encoding="utf-8")


class ManualProxy(NginxProxy):
    """nginx with the manual's locations, whose app is `app` in its directory."""

    configuration = re.sub(
        r"location / .*?\n    }}",
        "include {directory}/location.conf;",
        NginxProxy.configuration,
        count=1,
        flags=re.S,
    )
    before = location = ""

    def prepare(self) -> None:
        super().prepare()
        found = re.search(r"<!-- recipe: nginx -->\n```nginx\n(.*?)```\n", MANUAL, re.DOTALL)
        assert found is not None
        app = self.directory / "app"
        app.mkdir()
        (app / "index.html").write_text("<!doctype html><title>The app</title>")
        locations = found[1].replace("/srv/app", str(app))
        locations = locations.replace("http://127.0.0.1:8080", self._upstream)
        (self.directory / "location.conf").write_text(locations)


@pytest.fixture
async def proxy(instance: Instance) -> AsyncIterator[aiohttp.ClientSession]:
    try:
        await asyncio.to_thread(provide, [NGINX])
    except ProgramsMissingError:
        pytest.skip("needs nginx: apt-get install nginx, or brew install nginx")
    async with running(ManualProxy(instance.url)) as nginx, aiohttp.ClientSession(nginx.url) as one:
        yield one


async def test_app_and_service_are_one_origin_and_streams_come_through(
    proxy: aiohttp.ClientSession, instance: Instance, database_url: str
) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    async with proxy.get("/") as response:
        assert "The app" in await response.text()
    async with proxy.get("/client/v1/scoreboard-client.js") as response:
        assert response.status == 200
    async with proxy.get("/api/leaderboard/stream") as response:
        events = events_of(response)
        async with asyncio.timeout(20):
            while "id" not in await anext(events):
                pass  # `connected`, and what came before the first board
            async with proxy.post(
                "/api/actions", json={"actionId": "run"}, headers=instance.bearer(user)
            ) as submitted:
                assert submitted.status == 200
            while (await anext(events)).get("id") != "2":
                pass  # heartbeats
    async with proxy.options("/api/actions", headers={"Origin": str(proxy._base_url)}) as response:
        assert response.status == 405
