"""Who is concerned by what has moved: whose own entry it was, who was overtaken, and on which
boards everybody's rank may be another one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from scoreboard.ledger.definitions import Defined
from scoreboard.live.frames import BOARD_IS_GONE
from scoreboard.operations.metrics import Metrics
from scoreboard.personal_streams.followers import Followers
from scoreboard.personal_streams.grants import GrantsOfUsers
from scoreboard.personal_streams.heard import Heard
from scoreboard.personal_streams.overtaking import Moved, passes
from scoreboard.personal_streams.slots import Passed, Slot, Watched
from scoreboard.personal_streams.watching import Watching
from scoreboard.ranks.keys import MAIN_RANKING, RankingId
from scoreboard.ranks.ranks import Ranks
from scoreboard.scoring.place import Found

# Users whose grants are looked for in a turn while nobody tells who moved.
_UNTOLD_MAX: Final = 200


class Noticing:
    """Notes in `watching` what is to be read, and in `grants` for whom to look for grants."""

    def __init__(
        self,
        watching: Watching,
        followers: Followers,
        grants: GrantsOfUsers,
        ranks: Ranks,
        boards: Callable[[], Collection[Defined]],
        metrics: Metrics,
    ) -> None:
        self._watching = watching
        self._followers = followers
        self._grants = grants
        self._ranks = ranks
        self._boards = boards
        self._heard = Heard(metrics)
        ranks.on_moves(self._heard.hear)
        self._by_ranking: dict[RankingId, Watched] = {}

    def notice(self, turn: int) -> None:
        """Note what is new since the turn before this one. Raises LedgerUnavailable before anybody
        knows which boards there are.
        """
        self._look_at_boards(turn)
        for ranking_id, moved in self._heard.take().items():
            self._note(ranking_id, moved, turn)

    def turn_to(self, board: Watched, found: Found, turn: int) -> None:
        """Note which ranking and season a board shows. Where it is another one, every slot begins
        anew; and what moved in it before now nobody has heard.
        """
        if board.ranking_id != found.ranking_id:
            board.near.clear()
            if board.ranking_id is not None:
                for slot in board.slots.values():
                    slot.passed = None
                    self._watching.hurry(slot)
            board.ranking_id = found.ranking_id
            board.moved_in = turn + 1
            self._hear_of(board)
        board.season = found.season
        board.season_json = None if board.season is None else board.season.as_json()

    def _look_at_boards(self, turn: int) -> None:
        """Note which boards show another season now, and of which rankings nobody would tell what
        moves in them: there anything may have moved.
        """
        shown = {each.definition.board_id: each.season for each in self._boards()}
        for board in list(self._watching.boards.values()):
            if board.board_id not in shown:  # guard: personal-board-gone
                board.dismiss(BOARD_IS_GONE)
            season = shown.get(board.board_id)
            is_next = season is not None and (
                board.season is not None and season.number > board.season.number
            )
            if is_next:  # all are read soon, not in turn
                for slot in board.slots.values():
                    self._watching.hurry(slot)
            if board.ranking_id is None or self._ranks.held(board.ranking_id) is None:
                board.moved_in = turn
        self._by_ranking = {
            board.ranking_id: board
            for board in self._watching.boards.values()
            if board.ranking_id is not None
        }
        self._heard.rankings = {*self._by_ranking, MAIN_RANKING}
        if self._ranks.held(MAIN_RANKING) is None:
            self._grants.be_due(self._watching.next_users(_UNTOLD_MAX))

    def _hear_of(self, board: Watched) -> None:
        if board.ranking_id is not None:
            self._by_ranking[board.ranking_id] = board
            self._heard.rankings = {*self._by_ranking, MAIN_RANKING}

    def _note(self, ranking_id: RankingId, moved: Moved | None, turn: int) -> None:
        """Note what moved in a ranking: who it concerns is read soon."""
        users = self._watching.users
        if ranking_id == MAIN_RANKING:
            movers = users.keys() if moved is None else moved.users() & users.keys()
            self._grants.be_due(users[key] for key in movers)
        board = self._by_ranking.get(ranking_id)
        if board is None:
            return
        board.moved_in = turn
        if moved is None:
            return
        self._note_passes(board, moved)
        for key in moved.users() & board.slots.keys():
            slot = board.slots[key]
            slot.entry = moved.after.get(key)
            self._watching.hurry(slot)

    def _note_passes(self, board: Watched, moved: Moved) -> None:
        """Note who was overtaken: inside the first ranks by anybody, else by whom they follow."""
        near = [moved.watcher(key, slot.entry) for key, slot in board.near.items()]
        for found in passes([each for each in near if each is not None], moved):
            slot = board.near[found.user]
            slot.passed = slot.passed or Passed()
            slot.passed.add(found)
            self._watching.hurry(slot)
        for mover, user in self._followers.followed(moved.after.keys()):
            slot_of_user = user.slots.get(board.board_id)
            if slot_of_user is not None and user.key not in board.near:
                self._note_followed(slot_of_user, mover, moved)

    def _note_followed(self, slot: Slot, mover: bytes, moved: Moved) -> None:
        watcher = moved.watcher(slot.user.key, slot.entry)
        if watcher is not None and moved.overtook(mover, watcher):
            slot.passed = slot.passed or Passed()
            slot.passed.followed[mover] = moved.after[mover]
            self._watching.hurry(slot)
