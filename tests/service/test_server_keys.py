"""Commands for server keys, and instances that hear of what they change."""

from __future__ import annotations

import functools
import logging
import time
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from scoreboard.errors import ScoreboardError
from scoreboard.keys.verifying import verify
from scoreboard.parts import PARTS
from tests.eventually import eventually
from tests.instances import Instance
from tests.operator import Operator
from tests.service.conftest import Start
from tests.signing import request
from tests.world import sql

# As promised, on a machine that has time for us (`tests/eventually.py`).
SOON_SECONDS = 2.0
ADD = ("keys", "add", "arena", "--title", "Game servers", "--scope", "results")


def answer(instance: Instance, key_id: str, secret: str) -> str:
    """What this instance says of a request that this secret signs: the source, or a code."""
    now = time.time()
    sent = request(secret=Webhook(secret)._whsecret, key_id=key_id, at=now)
    try:
        return verify(sent, instance.app[PARTS].keyring, "results", now).source
    except ScoreboardError as refusal:
        return refusal.code


async def all_say(instances: list[Instance], key_id: str, secret: str, wanted: str) -> None:
    def says(instance: Instance) -> bool:
        return answer(instance, key_id, secret) == wanted

    for instance in instances:
        await eventually(functools.partial(says, instance), within_seconds=SOON_SECONDS)


async def done(operator: Operator, *argv: str) -> Any:
    said = await operator(*argv, "--json")
    assert said.code == 0, said.err
    return said.document


async def test_every_instance_knows_a_key_and_its_end_within_two_seconds(
    start: Start, operator: Operator, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    instances = [await start(), await start()]
    key = await done(operator, *ADD)
    key_id, first = key["keyId"], key["secret"]
    await all_say(instances, key_id, first, "arena")
    assert instances[0].metric("server_keys") == 1

    second = (await done(operator, "keys", "rotate", key_id, "--grace-seconds", "0"))["secret"]
    await all_say(instances, key_id, second, "arena")
    await all_say(instances, key_id, first, "bad_signature")

    later = await start()
    assert answer(later, key_id, second) == "arena"  # it has read all keys before it serves
    await done(operator, "keys", "revoke", key_id)
    await all_say([*instances, later], key_id, second, "unknown_key")

    # Shown once, and nowhere else.
    kept = str(sql(database_url, "SELECT to_jsonb(server_keys)::text FROM server_keys"))
    listed = (await operator("keys", "list", "--json")).out
    for secret in (first, second):
        for text in (kept, listed, caplog.text):
            assert secret not in text
            assert secret.removeprefix("whsec_") not in text
            assert Webhook(secret)._whsecret.hex() not in text


async def test_a_stream_instance_needs_no_keys(start: Start, operator: Operator) -> None:
    key = await done(operator, *ADD)
    instance = await start(role="stream")
    assert answer(instance, key["keyId"], key["secret"]) == "unknown_key"


async def test_commands_for_keys_say_what_they_did_in_words(operator: Operator) -> None:
    assert "There are no server keys" in (await operator("keys", "list")).out
    added = await operator(
        *ADD, "--board", "main", "--rate", "05 / second", "--expires", "2999-01-01"
    )
    assert added.code == 0, added.err
    head, secret, once = added.out.splitlines()
    key_id = head.split()[1].rstrip(",")
    assert secret.startswith("whsec_")
    assert "this once" in once
    listed = (await operator("keys", "list")).out
    for word in (key_id, "arena", "until 2999-01-01T00:00:00Z", "5/second", "results", "main"):
        assert word in listed
    assert "good until" in (await operator("keys", "rotate", key_id)).out
    assert "Sealed 1 key " in (await operator("keys", "reseal")).out
    assert "within 2 s" in (await operator("keys", "revoke", key_id)).out
    assert "revoked" in (await operator("keys", "list")).out
    for again in ("revoke", "rotate"):
        said = await operator("keys", again, key_id, "--json")
        assert (said.code, said.failure["code"]) == (1, "unknown_key")


@pytest.mark.parametrize(
    "wrong",
    [
        ("Arena", "--title", "x", "--scope", "results"),
        ("are--na", "--title", "x", "--scope", "results"),
        ("a" * 51, "--title", "x", "--scope", "results"),
        ("arena", "--title", " ", "--scope", "results"),
        ("arena", "--title", "x\u202e", "--scope", "results"),
        ("arena", "--title", "x" * 101, "--scope", "results"),
        ("arena", "--title", "x", "--scope", "everything"),
        ("arena", "--title", "x"),
        ("arena", "--title", "x", "--scope", "results", "--rate", "fast"),
    ],
)
async def test_what_is_no_key_is_not_added(operator: Operator, wrong: tuple[str, ...]) -> None:
    said = await operator("keys", "add", *wrong)
    assert said.code == 2, said.out
    assert (await operator("keys", "list", "--json")).document == []


async def test_a_key_for_a_board_that_is_not_there_and_one_without_a_jwt_secret_are_not_added(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    said = await operator(*ADD, "--board", "nowhere", "--json")
    assert (said.code, said.failure["code"]) == (1, "unknown_board")
    for scope in ("grants", "users"):
        said = await operator(*ADD, "--scope", scope, "--board", "main", "--json")
        assert (said.code, said.failure["code"]) == (1, "scope_of_all_boards")
    monkeypatch.delenv("SCOREBOARD_JWT_SECRET")
    said = await operator(*ADD, "--json")
    assert (said.code, said.failure["code"]) == (2, "invalid_settings")
    assert "SCOREBOARD_JWT_SECRET" in said.err
    # Where embedded servers run, it shows the lines that name them and their secret.
    (tmp_path / ".scoreboard").mkdir()
    (tmp_path / ".scoreboard" / "exports.sh").write_text("    export A=b")
    assert (await operator(*ADD)).err.endswith("\n    export A=b\n")
