"""Access tokens that end before their time: on every instance, in streams, and after a restart."""

from __future__ import annotations

import asyncio

import pytest

from scoreboard.accounts.revocations import RevocationReader
from tests.commands import command
from tests.instances import SECRET, Instance
from tests.person import PASSWORD, Person, end_with, enter, only_hear, post, streams_of
from tests.service.conftest import Start
from tests.world import add_actions, grants, sql

OTHER_PASSWORD = "another one for this test"


@pytest.fixture
async def closed(start: Start) -> list[Instance]:
    """Two instances that only bearers of a token may read."""
    return [await start(require_token_to_read=True) for _ in range(2)]


async def test_a_deleted_user_is_gone_from_streams_and_closed_reads_of_every_instance(
    closed: list[Instance], database_url: str, redis_url: str
) -> None:
    add_actions(database_url, {"run": 5})
    ada = await enter(closed[0], "register")
    streams = await streams_of(ada, closed)
    environment = {
        "SCOREBOARD_DATABASE_URL": database_url,
        "SCOREBOARD_REDIS_URL": redis_url,
        "SCOREBOARD_JWT_SECRET": SECRET,
    }
    code, output = await command(environment, "users", "erase", "ada", "--yes", "--reason", "x")
    assert code == 0, output
    await end_with(streams, "unknown_user")
    await only_hear(ada, closed, "unknown_user")
    assert grants(database_url) == []
    assert not await ada.refreshes(closed[0])
    assert sum(instance.metric("streams_revoked_total") for instance in closed) == 2


async def test_a_user_deleted_by_hand_is_gone_as_well(
    closed: list[Instance], database_url: str
) -> None:
    """By an operator in psql, or by the command of the release before."""
    ada = await enter(closed[0], "register")
    streams = await streams_of(ada, closed)
    sql(database_url, "DELETE FROM users WHERE username = 'ada'")
    await end_with(streams, "unknown_user")
    await only_hear(ada, closed, "unknown_user")


async def test_a_log_out_everywhere_ends_every_log_in_and_stream_and_leaves_the_next_one_alone(
    closed: list[Instance], database_url: str
) -> None:
    add_actions(database_url, {"run": 5})
    ada = await enter(closed[0], "register")
    phone = await enter(closed[1], "login")
    streams = await streams_of(phone, closed)
    done = await post(closed[0], ada, "/api/auth/logout-all")
    assert done == {"success": True, "message": "Logged out everywhere"}
    # Who asked for it is told at once, the others soon.
    assert await ada.all_answers(closed[0]) == {"revoked_token"}
    again = await enter(closed[0], "login")
    await end_with(streams, "revoked_token")
    for person in (ada, phone):
        await only_hear(person, closed, "revoked_token")
        assert not await person.refreshes(closed[1])
    for instance in closed:
        assert await again.asks(instance, "GET", "/api/me") == "200"
    assert await again.refreshes(closed[1])
    assert grants(database_url) == []


async def test_whoever_changes_the_password_goes_on_and_all_others_are_out(
    closed: list[Instance],
) -> None:
    ada = await enter(closed[0], "register")
    phone = await enter(closed[1], "login")
    streams = await streams_of(phone, closed)
    passwords = {"currentPassword": PASSWORD, "newPassword": OTHER_PASSWORD}
    renewed = Person(await post(closed[0], ada, "/api/auth/password", passwords))
    await end_with(streams, "revoked_token")
    for person in (ada, phone):
        await only_hear(person, closed, "revoked_token")
        assert not await person.refreshes(closed[1])
    for instance in closed:
        assert await renewed.asks(instance, "GET", "/api/me") == "200"
    assert await renewed.refreshes(closed[1])
    assert (await enter(closed[1], "login", OTHER_PASSWORD)).user_id == ada.user_id


async def test_a_token_is_good_again_within_the_second_in_which_the_one_before_ended(
    start: Start,
) -> None:
    """Over two instances, whatever one of them has heard of so far."""
    one, two = await start(), await start()
    person = await enter(one, "register")
    for _ in range(5):
        await post(one, person, "/api/auth/logout-all")
        assert await person.asks(one, "GET", "/api/me") == "revoked_token"
        person = await enter(two, "login")
        for instance in (one, two):
            assert await person.asks(instance, "GET", "/api/me") == "200"


async def test_an_instance_knows_what_was_revoked_before_it_serves(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await start()
    ada = await enter(one, "register")
    await post(one, ada, "/api/auth/logout-all")

    async def never(_: RevocationReader) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(RevocationReader, "run", never)
    restarted = await start()
    assert await ada.asks(restarted, "GET", "/api/me") == "revoked_token"


async def test_open_boards_and_their_streams_ask_nobody_who_reads(start: Start) -> None:
    """They belong to nobody, so nobody is put out of them."""
    instance = await start()
    ada = await enter(instance, "register")
    [stream] = await streams_of(ada, [instance])
    await post(instance, ada, "/api/auth/logout-all")
    assert await ada.asks(instance, "GET", "/api/leaderboard") == "200"
    await asyncio.sleep(0)
    assert not stream.ended


# What is asked for in return


async def test_a_change_of_password_is_refused_with_what_is_wrong(instance: Instance) -> None:
    ada = await enter(instance, "register")
    change = {"currentPassword": PASSWORD, "newPassword": OTHER_PASSWORD}
    for body, status, code in (
        (change | {"currentPassword": "wrong"}, 401, "bad_credentials"),
        (change | {"newPassword": "short"}, 400, "invalid_payload"),
        (change | {"newPassword": "password1"}, 400, "invalid_payload"),
        (change | {"newPassword": "ada@example.org"}, 400, "invalid_payload"),
        ({"newPassword": OTHER_PASSWORD}, 400, "invalid_payload"),
    ):
        async with instance.client.post(
            "/api/auth/password", json=body, headers=ada.bearer
        ) as response:
            document = await response.json()
            assert (response.status, document["code"]) == (status, code), body
            if status == 400:
                assert len(document["errors"]) == 1
    for path in ("/api/auth/password", "/api/auth/logout-all"):
        async with instance.client.post(path, json=change) as response:
            assert (response.status, (await response.json())["code"]) == (403, "not_authorized")
    assert await ada.asks(instance, "GET", "/api/me") == "200"
    assert await ada.refreshes(instance)


async def test_guesses_of_a_password_are_counted_whatever_token_they_come_with(
    start: Start,
) -> None:
    instance = await start(rate_limit_logins_per_user="3/hour")
    ada = await enter(instance, "register")
    wrong = {"currentPassword": "wrong", "newPassword": OTHER_PASSWORD}
    codes = [await ada.asks(instance, "POST", "/api/auth/password", wrong) for _ in range(4)]
    assert codes == ["bad_credentials"] * 3 + ["rate_limited"]
    right = wrong | {"currentPassword": PASSWORD}
    assert await ada.asks(instance, "POST", "/api/auth/password", right) == "rate_limited"


async def test_who_guesses_at_a_log_in_keeps_nobody_from_a_new_password(start: Start) -> None:
    instance = await start(rate_limit_logins_per_user="3/hour")
    ada = await enter(instance, "register")
    guess = {"username": "ada", "password": "wrong"}
    for _ in range(5):
        async with instance.client.post("/api/auth/login", json=guess) as response:
            assert response.status in (401, 429)
    change = {"currentPassword": PASSWORD, "newPassword": OTHER_PASSWORD}
    assert await ada.asks(instance, "POST", "/api/auth/password", change) == "200"
