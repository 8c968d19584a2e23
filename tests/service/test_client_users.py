"""scoreboard.client asks real instances as a user: over lost answers and ends of tokens, what was
asked for is done once, and nobody is logged out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from scoreboard.client import (
    AsyncUserClient,
    LogIn,
    Pause,
    Refused,
    Unavailable,
    UserClient,
)
from tests.instances import Instance
from tests.lines import Line, a_line
from tests.service.conftest import Start
from tests.world import add_actions, add_users, grants, ledger_sums, scores, sql

PASSWORD = "analytical engine"
ADA = ("ada", "ada@example.org", PASSWORD)


@pytest.fixture
async def line(instance: Instance, database_url: str) -> AsyncIterator[Line]:
    """A line to an instance that can be broken."""
    add_actions(database_url, {"one": 5, "two": 7})
    async with a_line(instance.url) as line:
        yield line


def loses(line: Line, target: bytes) -> None:
    """Lose the answer to the next request of this target."""
    line.proxy.drop_replies_after(lambda sent: target in sent)


async def test_a_user_registers_plays_and_reads_where_they_stand(
    line: Line, database_url: str
) -> None:
    [bob] = add_users(database_url, 1)
    async with AsyncUserClient(line.url) as ada:
        assert [action.points for action in (await ada.actions()).items] == [5, 7]
        log_in = await ada.register(*ADA)
        submitted = await ada.submit("one")
        assert (submitted.points, submitted.score, submitted.repeated) == (5, 5, False)
        standing = await ada.me()
        assert (standing.user_id, standing.score, standing.rank) == (log_in.user_id, 5, 1)
        window = await ada.place(around=1)
        assert (window.place.score, window.place.rank, window.place.total) == (5, 1, 1)
        assert [line_.username for line_ in window.lines] == ["ada"]
        assert (await ada.place_of(log_in.user_id)).place == window.place
        page = await ada.entries(limit=1)
        assert ([each.rank for each in page.lines], page.total, page.next) == ([1], 1, None)
        assert (await ada.entries(users=[log_in.user_id])).lines == page.lines
        assert (await ada.board()).entries[0].username == "ada"
        assert [board.board_id for board in (await ada.boards()).items] == ["main"]
        await ada.follow(bob)
        assert [each.user_id for each in await ada.follows()] == [bob]
        await ada.unfollow(bob)
        assert await ada.follows() == ()
        with pytest.raises(Refused, match="no_entry"):
            await ada.place_of(bob)


async def test_a_submission_whose_answer_was_lost_is_sent_again_and_counts_once(
    line: Line, database_url: str
) -> None:
    async with AsyncUserClient(line.url) as ada:
        await ada.register(*ADA)
        loses(line, b"POST /api/actions")
        submitted = await ada.submit("one")
        assert line.proxy.replies_dropped == 1
        assert (submitted.repeated, submitted.points, submitted.score) == (True, 5, None)
        with pytest.raises(Refused) as refused:  # by another call it was granted before
            await ada.submit("one")
        assert refused.value.document["grant"]["points"] == 5
    assert len(grants(database_url)) == 1
    assert scores(database_url) == ledger_sums(database_url)


async def test_an_account_whose_answer_was_lost_is_logged_in(line: Line, database_url: str) -> None:
    async with AsyncUserClient(line.url) as ada, AsyncUserClient(line.url) as other:
        loses(line, b"POST /api/auth/register")
        assert (await ada.register(*ADA)).username == "ada"
        assert line.proxy.replies_dropped == 1
        loses(line, b"POST /api/auth/register")
        with pytest.raises(Refused, match="account_taken"):  # it is somebody else's
            await other.register("ada", "other@example.org", "another long password")
        assert other.user is None
    assert len(sql(database_url, "SELECT user_id FROM users")) == 1


async def test_tokens_are_renewed_before_their_end_once_for_all_who_wait(
    start: Start, database_url: str
) -> None:
    instance = await start(access_token_seconds=1)
    kept: list[LogIn | None] = []
    async with AsyncUserClient(instance.url, on_log_in=kept.append) as ada:
        await ada.register(*ADA)
        for _ in range(3):
            token = await ada.token()
            found = await asyncio.gather(*(ada.token(token) for _ in range(20)))
            assert len(set(found)) == 1
            assert found[0] is not None
    tokens = [log_in.refresh_token for log_in in kept if log_in]
    assert len(tokens) == len(set(tokens))
    assert 4 <= len(tokens) <= 7  # not one for each who asked
    async with AsyncUserClient(instance.url, log_in=kept[-1]) as again:
        assert (await again.me()).username == "ada"


async def test_a_renewal_whose_answer_was_lost_is_asked_for_again_and_goes_on(
    line: Line, instance: Instance
) -> None:
    async with AsyncUserClient(line.url) as ada:
        await ada.register(*ADA)
        for _ in range(4):
            loses(line, b"POST /api/auth/refresh")
            assert await ada.token(await ada.token()) is not None
            await ada.token(await ada.token())  # one whose answer comes
            assert (await ada.me()).username == "ada"
        assert line.proxy.replies_dropped == 4


async def test_a_token_that_was_revoked_is_renewed_on_the_way(
    line: Line, instance: Instance
) -> None:
    async with AsyncUserClient(line.url) as ada, AsyncUserClient(line.url) as elsewhere:
        await ada.register(*ADA)
        await elsewhere.log_in("ada", PASSWORD)
        await elsewhere.change_password(PASSWORD, "lantern over quiet water")
        assert (await elsewhere.me()).username == "ada"
        with pytest.raises(Refused, match="401 invalid_refresh_token"):
            await ada.token(await ada.token())
        assert ada.user is None
        await elsewhere.log_out()
        assert elsewhere.user is None
        with pytest.raises(Refused, match="not_authorized"):
            await elsewhere.me()


async def test_what_nobody_answers_is_unavailable_and_each_wait_is_told(line: Line) -> None:
    paused: list[Pause] = []
    async with AsyncUserClient(line.url, patience_seconds=1, on_pause=paused.append) as ada:
        await ada.register(*ADA)
        await line.proxy.cut()
        with pytest.raises(Unavailable, match="/api/actions was not answered in time"):
            await ada.submit("one")
        assert {pause.path for pause in paused} == {"/api/actions"}
        await line.proxy.heal()
        assert (await ada.submit("one")).score == 5


async def test_who_is_cancelled_in_a_renewal_loses_no_token(line: Line) -> None:
    async with AsyncUserClient(line.url) as ada:
        await ada.register(*ADA)
        for _ in range(6):  # more than a service forgives
            asking = asyncio.create_task(ada.token(await ada.token()))
            await asyncio.sleep(0)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
        assert (await ada.me()).username == "ada"


async def test_a_program_without_asyncio_asks_in_the_same_way(
    line: Line, database_url: str
) -> None:
    def ask() -> None:
        with UserClient(line.url) as ada:
            log_in = ada.register(*ADA)
            loses(line, b"POST /api/actions")
            assert ada.submit("one").repeated
            loses(line, b"POST /api/auth/refresh")
            assert ada.token(ada.token()) is not None
            assert ada.me().user_id == log_in.user_id
            assert ada.place().place.rank == 1
            kept = ada.user
        with UserClient(line.url, log_in=kept) as again:
            assert again.submit("two").score == 12
            again.log_out()
            with pytest.raises(Refused, match="not_authorized"):
                again.me()

    await asyncio.to_thread(ask)
    assert line.proxy.replies_dropped == 2
    assert len(grants(database_url)) == 2


def test_both_clients_have_the_same_methods() -> None:
    names = {name for name in dir(UserClient) if not name.startswith("_")}
    assert names == {name for name in dir(AsyncUserClient) if not name.startswith("_")}
