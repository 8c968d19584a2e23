"""A client for game servers and back offices: it signs with a server key, and asks again where an
answer was lost, which is safe because receipts and grants count once.

    from scoreboard.client import Client, Result

    with Client("https://scores.example", KEY_ID, SECRET) as scoreboard:
        [verdict] = scoreboard.record([Result("match-17:ada", "ada", "cup", 1500)])
        if not verdict.counts:
            print(verdict.error)

Before it: a game server, in a process of its own. After it: the signed routes of `api`, over the
network. It never takes part in the service, which never imports it, and it imports nothing of it.

`AsyncClient` has the same, to be awaited. Both need `pip install '.[client]'` in a checkout. What
each request means, and what it is refused for, stands in docs/server-keys.md.
"""

from __future__ import annotations

from scoreboard.client.client import AsyncClient, Client
from scoreboard.client.errors import ClientError, Refused, Unavailable
from scoreboard.client.model import (
    Act,
    Grant,
    GrantVerdict,
    Kept,
    Moderated,
    Problem,
    Result,
    ResultVerdict,
    User,
)

__all__ = [
    "Act",
    "AsyncClient",
    "Client",
    "ClientError",
    "Grant",
    "GrantVerdict",
    "Kept",
    "Moderated",
    "Problem",
    "Refused",
    "Result",
    "ResultVerdict",
    "Unavailable",
    "User",
]
