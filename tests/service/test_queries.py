"""What stands behind the `?` of an address: on every route the parameters that it knows are read
strictly, and all others are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from yarl import URL

from scoreboard.api.docs.pages import DOCUMENT
from tests.document import make_app
from tests.instances import Instance
from tests.world import add_actions, add_users

# What caches, trackers, typing errors and clients of streams add.
UNKNOWN = (
    "_=1735689600000&utm_source=mail&lastEventId=5&evs_preamble&LIMIT=0&limt=0&limit[]=0&%FF=%FF"
)
NUMBERS = (
    "1_0",
    "+5",
    "%2B5",
    "%205",
    "5%20",
    "%D9%A5",
    "5.0",
    "5e0",
    "0x5",
    "05",
    "",
    "-1",
    "9" * 99,
)
ENDLESS = "/stream"
SIGNED = "/api/audit"
# Whoever is led here is led on, and sees no error (tests/attacks/test_page_log_in.py).
OF_BROWSERS = "/api/login/"
# What says when it was asked, or how often.
EACH_TIME_ANOTHER = ("/metrics", "/api/me/export")
CHANGES = ("alive", "since")
NOBODY = "5d2d8a52-8a5f-4f4c-9b5c-0d9c0d7a1e11"


def known_parameters() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each parameter of a query that the OpenAPI document has: its path, name and schema. Those of
    signed routes are signed as well: tests/attacks/test_signed_fuzz.py has them.
    """
    for path, item in make_app()[DOCUMENT]["paths"].items():
        if path == SIGNED or path.startswith(OF_BROWSERS):
            continue
        for parameter in item.get("get", {}).get("parameters", ()):
            if parameter.get("in") == "query":
                yield filled(path), parameter["name"], parameter["schema"]


def filled(path: str) -> str:
    """The path with what may stand in its places."""
    in_place = {"{name}": "scoreboard-client.js", "{board}": "main", "{userId}": NOBODY}
    for place, said in in_place.items():
        path = path.replace(place, said)
    return path


KNOWN = list(known_parameters())
COUNTS = [(path, name) for path, name, schema in KNOWN if schema["type"] == "integer"]


def test_the_document_names_what_is_known() -> None:
    assert [(path, name) for path, name, _ in KNOWN] == [
        ("/api/actions", "after"),
        ("/api/actions", "limit"),
        ("/api/me/grants", "after"),
        ("/api/me/grants", "limit"),
        ("/api/me/stream", "boards"),
        ("/api/boards", "after"),
        ("/api/boards", "limit"),
        ("/api/boards/main/seasons", "after"),
        ("/api/boards/main/seasons", "limit"),
        ("/api/boards/main/leaderboard", "season"),
        ("/api/boards/main/entries", "season"),
        ("/api/boards/main/entries", "limit"),
        ("/api/boards/main/entries", "after"),
        ("/api/boards/main/entries", "before"),
        ("/api/boards/main/entries", "rank"),
        ("/api/boards/main/entries", "users"),
        (f"/api/boards/main/users/{NOBODY}", "season"),
        ("/api/boards/main/me", "season"),
        ("/api/boards/main/me", "around"),
    ]
    optional = {name for _, name, schema in KNOWN if schema.get("default") is None}
    assert optional == {"season", "after", "before", "rank", "users"}


async def test_on_every_route_an_unknown_parameter_changes_nothing(
    instance: Instance, database_url: str
) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 5})
    seen = set()
    for route in instance.app.router.routes():
        assert route.resource is not None
        path = filled(route.resource.canonical)
        seen.add((route.method, path))
        if path.endswith(ENDLESS):
            async with instance.client.get(
                as_typed(instance, f"{path}?{UNKNOWN}"), headers=instance.bearer(user)
            ) as response:
                assert (response.status, response.content_type) == (200, "text/event-stream")
            continue
        queries = ["", "?", f"?{UNKNOWN}"]
        if path not in {path for path, _, _ in KNOWN}:
            queries.append(f"?{'x' * 3000}")
        found = [await answer(instance, user, route.method, path + query) for query in queries]
        assert found == found[:1] * len(queries), path
    assert len(seen) > 25


def as_typed(instance: Instance, path: str) -> URL:
    return URL(instance.url + path, encoded=True)


async def answer(instance: Instance, user: str, method: str, path: str) -> tuple[Any, ...]:
    """What cannot change from one request to the next."""
    async with instance.client.request(
        method, as_typed(instance, path), headers=instance.bearer(user)
    ) as response:
        body = b"" if path.startswith(EACH_TIME_ANOTHER) else await response.read()
        return response.status, response.headers.get("ETag"), response.content_type, body


@pytest.mark.parametrize(("path", "name"), COUNTS)
async def test_a_number_is_digits_and_nothing_that_only_reads_like_some(
    shared_instance: Instance, path: str, name: str
) -> None:
    for written in NUMBERS:
        query = as_typed(shared_instance, f"{path}?{name}={written}")
        async with shared_instance.client.get(
            query, headers=shared_instance.bearer(NOBODY)
        ) as response:
            document = await response.json()
            assert (response.status, document["code"]) == (400, "invalid_payload"), written
            assert list(document["errors"]) == [name]


@pytest.mark.parametrize(("path", "name"), [(path, name) for path, name, _ in KNOWN])
async def test_a_parameter_is_given_once(shared_instance: Instance, path: str, name: str) -> None:
    """Or a proxy on the way reads the first of two, and the service the last."""
    for query in (f"{name}=5&{name}=6", f"{name}=5&x=1&{name}=5", f"{name}=5&{name}"):
        async with shared_instance.client.get(
            as_typed(shared_instance, f"{path}?{query}"), headers=shared_instance.bearer(NOBODY)
        ) as response:
            document = await response.json()
            assert (response.status, document["errors"]) == (400, {name: ["Give it once."]})
            assert document["message"] == "The query is not valid; see errors."


NOT_UTF_8 = ("%FF", "a%C3%28", "%C0%80", "%ED%A0%80", "%F4%90%80%80", "%E2%82")


async def test_what_is_no_utf_8_is_refused_and_read_as_nothing_else(
    shared_instance: Instance,
) -> None:
    for written in NOT_UTF_8:
        query = as_typed(shared_instance, f"/api/actions?after={written}")
        async with shared_instance.client.get(query) as response:
            document = await response.json()
            assert (response.status, list(document["errors"])) == (400, ["after"]), written


async def test_an_action_of_any_characters_can_be_what_a_page_begins_behind(
    instance: Instance, database_url: str
) -> None:
    add_actions(database_url, {f"{odd}{end}": 5 for odd in "\ufffd+&;%é" for end in "12"})
    listed: list[str] = []
    after = ""
    while True:
        params = {"limit": "1", "after": after}
        async with instance.client.get("/api/actions", params=params) as response:
            document = await response.json()
        listed += [action["actionId"] for action in document["data"]]
        if (after := document["next"]) is None:
            break
    assert len(listed) == len(set(listed)) == 12
