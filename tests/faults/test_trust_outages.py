"""The outage table for what servers and operators do: nothing of it is lost or done twice, who was
refused stays refused, and every place shows what was done within 2 s of the server's return.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from scoreboard.parts import PARTS
from tests.eventually import eventually
from tests.everywhere import SOON_SECONDS, Everywhere
from tests.game_server import GameServer
from tests.instances import Instance, Start
from tests.lines import Line
from tests.operator import Operator
from tests.world import add_actions, add_board, add_users, entries, scores, sql

pytestmark = pytest.mark.timeout(120)

WHY: Final = "Impossible scores"
NONCE: Final = "asked-for-once-0001"
DAY: Final = timedelta(days=1)


@dataclass
class Contest:
    """Two instances, their boards with ada, bob, cleo and dan, and the servers of a game."""

    everywhere: Everywhere
    operator: Operator
    users: list[str]
    server: GameServer
    # A key that is revoked while something is away, and one that was revoked before.
    doomed: GameServer
    gone: GameServer

    @property
    def instances(self) -> list[Instance]:
        return self.everywhere.instances

    async def do(self, *argv: str) -> None:
        """Run a command that moderates."""
        said = await self.operator("users", *argv, "--reason", WHY)
        assert said.code == 0, said.err

    async def revoke(self, server: GameServer) -> None:
        said = await self.operator("keys", "revoke", server.key_id)
        assert said.code == 0, said.err

    async def refuses(self, user_id: str, server: GameServer) -> None:
        """Wait until both instances refuse this user, who is banned, and this key."""
        for instance in self.instances:

            async def refused(instance: Instance = instance) -> bool:
                status, document = await instance.submit(user_id, "ten")
                assert (status, document["code"]) == (403, "banned")
                status, document = await server.send("GET", "/api/results/none", to=instance)
                return (status, document["code"]) == (401, "unknown_key")

            await eventually(refused, within_seconds=SOON_SECONDS)

    async def send(
        self, server: GameServer, receipt: str, *, to: Instance
    ) -> tuple[int, dict[str, Any]]:
        """Send a result of cleo, of 5 points on `weekly`."""
        result = {"receipt": receipt, "userId": self.users[2], "boardId": "weekly", "value": 5}
        return await server.send("POST", "/api/results", {"results": [result]}, to=to)

    async def correct(self, *, to: Instance) -> tuple[int, dict[str, Any]]:
        """Ask for 7 points more for cleo on `main`: each time the same request."""
        body = {"act": "correct", "reason": WHY, "userId": self.users[2], "boardId": "main"}
        return await self.server.send(
            "POST", "/api/moderation", body | {"points": 7}, nonce=NONCE, to=to
        )

    async def all_is_done_once(self, receipt: str) -> None:
        """Whatever became of it before: sent again by both doors at once, it counts once."""

        async def is_recorded(instance: Instance) -> bool:
            return (await self.send(self.server, receipt, to=instance))[0] == 200

        async def is_corrected(instance: Instance) -> bool:
            return (await self.correct(to=instance))[0] == 200

        await asyncio.gather(
            *(
                eventually(functools.partial(again, instance))
                for again in (is_recorded, is_corrected)
                for instance in self.instances
            )
        )
        for instance in self.instances:
            _, document = await self.send(self.server, receipt, to=instance)
            assert document["data"][0]["verdict"] == "repeated"
            _, document = await self.correct(to=instance)
            assert document["data"]["isRepeated"] is True
        database_url, cleo = self.everywhere.database_url, self.users[2]
        assert entries(database_url, "weekly")[cleo] == 15
        assert scores(database_url)[cleo] == 17
        assert sql(database_url, "SELECT receipt FROM results") == [(receipt,)]

    async def audited(self, *acts: str) -> None:
        """Each of these stands in the audit once, and nothing else; its chain is whole."""
        assert sorted(act for act, *_ in self.everywhere.audit()) == sorted(acts)
        assert (await self.operator("audit", "verify")).code == 0


BEFORE: Final = [("player0", 30), ("player1", 20), ("player2", 10)]
# Ada is hidden and bob is banned; cleo has 7 points more on `main`, and a result of 5 on `weekly`.
AFTER: Final = ([("player2", 17)], [("player2", 15)])
ACTS: Final = ("ban", "hide", "ban", "correct")


async def a_contest(
    instances: list[Instance], operator: Operator, database_url: str, redis_url: str
) -> Contest:
    """Begin it: dan is banned."""
    users = add_users(database_url, 4)
    add_actions(database_url, {"thirty": 30, "twenty": 20, "ten": 10})
    now = datetime.now(UTC)
    add_board(database_url, "weekly", (now - DAY, now + DAY), (now + DAY, now + 2 * DAY))
    for user, action in zip(users, ("thirty", "twenty", "ten", "ten"), strict=True):
        assert (await instances[0].submit(user, action))[0] == 200
    servers = [await GameServer.of(instances[0]) for _ in range(3)]
    for instance in instances:
        await instance.app[PARTS].revocations.read()
    everywhere = Everywhere(instances, database_url, redis_url)
    await everywhere.open()
    contest = Contest(everywhere, operator, users, *servers)
    await contest.do("ban", "player3")
    await contest.revoke(contest.gone)
    await contest.refuses(users[3], contest.gone)
    await everywhere.show(BEFORE, BEFORE)
    return contest


@pytest.mark.parametrize("how", ["cut", "black hole"])
async def test_without_postgresql_refusals_hold_and_on_its_return_all_that_was_done_meanwhile_shows(
    start: Start,
    operator: Operator,
    database_url: str,
    redis_url: str,
    database_line: Line,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    """Operators moderate meanwhile, by way of a line that holds, and reach nothing else."""
    settings = {"database_url": database_line.url, "database_timeout_seconds": 1.0}
    instances = [await start(**settings) for _ in range(2)]
    contest = await a_contest(instances, operator, database_url, redis_url)
    ada, bob, _, dan = contest.users

    if how == "cut":
        await database_line.proxy.cut()
    else:
        database_line.proxy.black_hole()
    monkeypatch.setenv("SCOREBOARD_REDIS_URL", "redis://127.0.0.1:1")
    await contest.do("hide", f"id:{ada}")
    await contest.do("ban", f"id:{bob}")
    await contest.revoke(contest.doomed)
    await contest.refuses(dan, contest.gone)
    one, two = await asyncio.gather(
        contest.send(contest.server, "away", to=instances[0]), contest.correct(to=instances[1])
    )
    for status, document in (one, two):
        assert (status, document["code"]) == (503, "ledger_unavailable")
    await contest.everywhere.show(BEFORE, BEFORE)  # which is all that they can know

    await database_line.proxy.heal()
    await contest.everywhere.show(BEFORE[2:], BEFORE[2:])
    await contest.refuses(bob, contest.doomed)
    await contest.all_is_done_once("away")
    await contest.everywhere.show(*AFTER)
    await contest.audited(*ACTS)


async def test_keys_that_could_not_be_read_while_postgresql_went_away_are_read_on_its_return(
    start: Start, operator: Operator, database_line: Line
) -> None:
    """The instance knows that they have changed, and the answer to what they are now is lost."""
    instance = await start(database_url=database_line.url, database_timeout_seconds=1.0)
    server = await GameServer.of(instance)
    database_line.proxy.black_hole_from(lambda request: b"FROM server_keys" in request)
    assert (await operator("keys", "revoke", server.key_id)).code == 0
    await eventually(lambda: instance.metric("revocation_reads_failed_total") > 0)
    assert database_line.proxy.swallows
    await database_line.proxy.heal()

    async def is_refused() -> bool:
        status, document = await server.send("GET", "/api/results/none")
        return (status, document["code"]) == (401, "unknown_key")

    await eventually(is_refused, within_seconds=SOON_SECONDS)


async def test_a_result_and_an_act_count_once_though_the_answers_to_their_commits_were_lost(
    start: Start, operator: Operator, database_url: str, redis_url: str, database_line: Line
) -> None:
    instances = [await start(database_url=database_line.url) for _ in range(2)]
    contest = await a_contest(instances, operator, database_url, redis_url)

    database_line.proxy.drop_replies_after(commit_after(b"INSERT INTO results"))
    status, document = await contest.send(contest.server, "lost", to=instances[0])
    assert (status, document["code"]) == (503, "ledger_unavailable")
    shown = [*BEFORE[:2], ("player2", 15)]
    await contest.everywhere.show(BEFORE, shown)  # committed, though nobody here was told

    database_line.proxy.drop_replies_after(commit_after(b"INSERT INTO audit"))
    status, document = await contest.correct(to=instances[0])
    assert (status, document["code"]) == (503, "ledger_unavailable")
    await contest.everywhere.show([*BEFORE[:2], ("player2", 17)], shown)
    assert database_line.proxy.replies_dropped == 2

    await contest.all_is_done_once("lost")
    await contest.audited("ban", "correct")


def commit_after(written: bytes) -> Callable[[bytes], bool]:
    """Finds the commit of a transaction that has this statement."""
    is_written = False

    def finds(request: bytes) -> bool:
        nonlocal is_written
        is_written = is_written or written in request
        return is_written and b"COMMIT\0" in request

    return finds


async def test_without_redis_what_is_done_shows_at_once_and_its_old_copies_are_gone_on_its_return(
    start: Start,
    operator: Operator,
    database_url: str,
    redis_url: str,
    redis_line: Line,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    instances = [await start(redis_url=redis_line.url) for _ in range(2)]
    contest = await a_contest(instances, operator, database_url, redis_url)
    monkeypatch.setenv("SCOREBOARD_REDIS_URL", redis_line.url)  # commands are without it as well
    monkeypatch.setenv("SCOREBOARD_REDIS_TIMEOUT_SECONDS", "0.5")

    await redis_line.proxy.cut()
    await acts_beside_an_outage(contest, "away")
    await contest.everywhere.show(*AFTER, copies=False)

    await redis_line.proxy.heal()
    await contest.everywhere.show(*AFTER)
    await contest.all_is_done_once("away")
    await contest.audited(*ACTS)


# See test_under_load.py: a connection that aio-pika gave up halfway closes itself when it can.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_without_rabbitmq_what_is_done_shows_everywhere_within_two_seconds(
    start: Start,
    operator: Operator,
    database_url: str,
    redis_url: str,
    amqp_line: Line,
) -> None:
    settings = {"amqp_url": amqp_line.url, "publish_timeout_seconds": 1.0}
    instances = [await start(**settings) for _ in range(2)]
    contest = await a_contest(instances, operator, database_url, redis_url)

    amqp_line.proxy.black_hole()
    await acts_beside_an_outage(contest, "away")
    await contest.everywhere.show(*AFTER)

    await amqp_line.proxy.heal()
    await contest.all_is_done_once("away")
    await contest.do("unban", "player1")
    await contest.everywhere.show([("player1", 20), *AFTER[0]], [("player1", 20), *AFTER[1]])
    await contest.audited(*ACTS, "unban")


async def acts_beside_an_outage(contest: Contest, receipt: str) -> None:
    """All that is done without PostgreSQL's outage goes on: acts by command and by key, results."""
    ada, bob, *_ = contest.users
    status, document = await contest.send(contest.server, receipt, to=contest.instances[0])
    assert (status, document["data"][0]["verdict"]) == (200, "recorded")
    status, document = await contest.correct(to=contest.instances[1])
    assert (status, document["data"]["isRepeated"]) == (200, False)
    await contest.do("hide", f"id:{ada}")
    await contest.do("ban", f"id:{bob}")
    await contest.revoke(contest.doomed)
    await contest.refuses(bob, contest.doomed)
