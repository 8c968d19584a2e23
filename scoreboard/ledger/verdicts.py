"""What becomes of the submissions of a batch: a verdict on each, a grant or a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scoreboard.connections.session import Row
from scoreboard.errors import (
    ActionDisabled,
    AlreadyGranted,
    ScoreboardError,
    ScoreOutOfRange,
    UnknownAction,
    UnknownUser,
)
from scoreboard.model import Board, Grant

Verdict = Grant | ScoreboardError
Key = tuple[str, str]  # a user, and an action


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of a batch: a verdict for each submission, the board if the top 10 changed, and
    the highest version that the batch has `seen` committed, by whomever.
    """

    verdicts: dict[Key, Verdict]
    board: Board | None = None
    seen: int = 0

    def __or__(self, other: Settlement) -> Settlement:
        """Join two settlements; the newer board is the one to announce."""
        boards = [board for board in (self.board, other.board) if board is not None]
        newest = max(boards, key=lambda board: board.version, default=None)
        return Settlement(self.verdicts | other.verdicts, newest, max(self.seen, other.seen))


def verdict_of(row: Row) -> Verdict | None:
    """Read a row of `grant`; None means granted before."""
    _, action_id, has_user, has_action, is_disabled, is_too_much, *granted = row
    points, granted_at, score, *_ = granted
    if not has_user:
        return UnknownUser()
    if not has_action:
        return UnknownAction()
    if is_disabled:
        return ActionDisabled()
    if is_too_much:
        return ScoreOutOfRange()
    return None if points is None else Grant(action_id, points, granted_at, score)


def may_be_granted_before(verdict: Verdict | None) -> bool:
    """Whoever submits a disabled action again has to hear of the grant, as of any other."""
    return verdict is None or isinstance(verdict, ActionDisabled)


def under_former_ids(
    renamed: Mapping[Key, Key], verdicts: Mapping[Key, Verdict]
) -> dict[Key, Verdict]:
    """The verdicts on keys with former ids; of several that mean one action, one is granted."""
    found: dict[Key, Verdict] = {}
    granted: set[Key] = set()
    for key, present in renamed.items():
        verdict = verdicts[present]
        if isinstance(verdict, Grant) and present in granted:
            verdict = AlreadyGranted(verdict.action_id, verdict.points, verdict.granted_at)
        granted.add(present)
        found[key] = verdict
    return found
