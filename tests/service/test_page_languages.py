"""The page in the language of its visitor, also out of a cache that everybody shares."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.instances import Instance, Start


async def page(
    instance: Instance, accepted: str = "", path: str = "/", **headers: str
) -> tuple[int, Mapping[str, str], str]:
    asked = {"Accept-Language": accepted, "Accept-Encoding": "identity", **headers}
    async with instance.client.get(path, headers=asked) as response:
        return response.status, response.headers, await response.text()


@pytest.mark.parametrize(
    ("accepted", "path", "language", "direction"),
    [
        ("", "/", "en", "ltr"),
        ("de-AT, en;q=0.8", "/", "de", "ltr"),
        ("ar", "/?board=weekly", "ar", "rtl"),
        ("de", "/?lang=ar&board=weekly", "ar", "rtl"),
        ("de", "/?lang=fr", "de", "ltr"),
        ("fr", "/?lang=", "en", "ltr"),
    ],
)
async def test_a_visitor_gets_the_page_in_a_language_of_theirs(
    shared_instance: Instance, accepted: str, path: str, language: str, direction: str
) -> None:
    status, headers, html = await page(shared_instance, accepted, path)
    assert status == 200
    assert f'<html lang="{language}" dir="{direction}">' in html
    assert headers["Content-Language"] == language
    assert headers["Vary"] == "Accept-Encoding, Accept-Language"
    assert headers["Cache-Control"] == "public, no-cache"


async def test_each_language_has_a_tag_of_its_own(shared_instance: Instance) -> None:
    _, german, _ = await page(shared_instance, "de")
    _, english, _ = await page(shared_instance, "en")
    assert german["ETag"] != english["ETag"]
    known = {"If-None-Match": german["ETag"]}
    status, headers, body = await page(shared_instance, "de", **known)
    assert (status, body) == (304, "")
    assert headers["Vary"] == "Accept-Encoding, Accept-Language"
    status, _, html = await page(shared_instance, "en", **known)
    assert status == 200
    assert '<html lang="en"' in html


async def test_the_languages_of_the_settings_are_offered_and_no_others(start: Start) -> None:
    instance = await start(page_languages="ar, de")
    for accepted, language in (("en", "ar"), ("de", "de"), ("", "ar")):
        _, headers, _ = await page(instance, accepted)
        assert headers["Content-Language"] == language
    _, headers, _ = await page(instance, "de", "/?lang=en")
    assert headers["Content-Language"] == "de"
