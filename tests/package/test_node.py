"""The client in Node: it follows a board over cuts, logs in, submits, and ends when it is told."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from tests.eventually import eventually
from tests.instances import PATIENCE, Instance, starting_instances
from tests.node import NODE
from tests.packed import Packed
from tests.proxy import TcpProxy
from tests.world import add_actions, add_users, grants

OLDEST = 20  # of the package's `engines`
ADA = {"username": "ada", "email": "ada@example.org", "password": "correct horse battery"}
LOG_IN = {"username": "ada", "password": ADA["password"]}


class Failed(Exception):
    """What the program was asked for did not work; the members of the failure."""


class Program:
    """A running `play.js`: it is asked, and says what it hears meanwhile."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.versions: list[int] = []
        self.states: list[str] = []
        self.users: list[str | None] = []
        self.granted: list[int] = []
        self._answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, program: Path, folder: Path, url: str) -> Self:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            program, "play.js", cwd=folder, env={"SERVICE": url}, stdin=pipe, stdout=pipe
        )
        return cls(process)

    async def ask(self, question: str, *values: Any) -> Any:
        self.tell(question, *values)
        return await self.answer()

    def tell(self, question: str, *values: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"ask": question, "with": values}).encode() + b"\n")

    async def answer(self) -> Any:
        said = await asyncio.wait_for(self._answers.get(), 60)
        if "failure" in said:
            raise Failed(said["failure"])
        return said["answer"]

    async def ends(self) -> int:
        return await asyncio.wait_for(self.process.wait(), 30)

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
        self._reading.cancel()
        with suppress(asyncio.CancelledError):
            await self._reading

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            said = json.loads(line)
            self.versions += [said["version"]] if "version" in said else []
            self.states += [said["status"]] if "status" in said else []
            self.granted += [said["granted"]] if "granted" in said else []
            self.users += [said["user"]] if "user" in said else []
            if {"answer", "failure"} & said.keys():
                self._answers.put_nowait(said)


def node_of_this_machine() -> Path:
    """Another Node than that of the wheel; the test is skipped where there is none that is new."""
    found = shutil.which("node")
    version = subprocess.check_output([found, "--version"], text=True) if found else "v0"
    if found is None or int(version[1:].partition(".")[0]) < OLDEST:
        pytest.skip(f"There is no Node {OLDEST} or later on this machine.")
    return Path(found)


@pytest_asyncio.fixture
async def instance(database_url: str, redis_url: str, amqp_url: str) -> AsyncIterator[Instance]:
    add_actions(database_url, {"run": 50, "jump": 70, "swim": 90})
    async with starting_instances(database_url, redis_url, amqp_url, **PATIENCE) as start:
        yield await start()


@pytest_asyncio.fixture
async def line(instance: Instance) -> AsyncIterator[TcpProxy]:
    """Between the program and the instance."""
    address = urlsplit(instance.url)
    async with TcpProxy(str(address.hostname), address.port or 0) as proxy:
        yield proxy


@pytest_asyncio.fixture(params=["of the wheel", "of this machine"])
async def program(
    packed: Packed, line: TcpProxy, request: pytest.FixtureRequest
) -> AsyncIterator[Program]:
    node = NODE if request.param == "of the wheel" else node_of_this_machine()
    url = f"http://127.0.0.1:{line.port}"
    started = await Program.start(node, packed.install("node"), url)
    yield started
    await started.kill()


async def test_a_program_follows_the_board_over_a_cut_and_ends_when_it_is_told(
    program: Program, line: TcpProxy, instance: Instance, database_url: str
) -> None:
    [user] = add_users(database_url, 1)
    await program.ask("start")
    await eventually(lambda: program.states[-1:] == ["live"])
    await instance.submit(user, "run")
    await eventually(lambda: 2 in program.versions)
    await line.cut()
    await eventually(lambda: program.states[-1:] == ["offline"])
    await instance.submit(user, "jump")
    await line.heal()
    await eventually(lambda: 3 in program.versions and program.states[-1] == "live")
    assert program.versions == [1, 2, 3]
    # Nothing that the client began keeps the process alive: no timer, no channel, no connection.
    await program.ask("stop")
    await program.ask("end")
    assert await program.ends() == 0


async def test_a_program_logs_in_and_submits_each_action_once(
    program: Program, instance: Instance, database_url: str
) -> None:
    await program.ask("enter", "register", ADA)
    assert program.users == ["ada"]
    granted = await program.ask("submit", "run")
    assert (granted["actionId"], granted["points"], granted["score"]) == ("run", 50, 50)
    with pytest.raises(Failed, match="already_granted") as failed:
        await program.ask("submit", "run")
    [failure] = failed.value.args
    assert failure["name"] == "Refused"
    assert failure["grant"] == {key: granted[key] for key in ("actionId", "points", "grantedAt")}
    token = await program.ask("token")
    assert (await program.ask("submitBy", "jump", token))["score"] == 120
    listed = await program.ask("list")
    assert listed == {
        "actions": [{"actionId": "jump", "points": 70, "claim": "user"}],
        "next": "jump",
    }
    with pytest.raises(Failed, match="unknown_action"):
        await program.ask("submit", "fly")
    await program.ask("leave")
    with pytest.raises(Failed, match="not_authorized"):
        await program.ask("submit", "swim")
    assert len(grants(database_url)) == 2


def is_submission(request: bytes) -> bool:
    return b"POST /api/actions" in request


async def test_a_submission_whose_answer_is_lost_is_sent_again_and_counts_as_granted(
    program: Program, line: TcpProxy, instance: Instance, database_url: str
) -> None:
    await program.ask("enter", "register", ADA)
    line.drop_replies_after(is_submission)
    granted = await program.ask("submit", "run")
    assert line.replies_dropped == 1
    assert (granted["actionId"], granted["points"], granted["score"]) == ("run", 50, None)
    assert len(grants(database_url)) == 1
    # Without patience nobody knows.
    line.drop_replies_after(is_submission)
    with pytest.raises(Failed, match="unreachable"):
        await program.ask("submitBriefly", "jump")
    assert len(grants(database_url)) == 2


async def test_a_submission_waits_for_a_server_that_is_away_until_nobody_wants_it(
    program: Program, line: TcpProxy, instance: Instance, database_url: str
) -> None:
    await program.ask("enter", "register", ADA)
    await line.cut()
    with pytest.raises(Failed, match="no longer wanted"):
        await program.ask("submitAndAbort", "jump")
    program.tell("submit", "run")
    await line.heal()
    assert (await program.answer())["score"] == 50
    assert len(grants(database_url)) == 1


async def test_a_program_hears_at_once_what_concerns_its_user(
    program: Program, line: TcpProxy, instance: Instance
) -> None:
    """By a stream, as each of its boards has one: no browser counts its connections."""
    await program.ask("enter", "register", ADA)
    await program.ask("follow")
    await eventually(lambda: program.states[-1:] == ["live"])
    token = await program.ask("token")
    async with instance.client.post(
        "/api/actions", json={"actionId": "run"}, headers={"Authorization": f"Bearer {token}"}
    ) as response:
        assert response.status == 200
    await eventually(lambda: program.granted == [50])


async def test_log_ins_at_several_services_keep_apart_in_one_storage(program: Program) -> None:
    await program.ask("enter", "register", ADA)
    name, token, elsewhere, keys = await program.ask("keep", LOG_IN)
    assert (name, elsewhere) == ("ada", None)
    assert token
    [key] = keys
    assert key.startswith("scoreboard.session:http://127.0.0.1:")
