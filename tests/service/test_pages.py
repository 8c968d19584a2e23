"""The page, its files and the client, as a browser or a CDN asks for them."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import aiohttp
import pytest

import scoreboard
from tests.instances import Instance
from tests.service.conftest import Start

WEB = Path(scoreboard.__file__).parent / "web"
CLIENT = "scoreboard-client.js"
ELEMENT = "live-scoreboard.js"
PLAIN = {"Accept-Encoding": "identity"}
PACKED = {"Accept-Encoding": "br, gzip;q=0.8"}

# Files that modules load when somebody needs them.
ON_DEMAND = {"log-in.js", "profile.js", "credentials.js", "embed.js", "embed.css"} | {
    *("catalogue.js", "friends.js", "friends-list.js", "my-place.js"),
    *("place-line.js", "place-words.js"),
    *("places-dialog.js", "ranking.js", "scroll-map.js", "virtual-list.js", "places.css"),
}
# What is imported by page.js alone is served in it.
IN_THE_PAGE = {
    *("account-view.js", "bar.js", "boards-view.js", "entrance.js"),
    *("places-view.js", "standing.js", "wall.js"),
}


@pytest.fixture
def instance(shared_instance: Instance) -> Instance:
    return shared_instance


async def get(
    instance: Instance, path: str, headers: dict[str, str]
) -> tuple[aiohttp.ClientResponse, bytes]:
    async with (
        aiohttp.ClientSession(instance.url, auto_decompress=False) as client,
        client.get(path, headers=headers) as response,
    ):
        return response, await response.read()


async def asset_paths(instance: Instance) -> list[str]:
    _, page = await get(instance, "/", PLAIN)
    return sorted(set(re.findall(r'"\./(assets/[^"]+)"', page.decode())))


async def test_the_page_allows_nothing_but_itself(instance: Instance) -> None:
    response, page = await get(instance, "/", PLAIN)
    assert response.status == 200
    assert response.content_type == "text/html"
    assert response.headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; manifest-src 'self'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    )
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    text = page.decode()
    text = re.sub(r'<script type="application/json" id="words"[^>]*>', "", text)  # never run
    assert not re.search(r"<script(?![^>]*src=)|<style| style=| on\w+=|https?:", text)


async def test_the_page_is_asked_for_again_and_costs_nothing_while_it_is_the_same(
    instance: Instance,
) -> None:
    for encoding in (PLAIN, PACKED):
        response, _ = await get(instance, "/", encoding)
        assert response.headers["Cache-Control"] == "public, no-cache"
        known = {"If-None-Match": response.headers["ETag"]}
        response, body = await get(instance, "/", encoding | known)
        assert (response.status, body) == (304, b"")


async def test_files_are_kept_for_good_under_names_that_carry_a_hash(instance: Instance) -> None:
    paths = await asset_paths(instance)
    named = {re.sub(r"assets/(.+)\.\w+\.", r"\1.", path) for path in paths}
    every = {file.name for file in WEB.glob("*.*") if file.suffix in (".js", ".css", ".svg")}
    every |= {CLIENT, ELEMENT}
    # The page names the file of the words that do not lie in it.
    assert named == (every - ON_DEMAND - IN_THE_PAGE) | {"words-en.json"}
    for path in paths:
        assert re.fullmatch(r"assets/[\w-]+\.[0-9a-f]{10}\.(css|js|json|svg)", path)
        plain, body = await get(instance, f"/{path}", PLAIN)
        packed, smaller = await get(instance, f"/{path}", PACKED)
        assert plain.status == packed.status == 200
        assert plain.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
        assert packed.headers["Content-Encoding"] == "gzip"
        assert "Content-Encoding" not in plain.headers
        assert plain.headers["ETag"] != packed.headers["ETag"]
        assert gzip.decompress(smaller) == body
        assert len(smaller) < len(body)


async def test_modules_import_each_other_by_those_names_and_all_are_there(
    instance: Instance,
) -> None:
    imported = set()
    paths = await asset_paths(instance)
    for path in paths:
        _, body = await get(instance, f"/{path}", PLAIN)
        imported |= set(re.findall(rb'(?:from|import) "\./([^"]+)"', body))
    # Everything imported is preloaded, or the second round trip of each would wait for the first.
    assert {f"assets/{name.decode()}" for name in imported} <= set(paths)


async def test_a_file_of_another_version_is_answered_with_ours_and_kept_by_nobody(
    instance: Instance,
) -> None:
    """While a new version is rolled out, the page and its files may come from different ones."""
    [path] = [path for path in await asset_paths(instance) if "/page." in path]
    other = re.sub(r"\.[0-9a-f]{10}\.", ".0123456789.", path)
    _, ours = await get(instance, f"/{path}", PLAIN)
    response, body = await get(instance, f"/{other}", PLAIN)
    assert (response.status, body) == (200, ours)
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/assets/page.js", "/assets/x.0123456789.js", "/client/page.js"])
async def test_other_names_are_not_served(instance: Instance, path: str) -> None:
    response, _ = await get(instance, path, PLAIN)
    assert response.status == 404


@pytest.mark.parametrize("folder", ["client", "client/v1"])
async def test_the_client_is_there_for_other_peoples_pages(instance: Instance, folder: str) -> None:
    response, body = await get(instance, f"/{folder}/scoreboard-client.js", PLAIN)
    assert response.content_type == "text/javascript"
    assert b'export const VERSION = "1.' in body
    assert not re.search(rb"^import ", body, re.MULTILINE)
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["Cache-Control"] == "public, max-age=3600"
    response, body = await get(instance, f"/{folder}/scoreboard-client.d.ts", PACKED)
    assert b"export class ScoreboardClient" in gzip.decompress(body)


async def test_head_is_answered_like_get_without_the_body(instance: Instance) -> None:
    for path in ("/", f"/{(await asset_paths(instance))[0]}"):
        async with instance.client.head(path) as response:
            assert response.status == 200
            assert int(response.headers["Content-Length"]) > 0
            assert await response.read() == b""


@pytest.mark.parametrize("coding", ["gzip;q=0", "br", "", "identity"])
async def test_who_does_not_take_gzip_gets_none(instance: Instance, coding: str) -> None:
    response, _ = await get(instance, "/", {"Accept-Encoding": coding})
    assert "Content-Encoding" not in response.headers


@pytest.mark.parametrize("role", ["api", "stream"])
async def test_every_role_serves_the_page(start: Start, role: str) -> None:
    response, _ = await get(await start(role=role), "/", PLAIN)
    assert response.status == 200


@pytest.mark.parametrize("folder", ["client", "client/v1"])
async def test_the_element_is_there_for_other_peoples_pages_with_its_client(
    instance: Instance, folder: str
) -> None:
    response, body = await get(instance, f"/{folder}/live-scoreboard.js", PLAIN)
    assert response.content_type == "text/javascript"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert not re.search(rb"^import ", body, re.MULTILINE)
    assert b"class ScoreboardClient" in body
    assert "نقطة".encode() in body
    _, types = await get(instance, f"/{folder}/live-scoreboard.d.ts", PLAIN)
    assert b'from "./scoreboard-client.js"' in types


@pytest.mark.parametrize(
    ("allowed", "policy"),
    [([], "'none'"), (["*"], "*"), (["https://a.example", "http://b.example:81"], None)],
)
async def test_the_board_alone_says_who_may_frame_it(
    start: Start, allowed: list[str], policy: str | None
) -> None:
    instance = await start(frame_ancestors=allowed)
    response, body = await get(instance, "/embed?lang=ar", PLAIN)
    assert response.status == 200
    assert response.headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
        f"frame-ancestors {policy or ' '.join(allowed)}"
    )
    assert "X-Frame-Options" not in response.headers
    assert b'<html lang="ar" dir="rtl">' in body
    response, _ = await get(instance, "/", PLAIN)
    assert response.headers["Content-Security-Policy"].endswith("frame-ancestors 'none'")
