"""The relay keeps every copy on this instance level with the ledger.

Boards arrive from the bus. Because a message can be lost (an instance killed between commit and
publish, a broker that restarts), the relay also asks the ledger, in one question, how every board
is: every `interval_seconds`, and at once when the bus was connected anew. Of the boards that are
followed here it reads those whole, in a second question, of which a copy has not what the ledger
says. So no copy stays wrong for longer than that.

    behind    it takes the ledger's board, unless that comes by itself within a moment, because
              the instance that committed it tells everybody
    ahead, or another board under the same version
              the ledger went back (a backup, a promotion that lost commits), or somebody forged a
              board. The ledger's version is lifted above the one that was shown, so that clients
              which saw that one do not take the true board for an old one
    far ahead (LEAP_MAX)
              no history leads there: the copy begins anew, and its clients are told to forget

Copies are looked at first and the ledger after them: what a sound copy holds was committed before,
so it can never look as if it were ahead. (docs/decisions/0020, 0039)

The same question says when the next season is due. Where one may be turned, `on_due` is told of it,
and the relay is back at that moment; and once more as soon as it may be turned.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, Protocol

import structlog

from scoreboard.errors import LedgerUnavailable
from scoreboard.ledger.ledger import Versions
from scoreboard.model import LEAP_MAX, ON_ITS_WAY_SECONDS, VERSION_END, Board, BoardId
from scoreboard.operations.counted import Mend
from scoreboard.operations.logs import Seldom
from scoreboard.operations.metrics import Metrics

log = structlog.get_logger("scoreboard.relay")

# However many seasons are due one after the other.
_LOOKS_APART_SECONDS: Final = 0.05
# Until somebody has turned what is due, so that every instance soon knows the seasons that began.
_TURNED_AFTER_SECONDS: Final = 0.25


class Truth(Protocol):
    """Where boards come from."""

    async def versions(self) -> Versions:
        """Read how every board is, in one question. Raises LedgerUnavailable."""

    async def boards(self, board_ids: Collection[BoardId]) -> Sequence[Board]:
        """Read these boards, in one question. Raises LedgerUnavailable."""

    async def lift(self, above: int, board_id: BoardId) -> Board:
        """Raise a board's version above this one, and read it. Raises LedgerUnavailable."""


class Copy(Protocol):
    """Something that holds boards, and shows them."""

    def followed(self) -> Collection[BoardId]:
        """The boards that it shows now."""

    async def held(self) -> Sequence[Board]:
        """The boards that it may have shown, of those that are followed; perhaps two of one
        board.
        """

    async def note(self, versions: Versions) -> None:
        """Hear what boards there are. Raises LedgerUnavailable."""

    def lacks(self, board_id: BoardId) -> bool:
        """Whether it follows this board, and has none."""

    def lags(self, board: Board) -> bool:
        """Whether it has an older one, and this one may be on its way to it."""

    async def take(self, board: Board) -> bool:
        """Take the ledger's board in the place of an older one. Answers whether it had to."""

    async def begin_anew(self, board: Board) -> None:
        """Take the ledger's board in the place of a newer one."""


class Relay:
    """Compares `copies` (by name) with the truth. `on_due` is told of seasons that are due."""

    def __init__(
        self,
        truth: Truth,
        copies: Mapping[str, Copy],
        metrics: Metrics,
        *,
        interval_seconds: float,
        on_due: Callable[[], None] | None = None,
    ) -> None:
        self._truth = truth
        self._copies = dict(copies)
        self._metrics = metrics
        self._interval_seconds = interval_seconds
        self._on_due = on_due
        self._due = asyncio.Event()
        self._seldom = Seldom()

    def compare_now(self) -> None:
        """Do not wait for the interval: something may have been missed."""
        self._due.set()

    async def run(self) -> None:
        """Compare for ever, with jitter so that instances do not ask in step."""
        while True:
            due_in_seconds = await self.reconcile()
            pause = self._interval_seconds * random.uniform(0.8, 1.0)  # noqa: S311 - no secret
            if due_in_seconds is not None:
                pause = min(pause, max(due_in_seconds, _LOOKS_APART_SECONDS))
            await self._pause(pause)

    async def reconcile(self) -> float | None:
        """Compare once, and mend each copy that is not as the ledger says. Answers in how many
        seconds to come again for a season, if there is one.
        """
        # guard: copies-looked-before
        held = [board for copy in self._copies.values() for board in await copy.held()]
        try:
            versions = await self._truth.versions()
            truths = [
                await self._overtake(held, truth) for truth in await self._truths(held, versions)
            ]
        except LedgerUnavailable:
            self._metrics.reconcile_failures.inc()
            return None
        await self._note(versions)
        await self._level(truths)
        if self._on_due is None:
            return None
        if versions.is_due:
            self._on_due()  # guard: due-seasons-turned
            return _TURNED_AFTER_SECONDS  # guard: turned-seasons-seen
        return versions.due_in_seconds

    async def _note(self, versions: Versions) -> None:
        """Say what boards there are. What operators said of them may be unreadable all the same."""
        try:
            for copy in self._copies.values():
                await copy.note(versions)
        except LedgerUnavailable:  # guard: definitions-unreadable
            self._metrics.reconcile_failures.inc()

    async def _truths(self, held: Sequence[Board], versions: Versions) -> list[Board]:
        """The ledger's boards of all that are followed. Where every copy has what the ledger says
        of a board, it is that one, unread.
        """
        found: dict[BoardId, set[Board]] = {}
        for board in held:
            found.setdefault(board.board_id, set()).add(board)
        level, unread = [], []
        followed = {each for copy in self._copies.values() for each in copy.followed()}
        for board_id in followed & versions.boards.keys():
            state, boards = versions.boards[board_id], list(found.get(board_id, ()))
            is_level = (
                len(boards) == 1  # guard: unlike-boards-read
                and (boards[0].version, boards[0].changed_at) == (state.version, state.changed_at)
                and not any(copy.lacks(board_id) for copy in self._copies.values())
            )
            if is_level:
                level += boards
            else:
                unread.append(board_id)
        return level + list(await self._truth.boards(unread) if unread else [])

    async def _level(self, truths: Sequence[Board]) -> None:
        for truth in truths:
            self._metrics.show_version("ledger", truth.board_id, truth.version)
        if any(copy.lags(truth) for copy in self._copies.values() for truth in truths):
            await asyncio.sleep(ON_ITS_WAY_SECONDS)  # guard: way-given-moment
        for name, copy in self._copies.items():
            for truth in truths:
                # guard: outages-killed-instance
                # guard: instances-compare-versions
                if await copy.take(truth):  # guard: outages-without-rabbitmq
                    self._note_catch_up(name, truth)

    async def _overtake(self, held: Sequence[Board], truth: Board) -> Board:
        """Get beyond a version that was shown and that the ledger does not know. Answers the
        ledger's board from then on: the one that was read, if all that was shown is known.
        """
        shown = _ahead(held, truth)  # guard: board-ledger-not
        if shown is None:
            return truth
        if shown - truth.version > LEAP_MAX or shown + 1 >= VERSION_END:  # guard: no-version-no
            self._note_divergence("renumbered", shown, truth)
            for copy in self._copies.values():
                await copy.begin_anew(truth)
            return truth
        # Only the primary answers a write. A server that was the primary still answers reads.
        written = await self._truth.lift(truth.version, truth.board_id)
        # guard: primary-no-ledger
        if written.version > truth.version + 1 and _ahead(held, written) is None:
            return written
        self._note_divergence("lifted", shown, truth)
        return await self._truth.lift(shown, truth.board_id)

    def _note_catch_up(self, name: str, truth: Board) -> None:
        self._metrics.catch_ups.labels(name).inc()
        log.debug(
            "scoreboard.relay.catch_up", copy=name, board=truth.board_id, version=truth.version
        )

    def _note_divergence(self, mended: Mend, shown: int, truth: Board) -> None:
        self._metrics.divergences.labels(mended).inc()
        if self._seldom.due(mended):
            log.error(
                "scoreboard.relay.diverged",
                mended=mended,
                board=truth.board_id,
                shown=shown,
                ledger=truth.version,
            )

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._due.wait()
        self._due.clear()


def _ahead(held: Iterable[Board], truth: Board) -> int | None:
    """The highest version of this board that was shown with what the ledger does not say of it."""
    unknown = [  # guard: another-board-under
        board.version
        for board in held
        if board.board_id == truth.board_id and board.version >= truth.version and board != truth
    ]  # guard: version-one-board
    return max(unknown, default=None)
