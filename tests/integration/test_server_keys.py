"""Server keys in PostgreSQL: sealed, rotated, revoked, and how an instance hears of it."""

from __future__ import annotations

import asyncio
import time

import pytest
from standardwebhooks import Webhook

from scoreboard.accounts.revocations import RevocationReader, Revocations
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.redis import Redis
from scoreboard.errors import BadSignature, KeyUnreadable, UnknownKey
from scoreboard.keys import registry
from scoreboard.keys.keyring import KeyReader, Keyring
from scoreboard.keys.registry import KeyRegistry, ListedKey, NewKey, TooManyKeys
from scoreboard.keys.sealing import Seal, Unreadable
from scoreboard.keys.verifying import verify
from scoreboard.limits.rates import RateLimiter
from scoreboard.operations.metrics import Metrics
from tests.integration.account_world import NEWER, SECRET, Database
from tests.signing import request

NEW = NewKey("arena", "Game servers", ["results"], None, "5/hour", None)


class Holder:
    """An instance's keyring with its reader, and a server that signs."""

    def __init__(self, postgres: Postgres, *secrets: str) -> None:
        self.metrics = Metrics()
        self.keyring = Keyring()
        self.keys = KeyReader(postgres, self.keyring, Seal(secrets), self.metrics)
        self.reader = RevocationReader(
            postgres,
            Revocations(60, self.metrics),
            self.metrics,
            interval_seconds=1,
            lists={"server_keys": self.keys.read},
        )

    async def takes(self, key: ListedKey, secret: str) -> bool:
        """Read what is new, and verify a request of that key."""
        await self.reader.read()
        now = time.time()
        sent = request(secret=Webhook(secret)._whsecret, key_id=key.key_id, at=now)
        try:
            return verify(sent, self.keyring, "results", now).key_id == key.key_id
        except (BadSignature, UnknownKey):
            return False


@pytest.fixture
def keys(postgres: Postgres) -> KeyRegistry:
    return KeyRegistry(postgres, Seal([SECRET]))


@pytest.fixture
def holder(postgres: Postgres) -> Holder:
    return Holder(postgres, SECRET)


async def test_a_key_is_known_once_it_was_added_and_its_secret_is_kept_sealed(
    keys: KeyRegistry, holder: Holder, database: Database
) -> None:
    await holder.reader.read()
    key, secret = await keys.add(NEW)
    assert await holder.takes(key, secret)
    kept = bytes(database.one("SELECT secret FROM server_keys"))
    raw = Webhook(secret)._whsecret
    assert len(raw) == 32
    assert raw not in kept
    assert raw.hex().encode() not in kept
    found = holder.keyring.known(key.key_id)
    assert (found.source, list(found.scopes), found.board_ids) == ("arena", ["results"], None)


async def test_a_key_that_is_rotated_has_two_secrets_and_never_three(
    keys: KeyRegistry, holder: Holder
) -> None:
    key, first = await keys.add(NEW)
    _, second = await keys.rotate(key.key_id, 60)
    assert [await holder.takes(key, secret) for secret in (first, second)] == [True, True]
    _, third = await keys.rotate(key.key_id, 60)
    good = [await holder.takes(key, secret) for secret in (first, second, third)]
    assert good == [False, True, True]
    _, fourth = await keys.rotate(key.key_id, 0)
    good = [await holder.takes(key, secret) for secret in (first, second, third, fourth)]
    assert good == [False, False, False, True]


async def test_rotations_at_once_take_turns_so_the_last_two_secrets_are_good(
    keys: KeyRegistry, holder: Holder
) -> None:
    key, first = await keys.add(NEW)
    rotated = await asyncio.gather(*(keys.rotate(key.key_id, 60) for _ in range(6)))
    good = [await holder.takes(key, secret) for _, secret in rotated]
    assert good.count(True) == 2
    assert not await holder.takes(key, first)


async def test_a_key_that_is_revoked_is_unknown_and_its_secrets_are_wiped(
    keys: KeyRegistry, holder: Holder, database: Database
) -> None:
    key, secret = await keys.add(NEW)
    other, its_secret = await keys.add(NEW)
    await keys.rotate(key.key_id, 60)
    assert await holder.takes(key, secret)
    revoked = await keys.revoke(key.key_id)
    assert revoked.revoked_at is not None
    assert not await holder.takes(key, secret)
    assert await holder.takes(other, its_secret)
    kept = "SELECT secret, previous_secret FROM server_keys WHERE key_id = %(key_id)s"
    assert database.run(kept, key_id=key.key_id) == [(None, None)]
    for change in (keys.revoke(key.key_id), keys.rotate(key.key_id, 0)):
        with pytest.raises(UnknownKey):
            await change
    # Who starts later knows nothing of it either.
    assert len(holder.keyring) == 1


async def test_changes_that_commit_late_are_not_missed(
    keys: KeyRegistry, holder: Holder, database: Database
) -> None:
    """Whoever changes the list holds its row until the commit: each commit has another reading."""
    key, secret = await keys.add(NEW)
    assert await holder.takes(key, secret)
    with database.in_the_middle_of("UPDATE server_keys SET title = 'Another title'"):
        revoking = asyncio.create_task(keys.revoke(key.key_id))
        await database.held_up(revoking)
        assert await holder.takes(key, secret)
    await revoking
    assert not await holder.takes(key, secret)


async def test_after_a_restore_the_keys_are_those_that_postgresql_has(
    keys: KeyRegistry, holder: Holder, database: Database
) -> None:
    """A backup brings back the reading that the list had."""
    kept, its_secret = await keys.add(NEW)
    backup = database.one("SELECT reading FROM held_lists WHERE list = 'server_keys'")
    lost, lost_secret = await keys.add(NEW)
    assert await holder.takes(lost, lost_secret)
    database.run("DELETE FROM server_keys WHERE key_id = %(key_id)s", key_id=lost.key_id)
    restored = "UPDATE held_lists SET reading = %(backup)s WHERE list = 'server_keys'"
    database.run(restored, backup=backup)
    assert not await holder.takes(lost, lost_secret)
    assert await holder.takes(kept, its_secret)


async def test_only_secrets_that_are_new_are_opened(
    keys: KeyRegistry, holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    open_one = Seal.open

    def counting(seal: Seal, sealed: bytes) -> bytes:
        opened.append(sealed)
        return open_one(seal, sealed)

    monkeypatch.setattr(Seal, "open", counting)
    first, secret = await keys.add(NEW)
    assert await holder.takes(first, secret)
    assert await holder.takes(first, secret)
    second, _ = await keys.add(NEW)
    assert await holder.takes(first, secret)
    assert len(opened) == 2
    _, newer = await keys.rotate(second.key_id, 60)
    assert await holder.takes(second, newer)
    assert len(opened) == 3
    await keys.revoke(second.key_id)
    assert await holder.takes(first, secret)
    assert len(holder.keys._opened) == 1


async def test_secrets_are_sealed_anew_before_an_earlier_jwt_secret_is_dropped(
    keys: KeyRegistry, postgres: Postgres, database: Database
) -> None:
    key, first = await keys.add(NEW)
    _, second = await keys.rotate(key.key_id, 60)
    before = Holder(postgres, NEWER)
    with pytest.raises(KeyUnreadable):
        await before.takes(key, second)
    assert before.keyring.unreadable == 1
    assert (await KeyRegistry(postgres, Seal([NEWER])).reseal()).unreadable == [key.key_id]
    done = await KeyRegistry(postgres, Seal([NEWER, SECRET])).reseal()
    assert (done.resealed, done.unreadable) == (1, [])
    # An instance that could not read it hears of it, as of any change.
    assert [await before.takes(key, secret) for secret in (first, second)] == [True, True]


async def test_nothing_is_sealed_without_a_secret(postgres: Postgres) -> None:
    with pytest.raises(Unreadable):
        await KeyRegistry(postgres, Seal([])).add(NEW)


def test_what_was_sealed_for_another_purpose_is_no_secret() -> None:
    with pytest.raises(Unreadable):
        Seal([SECRET]).open(Seal([SECRET], "another purpose").seal(b"a secret"))


async def test_there_are_no_more_keys_than_an_instance_keeps(
    keys: KeyRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "KEYS_MAX", 2)
    key, _ = await keys.add(NEW)
    await keys.add(NEW)
    with pytest.raises(TooManyKeys):
        await keys.add(NEW)
    await keys.revoke(key.key_id)
    await keys.add(NEW)


async def test_two_who_add_a_key_at_once_do_not_pass_the_limit(
    keys: KeyRegistry, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "KEYS_MAX", 2)
    await keys.add(NEW)
    added = (
        "INSERT INTO server_keys (key_id, source, title, scopes, rate, secret)"
        " SELECT 'key_of_another', source, title, scopes, rate, secret FROM server_keys"
    )
    with database.in_the_middle_of(added):
        adding = asyncio.create_task(keys.add(NEW))
        await database.held_up(adding)
    with pytest.raises(TooManyKeys):
        await adding


async def test_each_key_has_a_rate_of_its_own(
    keys: KeyRegistry, holder: Holder, redis_url: str
) -> None:
    made = [await keys.add(NEW) for _ in range(2)]
    await holder.reader.read()
    first, second = (holder.keyring.known(key.key_id).check for key, _ in made)
    client = Redis(redis_url, timeout_seconds=5.0, name="test")
    limiter = RateLimiter(client, holder.metrics)
    try:
        assert [(await limiter.check([first])).allowed for _ in range(6)] == [True] * 5 + [False]
        assert (await limiter.check([second])).allowed
    finally:
        await limiter.close()
        await client.close()
