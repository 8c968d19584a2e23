"""What a user asks for and is answered, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from .places import OwnGrant, own_grant
from .shown import Direction, Season, direction, mapping, moment, season, sequence, text, whole

Each = TypeVar("Each")


@dataclass(frozen=True, slots=True)
class LogIn:
    """Who is logged in, and the token that keeps it so: a secret, which changes with each renewal.
    Keep the newest to go on with the log-in in another process.
    """

    user_id: str
    username: str
    refresh_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Submitted:
    """An action was granted. `repeated`: by an earlier request, the answer to which was lost; then
    `score` is not known. `score` is that on `main`.
    """

    action_id: str
    points: int
    granted_at: datetime
    score: int | None = None
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """A user's own score and rank on `main`. `rank` is None before the first grant; `rank_above` is
    a number while deep ranks are not known. `email` is None where it is not known.
    """

    user_id: str
    username: str
    score: int
    rank: int | None
    rank_above: int | None
    email: str | None = None


@dataclass(frozen=True, slots=True)
class Followed:
    """Somebody whom the user follows."""

    user_id: str
    username: str
    followed_at: datetime


@dataclass(frozen=True, slots=True)
class Action:
    """Something that can be completed once. Who may claim it: any `user`, or a `server` alone."""

    action_id: str
    points: int
    claim: Literal["user", "server"] = "user"


@dataclass(frozen=True, slots=True)
class BoardInfo:
    """A board that can be read. `season` is the one that it shows."""

    board_id: str
    title: str
    direction: Direction
    season: Season | None
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Listed(Generic[Each]):
    """A page of a list; `next` is the `after` of the next one, None on the last."""

    items: tuple[Each, ...]
    next: str | None


def submitted(said: Mapping[str, Any]) -> Submitted:
    """Read the answer to a submission. Raises ValueError."""
    data = mapping(said.get("data"))
    grant = own_grant(data)
    score = whole(data.get("score"))
    return Submitted(grant.action_id, grant.points, grant.granted_at, score)


def repeated(said: Mapping[str, Any]) -> Submitted:
    """Read the grant of a refusal that has one. Raises ValueError."""
    grant = own_grant(mapping(said.get("grant")))
    return Submitted(grant.action_id, grant.points, grant.granted_at, repeated=True)


def standing(said: Mapping[str, Any]) -> Standing:
    """Read one's own standing. Raises ValueError."""
    data = mapping(said.get("data"))
    rank, above = data.get("rank"), data.get("rankAbove")
    return Standing(
        text(data.get("userId")),
        text(data.get("username")),
        whole(data.get("score")),
        None if rank is None else whole(rank),
        None if above is None else whole(above),
        None if data.get("email") is None else text(data.get("email")),
    )


def follows(said: Mapping[str, Any]) -> tuple[Followed, ...]:
    """Read whom one follows. Raises ValueError."""
    found = (mapping(each) for each in sequence(said.get("data")))
    return tuple(
        Followed(
            text(each.get("userId")), text(each.get("username")), moment(each.get("followedAt"))
        )
        for each in found
    )


def grants(said: Mapping[str, Any]) -> Listed[OwnGrant]:
    """Read a page of one's own grants. Raises ValueError."""
    found = tuple(own_grant(mapping(each)) for each in sequence(said.get("data")))
    return Listed(found, _next(said))


def actions(said: Mapping[str, Any]) -> Listed[Action]:
    """Read a page of the catalogue. Raises ValueError."""
    found = (mapping(each) for each in sequence(said.get("data")))
    return Listed(tuple(_action(each) for each in found), _next(said))


def boards(said: Mapping[str, Any]) -> Listed[BoardInfo]:
    """Read a page of the boards. Raises ValueError."""
    found = (mapping(each) for each in sequence(said.get("data")))
    return Listed(tuple(_board(each) for each in found), _next(said))


def _action(said: Mapping[str, Any]) -> Action:
    claim = said.get("claim", "user")
    if claim not in ("user", "server"):
        raise ValueError(f"{claim!r} may claim nothing")
    return Action(text(said.get("actionId")), whole(said.get("points")), claim)


def _board(said: Mapping[str, Any]) -> BoardInfo:
    closed_at = said.get("closedAt")
    return BoardInfo(
        text(said.get("boardId")),
        text(said.get("title")),
        direction(said),
        season(said.get("season")),
        None if closed_at is None else moment(closed_at),
    )


def _next(said: Mapping[str, Any]) -> str | None:
    found = said.get("next")
    return None if found is None else text(found)
