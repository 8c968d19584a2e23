"""An answer heeds the fields of conditions exactly where the OpenAPI document says so."""

from __future__ import annotations

from typing import Any

from scoreboard.api.docs.pages import DOCUMENT
from tests.document import operations_of, resolved
from tests.instances import Instance
from tests.world import add_actions, add_users

# What has no end, is signed, or leads a browser away.
ELSEWHERE = ("/stream", "/api/audit", "/api/results/{receipt}", "/api/login/")
CONDITIONS = {"If-None-Match", "If-Match"}


async def test_who_has_an_answer_is_told_so_wherever_the_document_says_it(
    instance: Instance, database_url: str
) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    assert (await instance.submit(user, "run"))[0] == 200
    heeding = set()
    for (path, method), operation in operations_of(resolved(instance.app[DOCUMENT])).items():
        if method != "get" or any(part in path for part in ELSEWHERE):
            continue
        named = {each["name"] for each in operation["parameters"] if each["in"] == "header"}
        assert named in (set(), CONDITIONS), path
        assert ("304" in operation["responses"]) == (named == CONDITIONS), path
        filled = path.replace("{board}", "main").replace("{userId}", user)
        status, tag = await asked(instance, user, filled)
        assert (status, tag is not None) == (200, named == CONDITIONS), path
        if tag is not None:
            heeding.add(path)
            assert (await asked(instance, user, filled, {"If-None-Match": tag}))[0] == 304, path
            assert (await asked(instance, user, filled, {"If-Match": '"another"'}))[0] == 412, path
    assert {"/api/actions", "/api/boards", "/api/boards/{board}/entries"} <= heeding


async def asked(
    instance: Instance, user: str, path: str, headers: dict[str, Any] | None = None
) -> tuple[int, str | None]:
    """The status and the tag of an answer."""
    async with instance.client.get(
        path, headers={**instance.bearer(user), **(headers or {})}
    ) as response:
        await response.read()
        return response.status, response.headers.get("ETag")
