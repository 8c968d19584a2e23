"""Load of servers with a key, beside that of players: they grant, record results under receipts,
send some again, and moderate users of their own.

They are as clients should be: what has no clear answer is sent again, as it is, to the next door.
Whatever no such client should ever meet is noted in `violations`.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import orjson

from scoreboard.connections.postgres import Postgres
from scoreboard.model import MAIN
from tests.eventually import eventually
from tests.five_boards import OTHERS
from tests.game_server import a_key, signed
from tests.load import Load, Pair
from tests.subscriber import path_of
from tests.world import add_users, sql

_USERS: Final = 12
_PATIENCE_SECONDS: Final = 15.0
_PAUSE_SECONDS: Final = 0.1
_BATCH_MAX: Final = 5
# Of so many grants and results some are sent again, and revoked.
_LATEST: Final = 200
_BOARDS: Final = (MAIN, *OTHERS)
_MARKS: Final = {"hide": True, "show": False, "ban": True, "unban": False}
_ACTS: Final = (*_MARKS, "correct", "correct", "revoke_grant", "revoke_result")
# What an act may be refused for, because of what was done before it.
_REFUSED_ACTS: Final = {"score_out_of_range", "already_revoked"}

# What a result is sent again with.
_SAID: Final = ("receipt", "userId", "boardId", "value")

Verdict = dict[str, Any]


@dataclass
class Standing:
    """What was done to a user. `is_sure` says that nothing is asked for at this moment."""

    marks: set[str] = field(default_factory=set)
    is_sure: bool = True
    # How often something was asked for.
    turns: int = 0

    @property
    def is_hidden(self) -> bool:
        return self.is_sure and bool(self.marks)

    @property
    def is_banned(self) -> bool:
        return self.is_sure and "ban" in self.marks


class TrustLoad:
    """Servers on some doors, which share a key. Their users are of no other load."""

    def __init__(
        self, doors: Callable[[], Sequence[str]], database_url: str, key: tuple[str, bytes]
    ) -> None:
        self.key_id = key[0]
        self.users = add_users(database_url, _USERS, prefix="gamer")
        self.violations: list[str] = []
        # What was granted, recorded (by receipt) and done (by the id of the request).
        self.granted: set[Pair] = set()
        self.recorded: dict[str, Verdict] = {}
        self.done: dict[str, tuple[str, str]] = {}
        self.sent_again = 0
        self._key = key
        self._doors = doors
        self._actions = [
            action for (action,) in sql(database_url, "SELECT action_id FROM actions LIMIT 5000")
        ]
        self._pairs: deque[Pair] = deque(maxlen=_LATEST)
        self._receipts: deque[str] = deque(maxlen=_LATEST)
        self._standings = {user: Standing() for user in self.users}
        self._numbers = itertools.count(1)
        self._client: aiohttp.ClientSession
        self._tasks: list[asyncio.Task[None]] = []
        self._over = asyncio.Event()

    @property
    def hidden(self) -> set[str]:
        """Who is hidden or banned now, for certain."""
        return {user for user, standing in self._standings.items() if standing.is_hidden}

    async def start(self) -> None:
        """Begin, once every door knows the key."""
        self._client = aiohttp.ClientSession()
        await eventually(self._is_known)
        works = (self._grant, self._record, self._record, self._moderate)
        self._tasks = [asyncio.create_task(self._go_on(work)) for work in works]

    async def stop(self) -> None:
        """End whatever is under way."""
        for task in self._tasks:
            task.cancel()
        ends = await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.close()
        for end in ends:
            if isinstance(end, Exception):
                raise end

    async def finish(self) -> None:
        """Send nothing new, and return when everything has its clear answer."""
        self._over.set()
        await asyncio.gather(*self._tasks)

    async def flows(self, *, within_seconds: float = 20.0) -> None:
        """Return when each of the three is done (again)."""
        before = (len(self.granted), len(self.recorded), len(self.done))

        def goes_on() -> bool:
            now = (len(self.granted), len(self.recorded), len(self.done))
            return all(a > b for a, b in zip(now, before, strict=True))

        await eventually(goes_on, within_seconds=within_seconds, message="servers are answered")

    async def nobody_hidden_is_shown(self, load: Load, *, within_seconds: float) -> None:
        """Return when no door and no stream shows anybody who was hidden when this began."""
        turns = {user: self._standings[user].turns for user in self.hidden}

        async def are_gone() -> bool:
            shown = [
                (subscriber.board_id, entry["userId"])
                for subscriber in (*load.subscribers, *load.others)
                for entry in subscriber.board
            ]
            for door in self._doors():
                for board_id in _BOARDS:
                    async with self._client.get(door + path_of(board_id)) as response:
                        entries = orjson.loads(await response.read())["data"]
                    shown += [(board_id, entry["userId"]) for entry in entries]
            still = {user for user, turn in turns.items() if self._standings[user].turns == turn}
            assert not [each for each in shown if each[1] in still]
            return True

        await eventually(are_gone, within_seconds=within_seconds)

    async def _go_on(self, work: Callable[[], Any]) -> None:
        while not self._over.is_set():
            await work()
            await asyncio.sleep(_PAUSE_SECONDS)

    # What is sent.

    async def _grant(self) -> None:
        """Grant some actions, and some that were granted before."""
        pairs = [(random.choice(self.users), random.choice(self._actions)) for _ in range(3)]
        pairs += random.sample([*self._pairs], min(2, len(self._pairs)))
        banned = self._banned()
        before = self.granted.intersection(pairs)

        def judge(pair: Pair, verdict: Verdict, attempt: int) -> bool:
            what = verdict["verdict"]
            if what == "granted":
                self._is(pair not in before, "granted twice", verdict)
                self._is(not self._was_banned(pair[0], banned), "granted, though banned", verdict)
            elif what == "repeated":
                self._is(pair in before or attempt > 0, "nobody had granted that", verdict)
            elif what == "refused":
                self._is(verdict["error"]["code"] == "banned", "refused", verdict)
                return True
            if what != "unavailable" and pair not in self.granted:
                self.granted.add(pair)
                self._pairs.append(pair)
            return what != "unavailable"

        await self._until_clear(
            "/api/grants",
            "grants",
            {pair: {"userId": pair[0], "actionId": pair[1]} for pair in pairs},
            judge,
        )

    async def _record(self) -> None:
        """Record some results, and send some again that were recorded before."""
        new = [f"r{next(self._numbers)}" for _ in range(random.randint(1, _BATCH_MAX))]
        again = random.sample([*self._receipts], min(2, len(self._receipts)))
        self.sent_again += len(again)
        banned = self._banned()
        results: dict[str, dict[str, Any]] = {
            receipt: {
                "receipt": receipt,
                "userId": random.choice(self.users),
                "boardId": random.choice(_BOARDS),
                "value": random.randint(1, 20),
            }
            for receipt in new
        }
        for receipt in again:
            first = self.recorded[receipt]
            results[receipt] = {name: first[name] for name in _SAID}

        def judge(receipt: str, verdict: Verdict, attempt: int) -> bool:
            what, first = verdict["verdict"], self.recorded.get(receipt)
            if what == "recorded":
                self._is(first is None, "recorded twice", verdict)
                user = results[receipt]["userId"]
                self._is(not self._was_banned(user, banned), "recorded, though banned", verdict)
            elif what == "repeated":
                self._is(first is not None or attempt > 0, "nobody had sent that", verdict)
                same = first is None or first == verdict | {"verdict": first["verdict"]}
                self._is(same, f"not what was answered first, {first}", verdict)
            elif what == "refused":
                self._is(verdict["error"]["code"] == "banned", "refused", verdict)
                self._is(first is None, "refused, though recorded", verdict)
                return True
            if what != "unavailable" and first is None:
                self.recorded[receipt] = verdict
                self._receipts.append(receipt)
            return what != "unavailable"

        await self._until_clear("/api/results", "results", results, judge)

    async def _moderate(self) -> None:
        """Do something to one of the users; each request is done once, however often it is sent."""
        act, user = random.choice(_ACTS), random.choice(self.users)
        body: dict[str, Any] = {"act": act, "reason": "a soak", "userId": user}
        if act == "correct":
            points = random.choice((-9, -2, 5, 30))
            body |= {"boardId": random.choice(_BOARDS), "points": points}
        elif act == "revoke_grant":
            mine = [action for granted, action in self._pairs if granted == user]
            if not mine:
                return
            body["actionId"] = random.choice(mine)
        elif act == "revoke_result":
            if not self._receipts:
                return
            receipt = random.choice(self._receipts)
            user = self.recorded[receipt]["userId"]
            body = {"act": act, "reason": "a soak", "receipt": receipt}
        nonce, standing = f"soak-request-{next(self._numbers):08}", self._standings[user]
        standing.is_sure, standing.turns = False, standing.turns + 1
        for attempt in itertools.count():
            status, document = await self._post("/api/moderation", body, nonce)
            if status == 200:
                data = document["data"]
                self._is(attempt > 0 or not data["isRepeated"], "nobody had asked that", document)
                self._is((data["act"], data["userId"]) == (act, user), "another act", document)
                self.done[nonce] = act, user
                self._mark(standing, act)
                break
            if status in (400, 403, 404, 409):
                self._is(document["code"] in _REFUSED_ACTS, f"{act} refused", document)
                break
        standing.is_sure = True

    @staticmethod
    def _mark(standing: Standing, act: str) -> None:
        if act in _MARKS:
            mark = {"show": "hide", "unban": "ban"}.get(act, act)
            (standing.marks.add if _MARKS[act] else standing.marks.discard)(mark)

    def _banned(self) -> dict[str, int]:
        return {user: each.turns for user, each in self._standings.items() if each.is_banned}

    def _was_banned(self, user: str, banned: dict[str, int]) -> bool:
        """Whether the user was banned then, and is since."""
        return banned.get(user) == self._standings[user].turns

    def _is(self, holds: bool, what: str, answer: object) -> None:
        if not holds:
            self.violations.append(f"{what}: {answer}")

    # How it is sent.

    async def _until_clear(
        self,
        path: str,
        member: str,
        left: dict[Any, dict[str, Any]],
        judge: Callable[[Any, Verdict, int], bool],
    ) -> None:
        """Send all of them, and again those that have no clear answer."""
        for attempt in itertools.count():
            status, document = await self._post(path, {member: [*left.values()]})
            if status == 200:
                verdicts = zip([*left], document["data"], strict=True)
                clear = {what for what, verdict in verdicts if judge(what, verdict, attempt)}
                left = {what: said for what, said in left.items() if what not in clear}
                if not left:
                    return

    async def _post(
        self, path: str, body: dict[str, Any], nonce: str | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Send it once, to any door; 0 for no answer. Only a 503 with Retry-After is sent again."""
        door, raw = random.choice(self._doors()), orjson.dumps(body)
        status, document = 0, {}
        try:
            async with (
                asyncio.timeout(_PATIENCE_SECONDS),
                self._client.post(
                    door + path, data=raw, headers=signed(*self._key, "POST", path, raw, nonce)
                ) as response,
            ):
                text = await response.read()
                status, document = response.status, orjson.loads(text)
                if status >= 500:
                    is_honest = status == 503 and "Retry-After" in response.headers
                    self._is(is_honest, f"{path} of {door}: {status}", document)
        except TimeoutError:
            self.violations.append(f"{door}{path}: no answer within {_PATIENCE_SECONDS} s")
        except (aiohttp.ClientError, OSError):
            pass
        if status in (0, 503):
            await asyncio.sleep(random.uniform(0.05, 0.15))
        elif status != 200 and path != "/api/moderation":
            raise AssertionError(f"{path} of {door}: {status} {document}")
        return status, document

    async def _is_known(self) -> bool:
        path = "/api/results/none"
        for door in self._doors():
            headers = signed(*self._key, "GET", path, b"")
            async with self._client.get(door + path, headers=headers) as response:
                assert response.status == 404, await response.text()
        return True


@asynccontextmanager
async def a_trust_load(load: Load, database_url: str) -> AsyncIterator[TrustLoad]:
    """Servers beside this load, on the same doors; they are answered when this begins, and nothing
    they met was dishonest when this ends.
    """
    postgres = Postgres(database_url, sessions=1, timeout_seconds=10.0, name="test.keys")
    try:
        key = await a_key(postgres)
    finally:
        postgres.close()
    trust = TrustLoad(lambda: load.doors, database_url, key)
    for subscriber in load.others:
        subscriber.moderated = frozenset(trust.users)
    await trust.start()
    try:
        await trust.flows()
        yield trust
    finally:
        await trust.stop()
    assert trust.violations == [], trust.violations[:9]
