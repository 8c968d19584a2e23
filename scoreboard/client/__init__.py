"""The clients of a scoreboard, for programs in Python: with asyncio, and each without it.

    from scoreboard.client import LiveBoard, UserClient

    with LiveBoard("https://scores.example") as live:
        for board in live:  # as it changes, whatever becomes of the connection
            print(board.version, [(entry.username, entry.score) for entry in board.entries])

| what for | with asyncio | without |
|---|---|---|
| follow a board | AsyncLiveBoard | LiveBoard |
| ask as a user: log in, submit, places | AsyncUserClient | UserClient |
| follow what concerns a user | AsyncPersonalStream | PersonalStream |
| ask as a game's server, with a key | AsyncClient | Client |

Before it: a program of somebody else, or `demo`. After it: the routes of `api`, over the network.
It never takes part in the service, and imports nothing of it: so it is a distribution of its own as
well, `scoreboard-client`, under the name `scoreboard_client`. Therefore its modules import each
other relatively.

Its manual is docs/python-client.md, and docs/server-keys.md for what needs a key.
"""

from __future__ import annotations

from .async_user_client import AsyncUserClient
from .client import AsyncClient, Client
from .errors import ClientError, Refused, Unavailable
from .feed import State, Timing
from .flows import Pause
from .following import GetToken
from .live import AsyncLiveBoard, AsyncPersonalStream, BoardEvent, PersonalEvent
from .live_sync import LiveBoard, PersonalStream
from .model import (
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
from .places import Ahead, Granted, Line, Overtaken, Overtaker, OwnGrant, Page, Place, Window
from .shown import MAIN, Board, Entry, Season, SeasonEnded, SeasonStarted
from .user_client import UserClient
from .users import Action, BoardInfo, Followed, Listed, LogIn, Standing, Submitted

# That of the service beside which it was written.
__version__ = "1.3.0"

__all__ = [
    "MAIN",
    "Act",
    "Action",
    "Ahead",
    "AsyncClient",
    "AsyncLiveBoard",
    "AsyncPersonalStream",
    "AsyncUserClient",
    "Board",
    "BoardEvent",
    "BoardInfo",
    "Client",
    "ClientError",
    "Entry",
    "Followed",
    "GetToken",
    "Grant",
    "GrantVerdict",
    "Granted",
    "Kept",
    "Line",
    "Listed",
    "LiveBoard",
    "LogIn",
    "Moderated",
    "Overtaken",
    "Overtaker",
    "OwnGrant",
    "Page",
    "Pause",
    "PersonalEvent",
    "PersonalStream",
    "Place",
    "Problem",
    "Refused",
    "Result",
    "ResultVerdict",
    "Season",
    "SeasonEnded",
    "SeasonStarted",
    "Standing",
    "State",
    "Submitted",
    "Timing",
    "Unavailable",
    "User",
    "UserClient",
    "Window",
]
