"""GET /join.svg, the icon and the manifest: what stands around the page."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from typing import Any

import pytest
from yarl import URL

from scoreboard.api import join_codes
from scoreboard.api.http.files import File
from scoreboard.api.join_codes import JoinCodes
from tests.instances import Instance, Start
from tests.unit.test_branding import SVG, WEBP, png, settings

PUBLIC = "https://cup.example/scores"


async def get(
    instance: Instance, path: str, **headers: str
) -> tuple[int, Mapping[str, str], bytes]:
    async with instance.client.get(
        URL(instance.url + path, encoded=True), headers=headers
    ) as response:
        return response.status, response.headers, await response.read()


def drawn(address: str) -> bytes:
    return join_codes.drawn(address).body


async def test_the_code_is_that_of_the_public_address(start: Start) -> None:
    instance = await start(public_url=f"{PUBLIC}/")
    for path, address in (
        ("/join.svg", f"{PUBLIC}/"),
        ("/join.svg?board=main", f"{PUBLIC}/"),
        ("/join.svg?board=weekly-2", f"{PUBLIC}/?board=weekly-2"),
        ("/join.svg?utm=1&board=weekly-2", f"{PUBLIC}/?board=weekly-2"),
    ):
        status, headers, body = await get(instance, path, Host="evil.example")
        assert (status, body) == (200, drawn(address))
        assert headers["Content-Type"] == "image/svg+xml; charset=utf-8"
        assert headers["Cache-Control"] == "public, max-age=3600"
        assert headers["Content-Security-Policy"] == "default-src 'none'"
        known = {"If-None-Match": headers["ETag"]}
        status, _, body = await get(instance, path, **known)
        assert (status, body) == (304, b"")
    async with instance.client.head("/join.svg") as response:
        assert response.status == 200
        assert int(response.headers["Content-Length"]) > 0


async def test_without_one_it_is_what_the_client_asked_for_and_no_cache_shares_it(
    start: Start,
) -> None:
    instance = await start()
    for host, address in (
        ("cup.example", "http://cup.example/?board=weekly"),
        ("CUP.example:8080", "http://cup.example:8080/?board=weekly"),
        ("[2001:db8::7]:80", "http://[2001:db8::7]:80/?board=weekly"),
    ):
        forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
        status, headers, body = await get(
            instance, "/join.svg?board=weekly", Host=host, **forwarded
        )
        assert (status, body) == (200, drawn(address))
        assert headers["Cache-Control"] == "private, max-age=3600"
        assert headers["Vary"] == "Host, X-Forwarded-Proto"


async def test_a_trusted_proxy_says_by_which_scheme_it_was_asked(start: Start) -> None:
    instance = await start(trusted_proxies="127.0.0.1")
    for said, scheme in (("https", "https"), ("HTTPS", "https"), ("ftp", "http"), ("", "http")):
        forwarded = {"X-Forwarded-Proto": said}
        _, _, body = await get(instance, "/join.svg", Host="cup.example", **forwarded)
        assert body == drawn(f"{scheme}://cup.example/")


@pytest.mark.parametrize(
    "host",
    ["a b", "a/b", "user@cup.example", "cup.example?x", "x" * 101, "[::1", "a:b", "é", "\u017f"],
)
async def test_a_host_that_is_none_is_refused(shared_instance: Instance, host: str) -> None:
    status, _, body = await get(shared_instance, "/join.svg", Host=host)
    assert status == 400
    assert json.loads(body)["code"] == "malformed_request"


@pytest.mark.parametrize(
    "query", ["board=Weekly", "board=", "board=a%20b", "board=" + "x" * 51, "board=a&board=b"]
)
async def test_what_is_no_board_is_refused(shared_instance: Instance, query: str) -> None:
    status, _, body = await get(shared_instance, f"/join.svg?{query}")
    document: dict[str, Any] = json.loads(body)
    assert (status, document["code"], list(document["errors"])) == (
        400,
        "invalid_payload",
        ["board"],
    )


async def test_no_more_is_drawn_than_halls_need_and_the_rest_waits(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawing takes as long as ten reads of the board, and strangers make addresses up."""
    instance = await start(rate_limit_per_ip="10000/minute")
    made: list[str] = []

    def counting(address: str) -> File:
        made.append(address)
        return code_of(address)

    code_of = join_codes.drawn
    monkeypatch.setattr(join_codes, "drawn", counting)
    began = time.monotonic()
    found = [await get(instance, "/join.svg", Host=f"cup{n}.example") for n in range(100)]
    assert 0 < len(made) <= 33 + (time.monotonic() - began) * 4
    statuses = [status for status, _, _ in found]
    assert statuses.count(200) == len(made)
    [refused, *_] = [each for each in found if each[0] != 200]
    assert (refused[0], json.loads(refused[2])["code"]) == (503, "overloaded")
    assert "Retry-After" in refused[1]
    # What is drawn already costs nothing.
    for _ in range(50):
        assert (await get(instance, "/join.svg", Host="cup0.example"))[0] == 200


def test_codes_are_kept_up_to_a_bound_and_those_that_are_asked_for_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[str] = []

    def counting(address: str) -> File:
        made.append(address)
        return File.of("", address.encode())

    monkeypatch.setattr(join_codes, "drawn", counting)
    monkeypatch.setattr(join_codes, "_DRAWN_AT_ONCE", 1000)
    codes = JoinCodes(settings())
    for number in range(200):
        codes.code("the wall")
        codes.code(f"number {number}")
    assert made.count("the wall") == 1
    codes.code("number 0")
    assert made.count("number 0") == 2
    codes.code("number 199")
    assert len(made) == 202


async def test_the_icon_is_there_under_its_old_name(shared_instance: Instance) -> None:
    status, headers, body = await get(shared_instance, "/favicon.ico")
    assert (status, headers["Content-Type"]) == (200, "image/x-icon")
    assert body[:4] == b"\0\0\1\0"
    assert headers["Cache-Control"] == "public, max-age=86400"
    status, _, body = await get(
        shared_instance, "/favicon.ico", **{"If-None-Match": headers["ETag"]}
    )
    assert (status, body) == (304, b"")


@pytest.mark.parametrize(
    ("picture", "of_the_page", "of_the_icon"),
    [
        (SVG.encode(), "image/svg+xml", "image/svg+xml; charset=utf-8"),
        (WEBP, "image/webp", "image/webp"),
        (png(48), "image/png", "image/x-icon"),
        (png(300), "image/png", "image/png"),
    ],
)
async def test_a_logo_is_everywhere_and_no_file_beside_it_is_served(
    start: Start, tmp_path: Any, picture: bytes, of_the_page: str, of_the_icon: str
) -> None:
    (tmp_path / "logo").write_bytes(picture)
    instance = await start(page_logo=str(tmp_path / "logo"))
    _, _, page = await get(instance, "/")
    [path, again] = re.findall(
        r'<(?:link rel="icon" href|img class="logo" src)="\./([^"]+)"', page.decode()
    )
    assert path == again
    status, headers, body = await get(instance, f"/{path}", **{"Accept-Encoding": "identity"})
    assert (status, body) == (200, picture)
    assert headers["Content-Type"].partition(";")[0] == of_the_page
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert ("sandbox" in headers["Content-Security-Policy"]) == (of_the_page == "image/svg+xml")
    _, headers, body = await get(instance, "/manifest.webmanifest")
    [icon] = json.loads(body)["icons"]
    assert (icon["src"], icon["type"]) == (f"./{path}", of_the_page)
    _, headers, body = await get(instance, "/favicon.ico")
    assert headers["Content-Type"] == of_the_icon
    assert picture in body
    for other in ("/assets/logo", "/assets/..%2Flogo", "/assets/%2E%2E%2F%2E%2E%2Fetc%2Fpasswd"):
        assert (await get(instance, other))[0] == 404


async def test_the_manifest_is_in_the_language_of_its_page(shared_instance: Instance) -> None:
    asked = {"Accept-Language": "de"}
    status, headers, body = await get(shared_instance, "/manifest.webmanifest", **asked)
    assert (status, headers["Content-Type"]) == (200, "application/manifest+json")
    assert headers["Vary"] == "Accept-Encoding, Accept-Language"
    assert json.loads(body)["lang"] == "de"
    _, _, page = await get(shared_instance, "/?lang=ar", **asked)
    [link] = re.findall(r'<link rel="manifest" href="\.([^"]+)"', page.decode())
    _, _, body = await get(shared_instance, link, **asked)
    assert json.loads(body)["lang"] == "ar"


async def test_title_colours_and_words_are_on_the_page(start: Start, tmp_path: Any) -> None:
    (tmp_path / "words.json").write_text('{"de": {"description": "Der <Pokal>."}}', "utf-8")
    instance = await start(
        page_title="Cup & Co",
        page_colors="light.ground=#fffaf0,light.accent=#0b3faf",
        page_words=str(tmp_path / "words.json"),
        public_url="https://cup.example",
    )
    _, _, body = await get(instance, "/?lang=de")
    page = body.decode()
    for said in (
        "<title>Cup &amp; Co</title>",
        '<meta name="description" content="Der &lt;Pokal&gt;.">',
        '<meta property="og:title" content="Cup &amp; Co">',
        '<meta property="og:description" content="Der &lt;Pokal&gt;.">',
        '<meta property="og:url" content="https://cup.example/">',
        '<meta name="theme-color" content="#fffaf0" media="(prefers-color-scheme: light)">',
    ):
        assert said in page
    for document in ("/", "/embed"):
        _, _, body = await get(instance, document)
        sheets = re.findall(r'<link rel="stylesheet" href="\./([^"]+)"', body.decode())
        styles = [(await get(instance, f"/{sheet}"))[2].decode() for sheet in sheets]
        assert "--scoreboard-accent:#0b3faf" in "".join(styles)


async def test_an_instance_with_a_logo_that_is_none_does_not_start(
    start: Start, tmp_path: Any
) -> None:
    (tmp_path / "logo").write_text("no picture", "utf-8")
    with pytest.raises(Exception, match=r"page_logo names .*, which cannot be used"):
        await start(page_logo=str(tmp_path / "logo"))
