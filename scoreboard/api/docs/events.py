"""The stream's events as the OpenAPI document tells them; `live.frames` writes the real ones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from scoreboard.api.docs.descriptions import Answer, Event, example_of
from scoreboard.api.schemas.leaderboard import (
    ClosingSchema,
    ConnectedSchema,
    EntrySchema,
    ScoreUpdateSchema,
)
from scoreboard.live.frames import HEARTBEAT, closing, opening, score_update
from scoreboard.model import MAIN, Board, Entry

EVENTS: Final = (
    Event("connected", ConnectedSchema(), "The stream is open."),
    Event(
        "score:update",
        ScoreUpdateSchema(),
        "The top 10: once at the beginning, then whenever it changed. `id` is the board's version "
        "and never goes back in a stream; during a burst some versions are left out, never the "
        "last one.",
    ),
    Event(
        "closing",
        ClosingSchema(),
        "The server ends the stream: `shutting_down`, reconnect and another instance answers; "
        "`expired_token` or `revoked_token`, refresh the token first; `unknown_user`, the user was "
        "deleted; `renumbered`, forget the highest id and reconnect.",
    ),
)

_NOTES: Final = """\
Server-sent events (WHATWG HTML, 9.2), each with one line of JSON as its data:

{events}

- `retry:` comes first: the milliseconds after which to reconnect, different for each client so that
  they do not all return at once.
- A comment line, `: heartbeat`, comes every few seconds, without an empty line behind it.
- Nothing is replayed and `Last-Event-ID` is not read: the board after `connected` is the newest.

The answer never ends by itself, so *Try it out* on this page cannot show it. Use `curl -N`, or
`new EventSource(url)` in a browser. Where streams do not get through, poll `GET /api/leaderboard`.
"""


def stream_answer() -> Answer:
    """The open stream."""
    events = "\n".join(
        f"- `{event.name}` ({event.component}): {event.description}" for event in EVENTS
    )
    return Answer(
        description=_NOTES.format(events=events),
        headers=("Cache-Control",),
        media_type="text/event-stream",
        example=_transcript(),
    )


def _transcript() -> str:
    """A stream as a client reads it, written by the functions that write the real ones."""
    entry = example_of(EntrySchema())
    board = Board(
        board_id=MAIN,
        version=42,
        changed_at=datetime(2024, 12, 9, 14, 30, 45, tzinfo=UTC),
        entries=(Entry(entry["userId"], entry["username"], entry["score"]),),
    )
    farewell = example_of(ClosingSchema())
    frames = [
        opening((3.0, 3.0)),
        score_update(board),
        HEARTBEAT.plain,
        closing(farewell["code"], farewell["message"]),
    ]
    return b"".join(frames).decode()
