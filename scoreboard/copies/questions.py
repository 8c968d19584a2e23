"""Questions about boards, put to the ledger; and since when it owes an answer.

A PostgreSQL that is frozen, or whose table is locked, takes a question and says nothing. Whoever
has a board at hand waits for it only for a moment, counted from the first open question: so all who
read share one wait. The question goes on beside them.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence

from scoreboard.errors import LedgerUnavailable, UnknownBoard
from scoreboard.ledger.ledger import Ledger, Versions
from scoreboard.model import MAIN, Board, BoardId


class Silence:
    """How long the ledger has owed an answer to whoever asks within `asking`."""

    def __init__(self) -> None:
        # When each question was asked that has no answer yet, oldest first.
        self._open: dict[object, float] = {}
        self._failing_since: float | None = None  # the first one that failed since the last answer
        self._answered_at = -1.0

    @property
    def seconds(self) -> float:
        """How long it has been silent; 0.0 if it is not."""
        since = next(iter(self._open.values()), None)
        if self._failing_since is not None and (since is None or self._failing_since < since):
            since = self._failing_since
        return 0.0 if since is None else max(0.0, time.monotonic() - max(since, self._answered_at))

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """Ask within this, and let LedgerUnavailable through."""
        question, asked_at = object(), time.monotonic()
        self._open[question] = asked_at
        try:
            yield
        except LedgerUnavailable:
            if self._failing_since is None:
                self._failing_since = asked_at
            raise
        else:
            self.note_answer()
        finally:
            del self._open[question]

    def note_answer(self) -> None:
        """The ledger has answered, whomever."""
        self._failing_since = None
        self._answered_at = time.monotonic()


class Truth:
    """The relay's questions, about all boards; `silence` is known to whoever reads one of them."""

    def __init__(self, ledger: Ledger, silence: Silence) -> None:
        self._ledger = ledger
        self._silence = silence

    async def versions(self) -> Versions:
        """Read how every board is, in one question. Raises LedgerUnavailable."""
        with self._silence.asking():
            return await self._ledger.versions()

    async def boards(self, board_ids: Collection[BoardId]) -> Sequence[Board]:
        """Read these boards, in one question. Raises LedgerUnavailable."""
        with self._silence.asking():
            return await self._ledger.boards(board_ids)

    async def lift(self, above: int, board_id: BoardId) -> Board:
        """Raise a board's version above this one, and read it. Raises LedgerUnavailable."""
        with self._silence.asking():
            return await self._ledger.lift(above, board_id)


class Questions:
    """Asks the ledger for one board, and notices when it falls silent, here or where `silence` is
    kept of questions about all boards. `close` ends what `within` has begun.
    """

    def __init__(
        self,
        ledger: Ledger,
        board_id: BoardId = MAIN,
        *,
        silence: Silence | None = None,
        look_seconds: float = 0.1,
    ) -> None:
        self._ledger = ledger
        self._look_seconds = look_seconds
        self._board_id = board_id
        # Apart, because a table may be locked that only this board is read from.
        self._silence = Silence()
        self._silence_of_all = silence or Silence()
        self._confirmed_as_of: float | None = None
        self._beside: set[asyncio.Task[Board | None]] = set()

    @property
    def are_open(self) -> bool:
        """Whether one goes on that nobody waits for."""
        return bool(self._beside)

    async def board(self) -> Board:
        """Read the board as of now. Raises LedgerUnavailable, UnknownBoard."""
        asked_at = time.monotonic()
        with self._silence.asking():
            board = await self._ledger.board(self._board_id)
        self._silence_of_all.note_answer()
        self.note_confirmed(asked_at)
        return board

    @property
    def silent_seconds(self) -> float:
        """How long the ledger has owed an answer, to whichever question."""
        return max(self._silence.seconds, self._silence_of_all.seconds)

    def note_confirmed(self, as_of: float) -> None:
        """The ledger has said what the board is; it was asked at this moment, or later."""
        self._confirmed_as_of = max(self._confirmed_as_of or as_of, as_of)

    @property
    def confirmed_seconds_ago(self) -> float | None:
        """How long ago the ledger was asked what it answered last; None if it never did."""
        return None if self._confirmed_as_of is None else time.monotonic() - self._confirmed_as_of

    async def within(
        self, patience_seconds: float, ask: Callable[[], Awaitable[Board | None]]
    ) -> Board | None:
        """Ask, and answer what `ask` does; None when the ledger is away, or once it has been silent
        for so long: `ask` then goes on, and whoever comes before it ends waits for nothing.
        """
        is_silent = self.silent_seconds >= patience_seconds  # guard: silent-ledger-waited-once
        if is_silent and self._beside:
            return None
        task = self._start(ask)
        if is_silent:  # it may be back
            await asyncio.wait({task}, timeout=self._look_seconds)  # guard: ledger-away-looked
        # guard: silent-ledger-waited
        while not task.done() and (left := patience_seconds - self.silent_seconds) > 0:
            await asyncio.wait({task}, timeout=left)
        return task.result() if task.done() else None

    async def close(self) -> None:
        """Give up the questions that nobody waits for."""
        tasks = list(self._beside)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, ask: Callable[[], Awaitable[Board | None]]) -> asyncio.Task[Board | None]:
        async def asked() -> Board | None:
            try:
                return await ask()
            except (LedgerUnavailable, UnknownBoard):
                return None

        task = asyncio.create_task(asked())
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)
        return task
