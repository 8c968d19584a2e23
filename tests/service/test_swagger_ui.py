"""/docs: the page that shows the OpenAPI document needs nobody else."""

from __future__ import annotations

import re

import pytest

from scoreboard.api.docs.pages import DOCUMENT
from tests.instances import Instance
from tests.service.conftest import Start


def directives(policy: str) -> dict[str, list[str]]:
    return {name: sources for name, *sources in (part.split() for part in policy.split(";"))}


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
async def test_the_page_is_served_with_and_without_a_slash(instance: Instance, path: str) -> None:
    async with instance.client.get(path, allow_redirects=False) as response:
        assert response.status == 200
        assert response.content_type == "text/html"
        assert '<main id="swagger-ui">' in await response.text()


async def test_the_pages_policy_allows_its_own_files_and_nothing_inline(
    instance: Instance,
) -> None:
    async with instance.client.get("/docs") as response:
        policy = directives(response.headers["Content-Security-Policy"])
        page = await response.text()
    assert policy["default-src"] == ["'none'"]
    assert policy["script-src"] == ["'self'"]
    assert policy["style-src"] == ["'self'"]
    assert policy["frame-ancestors"] == ["'none'"]
    sources = {source for sources in policy.values() for source in sources}
    assert sources == {"'none'", "'self'", "data:"}
    assert all(text == "" for text in re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL))
    assert "<style" not in page
    assert " style=" not in page


async def test_the_page_names_no_outside_url_and_all_that_it_names_is_there(
    instance: Instance,
) -> None:
    async with instance.client.get("/docs") as response:
        page = await response.text()
    named = re.findall(r'(?:src|href|data-document)="([^"]+)"', page)
    assert len(named) == 8
    assert "://" not in page
    for url in named:
        assert url.startswith("/docs/")
        async with instance.client.get(url) as response:
            assert response.status == 200, url
            assert response.headers["Content-Security-Policy"] == "default-src 'none'"
            assert await response.read()


async def test_assets_may_be_kept_for_good_and_the_document_is_asked_for_again(
    instance: Instance,
) -> None:
    async with instance.client.get("/docs") as response:
        scripts = re.findall(r'src="([^"]+)"', await response.text())
        assert "no-cache" in response.headers["Cache-Control"]
    assert len(scripts) == 2
    for script in scripts:
        async with instance.client.get(script) as response:
            assert response.content_type.endswith("/javascript")
            assert "immutable" in response.headers["Cache-Control"]
    async with instance.client.get("/docs/openapi.json") as response:
        assert await response.json() == instance.app[DOCUMENT]
        assert "no-cache" in response.headers["Cache-Control"]
        etag = response.headers["ETag"]
    async with instance.client.get(
        "/docs/openapi.json", headers={"If-None-Match": etag}
    ) as response:
        assert response.status == 304


async def test_what_the_page_does_not_name_is_not_served(instance: Instance) -> None:
    async with instance.client.get("/docs") as response:
        [script, *_] = re.findall(r'src="([^"]+)"', await response.text())
    folder = script.rpartition("/")[0]
    for name in ("index.html", "swagger-ui.js", "VERSION", "..%2F__init__.py", ""):
        async with instance.client.get(f"{folder}/{name}") as response:
            assert (response.status, (await response.json())["code"]) == (404, "not_found")


async def test_the_docs_count_against_the_rate_limit(start: Start) -> None:
    limited = await start(rate_limit_per_ip="2/minute")
    for path in ("/docs", "/docs/openapi.json"):
        async with limited.client.get(path) as response:
            assert response.status == 200
    async with limited.client.get("/docs") as response:
        assert (response.status, (await response.json())["code"]) == (429, "rate_limited")
