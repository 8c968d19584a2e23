"""What becomes of the submissions of a batch: a verdict on each, a grant or a refusal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from scoreboard import errors
from scoreboard.model import Board, BoardId, Grant, Submission

Verdict = Grant | errors.ScoreboardError
Key = tuple[str, str]  # a user, and an action


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of a batch: a verdict for each submission; the `boards` that changed, by id; and
    the highest version of each board that the batch has `seen` committed, by whomever; and whether
    a season `is_due` to begin. Of those that servers alone may claim (`of_servers`) the verdict is
    that on a server.
    """

    verdicts: dict[Key, Verdict]
    boards: dict[BoardId, Board] = field(default_factory=dict)
    seen: dict[BoardId, int] = field(default_factory=dict)
    is_due: bool = False
    of_servers: frozenset[Key] = frozenset()

    @property
    def seen_of_others(self) -> dict[BoardId, int]:
        """What was seen of boards that somebody else has raised: versions above those of its own
        `boards`.
        """
        own = self.boards
        return {
            board_id: version
            for board_id, version in self.seen.items()
            if board_id not in own or version > own[board_id].version
        }

    def __or__(self, other: Settlement) -> Settlement:
        """Join two settlements; of each board the newer one is to be announced."""
        boards, seen = dict(self.boards), dict(self.seen)
        for board_id, board in other.boards.items():
            boards[board_id] = max(board, boards.get(board_id, board), key=lambda one: one.version)
        for board_id, version in other.seen.items():
            seen[board_id] = max(version, seen.get(board_id, version))
        return Settlement(
            self.verdicts | other.verdicts,
            boards,
            seen,
            is_due=self.is_due or other.is_due,
            of_servers=self.of_servers | other.of_servers,
        )

    def answers(self, batch: Sequence[Submission]) -> list[Grant | Exception]:
        """Answer each submission of the batch; of two that are the same the first is granted, and
        a user's is not where a server's is, of an action that is for servers.
        """
        answered: dict[Key, Grant] = {}
        answers: list[Grant | Exception] = []
        for submission in batch:
            # One that is missing is a defect of ours, and its outcome unknown.
            verdict = self.verdicts.get(submission.key) or errors.LedgerUnavailable()
            if submission.key in self.of_servers and not submission.by_server:
                answers.append(_without_server(verdict))  # guard: claimed-beside-server
                continue
            if (first := answered.get(submission.key)) is not None:
                verdict = errors.AlreadyGranted(first.action_id, first.points, first.granted_at)
            elif isinstance(verdict, Grant):
                answered[submission.key] = verdict  # guard: second-two-equal
            answers.append(verdict)
        return answers


def _without_server(verdict: Verdict) -> Verdict:
    """Say to a user what becomes of what a server submitted as well."""
    if isinstance(verdict, (errors.UnknownUser, errors.Banned, errors.LedgerUnavailable)):
        return verdict
    return errors.NotClaimable()


def under_former_ids(
    renamed: Mapping[Key, Key], verdicts: Mapping[Key, Verdict]
) -> dict[Key, Verdict]:
    """Give keys with former ids the verdicts on the `renamed` ones; of several that mean one
    action, one is granted.
    """
    found: dict[Key, Verdict] = {}
    granted: set[Key] = set()
    for key, present in renamed.items():
        verdict = verdicts[present]
        if isinstance(verdict, Grant) and present in granted:  # guard: several-former-ids
            verdict = errors.AlreadyGranted(verdict.action_id, verdict.points, verdict.granted_at)
        granted.add(present)
        found[key] = verdict
    return found
