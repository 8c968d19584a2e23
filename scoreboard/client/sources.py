"""What is asked for and heard: of one board, or of one user."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol
from urllib.parse import quote

import httpx

from . import places, shown
from .asking import path_of
from .flows import call
from .places import Place
from .shown import (
    FINAL_SIZE,
    MAIN,
    Board,
    Season,
    SeasonEnded,
    SeasonStarted,
    has_ended,
    has_started,
    is_newer,
)


@dataclass(frozen=True, slots=True)
class Question:
    """What a poll asks for: a path, with these header fields."""

    path: str
    headers: Mapping[str, str] = field(default_factory=dict)


# Asks some questions one after the other (None comes where nobody answers), and says whether the
# answers were what was asked for.
Poll = Generator[Question, httpx.Response | None, bool]


class Source(Protocol):
    """What is followed. Whatever it learns it tells."""

    @property
    def stream(self) -> str:
        """The path of its stream."""

    def hear(self, name: str, document: Any, event_id: str) -> bool | None:
        """Take an event. Returns whether it was what was asked for; None if it does not tell."""

    def poll(self) -> Poll:
        """Ask for what is new."""

    def owed(self) -> Poll | None:
        """What remains to be asked for because of what was learned."""


class BoardSource:
    """A board. Tells Board, SeasonEnded and SeasonStarted: versions go forward, and a season ends
    once, whoever says so.
    """

    def __init__(self, board_id: str, tell: Callable[[object], None]) -> None:
        self.board: Board | None = None
        self.ended: SeasonEnded | None = None
        self._board_id = board_id
        self._tell = tell
        self._missed: Season | None = None
        self._path = _path(*path_of(board_id))

    @property
    def stream(self) -> str:
        """The path of its stream."""
        if self._board_id == MAIN:
            return self._path + "/stream"
        return _path("boards", self._board_id, "stream")

    def hear(self, name: str, document: Any, event_id: str) -> bool | None:
        """Take an event. Raises ValueError for one of another form."""
        if name == "season:ended":
            said = shown.mapping(document)
            ended = shown.season_ended(said, said.get("topUsers"))
            if ended.board_id == self._board_id:
                self._end(ended)
        if name != "score:update":
            return None
        said = shown.mapping(document)
        return self._take(shown.board(said, said.get("topUsers"), _version(event_id)))

    def poll(self) -> Poll:
        """Ask for a board newer than the one at hand."""
        known = {} if self.board is None else {"If-None-Match": f'"{self.board.version}"'}
        answer = yield Question(self._path, known)
        if answer is None or not answer.is_success:
            return True  # unchanged, or a refusal, which is judged by who asks
        said = shown.mapping(answer.json())
        return self._take(shown.board(said, said.get("data"), said.get("version")))

    def owed(self) -> Poll | None:
        """A season that ended while the connection was away."""
        season, self._missed = self._missed, None
        return None if season is None or self._is_told(season) else self._ask_for(season)

    def _ask_for(self, season: Season) -> Poll:
        unknown = SeasonEnded(self._board_id, replace(season, state="ended"), None)
        found = unknown
        path = _path("boards", self._board_id, "leaderboard")
        try:
            answer = yield Question(f"{path}?season={season.number}")
            if answer is not None and answer.is_success:
                said = shown.mapping(answer.json())
                found = shown.season_ended(said, said.get("data"))
        except ValueError:
            found = unknown
        # An instance that has not heard of the end answers with the board as it was.
        is_asked = found.board_id == self._board_id and found.season.number == season.number
        self._end(found if is_asked and found.season.is_over else unknown)
        return True

    def _take(self, board: Board) -> bool:
        """A board that is not newer changes nothing; one of another id is not shown."""
        if board.board_id != self._board_id:
            return False
        before = self.board
        # guard: python-versions-forward
        if before is not None and not is_newer(board.version, before.version):
            return True
        self.board = board
        shown_before = None if before is None else before.season
        season = None if before is None else board.season
        if season is not None and has_started(shown_before, season):
            self._tell(SeasonStarted(board.board_id, season))
        self._tell(board)
        if shown_before is not None and has_ended(shown_before, board.season):
            self._catch_up(shown_before, board)
        return True

    def _catch_up(self, season: Season, board: Board) -> None:
        if self._is_told(season) or board.season is None:
            return
        if board.season.number == season.number:
            self._end(SeasonEnded(board.board_id, board.season, board.entries[:FINAL_SIZE]))
        else:
            self._missed = season

    def _end(self, ended: SeasonEnded) -> None:
        if not self._is_told(ended.season):
            self.ended = ended
            self._tell(ended)

    def _is_told(self, season: Season) -> bool:
        return self.ended is not None and self.ended.season.number >= season.number


class PersonalSource:
    """A user's places, and what happens to them. Tells Place, Overtaken and Granted."""

    def __init__(self, boards: Sequence[str], tell: Callable[[object], None]) -> None:
        self.places: dict[str, Place] = {}
        self._boards = tuple(boards)
        self._tell = tell
        self._heard = 0  # events of places

    @property
    def stream(self) -> str:
        """The path of its stream."""
        return call("GET", "me", "stream", query={"boards": ",".join(self._boards)}).path

    def hear(self, name: str, document: Any, event_id: str) -> bool | None:
        """Take an event; the stream lives from its first one on. Raises ValueError."""
        if name == "me:place":
            self._heard += 1
            self._take(places.own_place(shown.mapping(document)))
        elif name == "me:overtaken":
            overtaken = places.overtaken(shown.mapping(document))
            # A slow consumer has one of each board that was asked for, and no others.
            if overtaken.board_id in self._boards:  # guard: overtaken-on-boards-asked
                self._tell(overtaken)
        elif name == "me:granted":
            self._tell(places.granted(shown.mapping(document)))
        return None

    def poll(self) -> Poll:
        """Ask for the places. What the stream tells meanwhile is newer."""
        heard = self._heard
        for board_id in self._boards:
            answer = yield Question(_path("boards", board_id, "me") + "?around=0")
            if answer is None or not answer.is_success:
                return True
            place = places.window(shown.mapping(answer.json())).place
            told = self.places.get(place.board_id)
            if heard == self._heard and not (told and told.is_hidden_in(place)):
                self._take(place)
        return True

    def owed(self) -> Poll | None:
        """Nothing."""
        return None

    def _take(self, place: Place) -> None:
        if place.board_id in self._boards and self.places.get(place.board_id) != place:
            self.places[place.board_id] = place
            self._tell(place)


def parsed(text: str) -> Any:
    """The document of an event; None if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _path(*parts: str) -> str:
    return "/api/" + "/".join(quote(part, safe="") for part in parts)


def _version(event_id: str) -> int:
    if not event_id.isascii() or not event_id.isdigit():
        raise ValueError("an event of a board without its version")
    return int(event_id[:20])
