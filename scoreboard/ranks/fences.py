"""Fences: how many entries of a ranking lie in each of its parts, so that those before any key are
counted in some microseconds.

A part begins with a key, its fence, and has some 512 entries; the first part begins before every
key. Parts stand in blocks, so that a change touches one block, and a count adds up the blocks
before it and the parts in its own. A million entries cost some 72 KB.

What readers hold never changes: changes are made to a copy (`copied`), which shares with the first
one every block that it does not touch.
"""

from __future__ import annotations

import itertools
import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from scoreboard.ranks.anchors import Anchor
from scoreboard.ranks.keys import BEGINNING, KEY_BYTES

# Entries of a part as it is made, and from where on it gets a fence in its middle.
PART: Final = 512
PART_MAX: Final = 2 * PART
# A part that has fewer is added to its neighbour, if both have no more than PART together.
_PART_MIN: Final = PART // 4
_BLOCK: Final = 256
_BLOCK_MAX: Final = 2 * _BLOCK
_BLOCK_MIN: Final = _BLOCK // 4
_COUNT: Final = "I"
_COUNT_BYTES: Final = array(_COUNT).itemsize


class WrongCopy(Exception):
    """The counts cannot be those of the ranking: what was to be removed was not in them, or a part
    has another number of entries.
    """


@dataclass(frozen=True, slots=True)
class Part:
    """`count` entries from `key` on, before `until`; None behind the last part."""

    key: bytes
    until: bytes | None
    count: int


class _Block:
    """Neighbouring parts. `owner` is the mark of the one copy that may change it."""

    __slots__ = ("counts", "keys", "owner")

    def __init__(self, keys: bytes, counts: array[int], owner: object) -> None:
        self.keys = keys
        self.counts = counts
        self.owner = owner

    def __len__(self) -> int:
        return len(self.counts)

    def key(self, number: int) -> bytes:
        return self.keys[number * KEY_BYTES : (number + 1) * KEY_BYTES]

    def find(self, key: bytes) -> int:
        """The number of the part that this key belongs to."""
        return bisect_right(range(len(self.counts)), key, key=self.key) - 1

    def replace(self, begin: int, end: int, keys: bytes, counts: Iterable[int]) -> None:
        """Put these parts in the place of others."""
        self.keys = self.keys[: begin * KEY_BYTES] + keys + self.keys[end * KEY_BYTES :]
        self.counts[begin:end] = array(_COUNT, counts)


class Fences:
    """The parts of one ranking. `grown` are the fences of parts that have become too large, since
    the copy was made: only PostgreSQL knows the key in their middle.
    """

    def __init__(self, keys: Sequence[bytes] = (), counts: Sequence[int] = (0,)) -> None:
        """Make parts: `keys` are the fences but for the first part's, in their order. Raises
        ValueError where they are in no order, or are not as many as counts.
        """
        fences = [BEGINNING, *keys]
        if len(fences) != len(counts):
            raise ValueError(f"{len(fences)} parts have {len(counts)} counts")
        if any(one >= other for one, other in itertools.pairwise(fences)):
            raise ValueError("The fences are in no order")
        self._mark = object()
        self._blocks = [
            _Block(b"".join(fences[at:end]), array(_COUNT, counts[at:end]), self._mark)
            for at, end in ((at, at + _BLOCK) for at in range(0, len(fences), _BLOCK))
        ]
        self._firsts: list[bytes] = []
        self._sums = array("q")
        self._index()
        sized = zip(fences, counts, strict=True)
        self.grown: set[bytes] = {key for key, count in sized if count > PART_MAX}
        self._shrunk: set[bytes] = set()

    @classmethod
    def unpacked(cls, keys: bytes, counts: bytes) -> Fences:
        """Read what `packed` wrote. Raises ValueError where that is damaged."""
        if len(keys) % KEY_BYTES or len(counts) % _COUNT_BYTES:
            raise ValueError("The fences were cut off")
        numbers = array(_COUNT, counts)
        if sys.byteorder == "little":
            numbers.byteswap()
        return cls(_keys(keys), numbers)

    def packed(self) -> tuple[bytes, bytes]:
        """As bytes: the keys but for the first one, and the counts, each in 4 bytes, the high one
        first.
        """
        counts = array(_COUNT)
        for block in self._blocks:
            counts.extend(block.counts)
        if sys.byteorder == "little":
            counts.byteswap()
        keys = b"".join(block.keys for block in self._blocks)
        return keys[KEY_BYTES:], counts.tobytes()

    def copied(self) -> Fences:
        """A copy to be changed. What is changed of it, this one shows as before."""
        copy = Fences.__new__(Fences)
        copy._mark = object()
        copy._blocks = self._blocks.copy()
        copy._firsts = self._firsts.copy()
        copy._sums = self._sums[:]
        copy.grown = self.grown.copy()
        copy._shrunk = set()
        return copy

    @property
    def total(self) -> int:
        """How many entries there are."""
        return sum(self._sums)

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return sum(map(len, self._blocks))

    @property
    def size(self) -> int:
        """About how many bytes of memory they take."""
        of_blocks = sum(
            sys.getsizeof(block) + sys.getsizeof(block.keys) + sys.getsizeof(block.counts)
            for block in self._blocks
        )
        of_firsts = len(self._firsts) * sys.getsizeof(BEGINNING)
        lists = sum(map(sys.getsizeof, (self._blocks, self._firsts, self._sums)))
        return of_blocks + of_firsts + lists

    def before(self, key: bytes) -> Anchor:
        """The last fence that is not behind `key`."""
        number = self._find(key)
        return self._anchor(number, self._blocks[number].find(key))

    def at(self, rank: int) -> Anchor:
        """The last fence before which fewer than `rank` entries stand; the first one for a rank
        below 1.
        """
        left = rank - 1
        number = 0
        for number, entries in enumerate(self._sums):  # noqa: B007 - the last one stays
            if left < entries:
                break
            left -= entries
        else:
            left += self._sums[number]
        return self._anchor(number, _part_at(self._blocks[number].counts, left))

    def part(self, number: int) -> Part:
        """One of the parts; their numbers begin with 0."""
        for at, block in enumerate(self._blocks):
            if number < len(block):
                return self._part(at, number)
            number -= len(block)
        raise IndexError(number)

    def part_of(self, key: bytes) -> Part:
        """The part that this key belongs to."""
        number = self._find(key)
        return self._part(number, self._blocks[number].find(key))

    def add(self, key: bytes) -> None:
        """Count one entry more."""
        number = self._find(key)
        block = self._own(number)
        at = block.find(key)
        block.counts[at] += 1
        self._sums[number] += 1
        if block.counts[at] > PART_MAX:
            self.grown.add(block.key(at))

    def remove(self, key: bytes) -> None:
        """Count one entry less. Raises WrongCopy where its part has none."""
        number = self._find(key)
        block = self._own(number)
        at = block.find(key)
        if not block.counts[at]:
            raise WrongCopy("An entry was removed from a part that has none")
        block.counts[at] -= 1
        self._sums[number] -= 1
        if block.counts[at] < _PART_MIN:
            self._shrunk.add(block.key(at))

    def split(self, key: bytes, keys: Sequence[bytes], counts: Sequence[int]) -> None:
        """Set fences into the part that begins with `key`, which is no longer too large: `keys` are
        those of the new parts, and the first of `counts` is what stays before them. Raises
        WrongCopy where that is not what the part has.
        """
        number = self._find(key)
        block = self._own(number)
        at = block.find(key)
        if sum(counts) != block.counts[at]:
            raise WrongCopy(f"A part has {sum(counts)} entries instead of {block.counts[at]}")
        block.replace(at, at + 1, b"".join([block.key(at), *keys]), counts)
        self.grown.discard(key)
        if len(block) > _BLOCK_MAX:
            self._cut(number)

    def merge(self) -> None:
        """Add parts that have become small to their neighbours, where both are small."""
        for key in self._shrunk:
            number = self._find(key)
            while self._merged(number, key):
                pass
            self._join(number)
        self._shrunk.clear()

    def _find(self, key: bytes) -> int:
        return bisect_right(self._firsts, key) - 1

    def _anchor(self, number: int, at: int) -> Anchor:
        part = self._part(number, at)
        before = sum(self._sums[:number]) + sum(self._blocks[number].counts[:at])
        return Anchor(part.key, before, part.until)

    def _part(self, number: int, at: int) -> Part:
        block = self._blocks[number]
        until = None
        if at + 1 < len(block):
            until = block.key(at + 1)
        elif number + 1 < len(self._firsts):
            until = self._firsts[number + 1]
        return Part(block.key(at), until, block.counts[at])

    def _own(self, number: int) -> _Block:
        """A block to be changed: readers of the one that was copied see it as it was."""
        block = self._blocks[number]
        if block.owner is not self._mark:  # guard: fences-copied
            block = self._blocks[number] = _Block(block.keys, block.counts[:], self._mark)
        return block

    def _merged(self, number: int, key: bytes) -> bool:
        """Add the part that this key belongs to to a neighbour in its block, if both are small."""
        block = self._blocks[number]
        at = block.find(key)
        if block.counts[at] >= _PART_MIN:
            return False
        for first in (at, at - 1):
            both = sum(block.counts[first : first + 2]) if first >= 0 else 0
            if 0 <= first < len(block) - 1 and both <= PART:
                self._own(number).replace(first, first + 2, block.key(first), [both])
                return True
        return False

    def _cut(self, number: int) -> None:
        """Make two blocks of one."""
        block = self._blocks[number]
        middle = len(block) // 2
        at = middle * KEY_BYTES
        self._blocks[number : number + 1] = [
            _Block(block.keys[:at], block.counts[:middle], self._mark),
            _Block(block.keys[at:], block.counts[middle:], self._mark),
        ]
        self._index()

    def _join(self, number: int) -> None:
        """Make one block of a small one and its neighbour."""
        if len(self._blocks[number]) >= _BLOCK_MIN or len(self._blocks) == 1:
            return
        first = max(number - 1, 0)
        one, other = self._blocks[first : first + 2]
        if len(one) + len(other) <= _BLOCK:
            both = _Block(one.keys + other.keys, one.counts + other.counts, self._mark)
            self._blocks[first : first + 2] = [both]
            self._index()

    def _index(self) -> None:
        self._firsts = [block.key(0) for block in self._blocks]
        self._sums = array("q", [sum(block.counts) for block in self._blocks])


def _part_at(counts: array[int], left: int) -> int:
    """The last part before which no more than `left` entries stand."""
    number = 0
    for number, entries in enumerate(counts):  # noqa: B007 - the last one stays
        if left < entries:
            break
        left -= entries
    return number


def _keys(packed: bytes) -> list[bytes]:
    return [packed[at : at + KEY_BYTES] for at in range(0, len(packed), KEY_BYTES)]
