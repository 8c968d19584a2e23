"""What a worker says to its supervisor."""

from __future__ import annotations

import asyncio
import socket

import pytest

from scoreboard.processes.lifeline import Lifeline


async def test_a_worker_says_that_it_leaves_only_if_it_was_up() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        worker = Lifeline(theirs)

        worker.leave()
        with pytest.raises(BlockingIOError):
            ours.recv(16)

        serving = asyncio.create_task(worker.serve(lambda _: None, lambda: asyncio.sleep(0)))
        said = b""
        while said != b"ur":
            said += await asyncio.wait_for(asyncio.get_running_loop().sock_recv(ours, 16), 10)
        worker.leave()
        assert ours.recv(16) == b"l"
        serving.cancel()
