"""The boards that somebody here watches, each with a slot for each user who does, and which slots
are read next.

A slot has the newest place of its user, never more. Those whose user has just come, moved or was
overtaken are read first. When others moved, everybody's rank may have changed: then slots are read
in turn, the one that was read longest ago first, as many as there is room for. How many are read in
all says the `pace`.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from itertools import islice
from typing import Final
from uuid import UUID

from scoreboard.model import BoardId
from scoreboard.personal_streams.slots import PersonalSubscriber, Slot, User, Watched

# Of all that are read in a turn, so many more are of those who did not move, however many moved:
# nobody waits for ever.
OTHERS_SHARE: Final = 0.2
# Of one board, so that a turn asks few questions however many boards are watched.
_SHARE_MIN: Final = 25
_HIDDEN_MAX: Final = 25
# Up to this rank everybody hears of being overtaken.
NEAR_MAX: Final = 1_000


class Watching:
    """Keeps users, boards and slots. No slot is read twice in a turn."""

    def __init__(self) -> None:
        self.users: OrderedDict[bytes, User] = OrderedDict()
        self.boards: dict[BoardId, Watched] = {}
        self.new: dict[Slot, None] = {}  # those whose place nobody has read yet
        self.urgent: dict[Slot, None] = {}  # in the order in which they became so
        self._order: deque[BoardId] = deque()  # whose turn it is
        self._hidden: dict[Slot, None] = {}

    def join(self, subscriber: PersonalSubscriber) -> User:
        """Let a stream watch the boards that it asks for."""
        asked = subscriber.asked
        key = UUID(asked.user_id).bytes
        user = self.users.get(key)
        if user is None:
            user = self.users[key] = User(asked.user_id, key)
        user.streams.add(subscriber)
        subscriber.slots = [self._slot(user, board_id) for board_id in asked.board_ids]
        for slot in subscriber.slots:
            slot.streams.add(subscriber)
        return user

    def user(self, user_id: str) -> User | None:
        """A user with open streams."""
        return self.users.get(UUID(user_id).bytes)

    def next_users(self, most: int) -> list[User]:
        """So many users, others each time."""
        found = list(islice(self.users.values(), most))
        for user in found:
            self.users.move_to_end(user.key)
        return found

    def leave(self, subscriber: PersonalSubscriber) -> User | None:
        """Forget a stream, and what nobody watches any more. Answers the user if it was the last
        stream of theirs.
        """
        user = self.users[UUID(subscriber.asked.user_id).bytes]
        user.streams.discard(subscriber)
        for slot in subscriber.slots:
            slot.streams.discard(subscriber)
            if not slot.streams:
                self._drop(slot)
        if user.streams:
            return None
        del self.users[user.key]
        return user

    def hurry(self, slot: Slot) -> None:
        """Read this one soon, unless it is gone."""
        if slot.streams:
            self.urgent.setdefault(slot)

    def watches(self, slot: Slot) -> bool:
        """Whether somebody still watches this one."""
        return slot.board.slots.get(slot.user.key) is slot

    def place(self, slot: Slot, *, is_hidden: bool) -> None:
        """Note where a slot stands now: whether it is near, and whether moves tell of its user.
        They do not of one who is hidden, whose slot is read in turn with the other hidden ones.
        """
        if is_hidden:
            self._hidden.setdefault(slot)
        else:
            self._hidden.pop(slot, None)
        is_near = slot.rank is not None and slot.rank <= NEAR_MAX and slot.entry is not None
        if is_near:
            slot.board.near[slot.user.key] = slot
        else:
            slot.board.near.pop(slot.user.key, None)

    def take_new(self, turn: int, most: int) -> list[Slot]:
        """The next slots that nobody has read yet."""
        taken = list(islice(self.new, most))
        for slot in taken:
            del self.new[slot]
            self.note_read(slot, turn)
        return taken

    def take(self, turn: int, now: float, most: int) -> list[Slot]:
        """The slots to read in this turn, at this time of the loop's clock: so many, and a share
        more where that many have just come or moved.
        """
        taken = dict.fromkeys(self.take_new(turn, most))
        ready = (slot for slot in self.urgent if slot.rests_until <= now)
        taken |= dict.fromkeys(islice(ready, most - len(taken)))
        room = max(int(most * OTHERS_SHARE), most - len(taken))  # guard: others-have-a-share
        for slot in self._others(turn, room):
            if slot.rests_until <= now:
                taken.setdefault(slot)
            else:
                self.hurry(slot)  # in the next turn
        for slot in taken:
            self.urgent.pop(slot, None)
            self.note_read(slot, turn)
        return list(taken)

    def _others(self, turn: int, room: int) -> Iterator[Slot]:
        """The next slots of boards on which something moved, one board after the other; hidden
        users first, a few.
        """
        for slot in list(islice(self._hidden, _HIDDEN_MAX)):
            self._hidden[slot] = self._hidden.pop(slot)  # behind the others
            yield slot
        moved = [each for each in self._order if self.boards[each].first_moved() is not None]
        share = max(_SHARE_MIN, room // max(1, len(moved)))
        for board_id in moved[: -(-room // share)]:
            yield from self._of_board(self.boards[board_id], turn, share)
            self._order.remove(board_id)
            self._order.append(board_id)

    def note_read(self, slot: Slot, turn: int) -> None:
        """A slot is read in this turn: it is the last one to be read again."""
        slot.read_in = turn
        slot.board.slots.move_to_end(slot.user.key)

    def _of_board(self, board: Watched, turn: int, most: int) -> Iterator[Slot]:
        for _ in range(most):
            slot = board.first_moved()
            if slot is None:
                return
            self.note_read(slot, turn)
            yield slot

    def _slot(self, user: User, board_id: BoardId) -> Slot:
        board = self.boards.get(board_id)
        if board is None:
            board = self.boards[board_id] = Watched(board_id)
            self._order.append(board_id)
        slot = user.slots.get(board_id)
        if slot is None:
            slot = user.slots[board_id] = board.slots[user.key] = Slot(user, board)
            self.new[slot] = None
        return slot

    def _drop(self, slot: Slot) -> None:
        board = slot.board
        del board.slots[slot.user.key], slot.user.slots[board.board_id]
        board.near.pop(slot.user.key, None)
        for waiting in (self.new, self.urgent, self._hidden):
            waiting.pop(slot, None)
        if not board.slots:
            del self.boards[board.board_id]
            self._order.remove(board.board_id)
