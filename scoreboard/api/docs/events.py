"""The events of streams as the OpenAPI document tells them; `live.frames` writes the real ones."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from scoreboard.api.docs.descriptions import Answer, Event, example_of
from scoreboard.api.schemas.leaderboard import (
    ClosingSchema,
    ConnectedSchema,
    EntrySchema,
    ScoreUpdateSchema,
)
from scoreboard.api.schemas.personal import (
    GrantedEventSchema,
    OvertakenEventSchema,
    PlaceEventSchema,
)
from scoreboard.api.schemas.shown import (
    BoardUpdateSchema,
    SeasonEndedSchema,
    SeasonStartedSchema,
)
from scoreboard.live.frames import HEARTBEAT, closing, event, opening, score_update, turn_of
from scoreboard.model import MAIN, Board, BoardId, Ended, Entry, Season

_CONNECTED: Final = Event("connected", ConnectedSchema(), "The stream is open.")
_OF_UPDATES: Final = (
    "once at the beginning, then whenever it changed. `id` is the board's version "
    "and never goes back in a stream; during a burst some versions are left out, never the "
    "last one."
)
_CLOSING: Final = Event(
    "closing",
    ClosingSchema(),
    "The server ends the stream: `shutting_down`, reconnect and another instance answers; "
    "`expired_token` or `revoked_token`, refresh the token first; `unknown_user`, the user was "
    "deleted; `unknown_board`, the board is gone; `renumbered`, forget the highest id and "
    "reconnect.",
)
EVENTS: Final = (
    _CONNECTED,
    Event("score:update", ScoreUpdateSchema(), f"The top 10: {_OF_UPDATES}"),
    _CLOSING,
)
BOARD_EVENTS: Final = (
    _CONNECTED,
    Event("score:update", BoardUpdateSchema(), f"What the board shows: {_OF_UPDATES}"),
    Event(
        "season:ended",
        SeasonEndedSchema(),
        "A season has ended, with its first ten. It comes before the first board of the next "
        "season, has no `id`, and may be missing after a reconnect: compare the number of the "
        "season.",
    ),
    Event(
        "season:started",
        SeasonStartedSchema(),
        "A season has begun; its board follows at once. It has no `id` either.",
    ),
    _CLOSING,
)

PERSONAL_EVENTS: Final = (
    _CONNECTED,
    Event(
        "me:place",
        PlaceEventSchema(),
        "Where you stand on a board: once at the beginning, then when it has changed. After your "
        "own entry moved within a second or two; when others moved, in turn with all who watch. "
        "Only the newest, and for each board once a second at most.",
    ),
    Event(
        "me:overtaken",
        OvertakenEventSchema(),
        "Others have overtaken you: anybody while you are among the first 1,000, and whom you "
        "follow wherever you stand. Once a second at most for each board, all of them together.",
    ),
    Event(
        "me:granted",
        GrantedEventSchema(),
        "You were granted actions, by whatever way and instance; each is told once, all since the "
        "last time together.",
    ),
    _CLOSING,
)

_NOTES: Final = """\
Server-sent events (WHATWG HTML, 9.2), each with one line of JSON as its data:

{events}

- `retry:` comes first: the milliseconds after which to reconnect, different for each client so that
  they do not all return at once.
- A comment line, `: heartbeat`, comes every few seconds, without an empty line behind it.
- Nothing is replayed and `Last-Event-ID` is not read: what comes after `connected` is the newest.

The answer never ends by itself, so *Try it out* on this page cannot show it. Use `curl -N`, or
`new EventSource(url)` in a browser. Where streams do not get through, poll `GET {poll}`.
"""


def stream_answer(events: tuple[Event, ...]) -> Answer:
    """The open stream: that of the top 10 (`EVENTS`), of any board (`BOARD_EVENTS`), or of what
    concerns a user (`PERSONAL_EVENTS`).
    """
    poll, frames = {
        EVENTS: ("/api/leaderboard", [score_update(_board(MAIN, None))]),
        BOARD_EVENTS: ("/api/boards/{board}/leaderboard", _turn()),
        PERSONAL_EVENTS: ("/api/me", _of_one_user()),
    }[events]
    listed = "\n".join(f"- `{each.name}` ({each.component}): {each.description}" for each in events)
    return Answer(
        description=_NOTES.format(events=listed, poll=poll),
        headers=("Cache-Control",),
        media_type="text/event-stream",
        example=_transcript(frames),
    )


def _transcript(frames: list[bytes]) -> str:
    """A stream as a client reads it, written by the functions that write the real ones."""
    farewell = example_of(ClosingSchema())
    end = [HEARTBEAT.plain, closing(farewell["code"], farewell["message"])]
    return b"".join([opening((3.0, 3.0)), *frames, *end]).decode()


def _turn() -> list[bytes]:
    """How a stream passes from one season to the next."""
    days = [datetime(2024, 12, day, tzinfo=UTC) for day in (9, 16, 23)]
    running = Season(49, days[0], days[1], "running")
    shown = _board(BoardId("weekly"), running)
    board = replace(
        shown,
        version=shown.version + 1,
        changed_at=days[1],
        entries=(),
        season=Season(50, days[1], days[2], "running"),
        before=Ended(replace(running, state="final"), shown.entries),
    )
    return [score_update(shown), turn_of(shown, board), score_update(board)]


def _of_one_user() -> list[bytes]:
    """How a user hears of a grant, and of somebody who was granted more."""
    events = PERSONAL_EVENTS[1:-1]
    return [event(each.name, example_of(each.data)) for each in events]


def _board(board_id: BoardId, season: Season | None) -> Board:
    entry = example_of(EntrySchema())
    return Board(
        board_id=board_id,
        version=42,
        changed_at=datetime(2024, 12, 9, 14, 30, 45, tzinfo=UTC),
        entries=(Entry(entry["userId"], entry["username"], entry["score"]),),
        season=season,
    )
