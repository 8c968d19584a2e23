"""Passwords: argon2id on a few threads, so that the event loop goes on while they are worked on.

Whose password is next is decided by `turns`, network by network.
"""

from __future__ import annotations

import asyncio
import contextlib
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import argon2
from argon2 import exceptions as argon2_errors

from scoreboard.accounts.turns import Path, Turns
from scoreboard.connections.cancellation import raise_if_cancelled
from scoreboard.errors import Overloaded, ShuttingDown

# OWASP's minimum for argon2id: 19 MiB, two passes, one lane; 27 to 51 ms of one core.
# https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#argon2id
MEMORY_KIB: Final = 19 * 1024
TIME_COST: Final = 2
PARALLELISM: Final = 1
# A salt of 16 bytes and a digest of 32, all zero: no password is known that has this digest.
_NOBODYS: Final = f"{'A' * 22}${'A' * 43}"

# Two at work take two cores and 38 MiB; the 64th that waits gets its turn after about a second, and
# the first of another network after the two at work.
WORKERS: Final = 2
WAITING_MAX: Final = 64

Result = TypeVar("Result")


class Passwords:
    """Hashes and verifies passwords; owns its threads until `close`.

    `path` says which networks a call comes from, from the widest to the narrowest: they take turns.
    Past `waiting_max` waiting, the newest call of the network that has most of them raises
    Overloaded at once; after `close`, ShuttingDown.
    """

    def __init__(
        self,
        *,
        workers: int = WORKERS,
        waiting_max: int = WAITING_MAX,
        on_overload: Callable[[], None] = lambda: None,
    ) -> None:
        self._hasher = argon2.PasswordHasher(
            time_cost=TIME_COST,
            memory_cost=MEMORY_KIB,
            parallelism=PARALLELISM,
        )
        # Today's parameters, without the work of a real one.
        parameters = f"m={MEMORY_KIB},t={TIME_COST},p={PARALLELISM}"
        self._nobodys_hash = f"$argon2id$v=19${parameters}${_NOBODYS}"
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="passwords")
        self._turns = Turns(workers, waiting_max, on_overload)

    async def hash(self, password: str, path: Path = ()) -> str:
        """Hash a password for keeping."""
        return await self._on_a_thread(lambda: self._hasher.hash(_encoded(password)), path)

    async def verify(self, password_hash: str | None, password: str, path: Path = ()) -> bool:
        """Say whether the password is the one that was hashed.

        None, for a user that does not exist, costs the same work: the time an answer takes must not
        tell who is registered. So does a stored text that is no hash (of a user without password).
        """
        known = password_hash if password_hash and _is_hash(password_hash) else self._nobodys_hash
        # guard: unknown-user-costs
        return await self._on_a_thread(lambda: self._matches(known, password), path)

    def needs_rehash(self, password_hash: str) -> bool:
        """Say whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    def close(self) -> None:
        """End the threads: what runs is finished (under 0.1 s), who waits gets ShuttingDown."""
        self._turns.close()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, _encoded(password))
        except argon2_errors.VerifyMismatchError:
            return False

    async def _on_a_thread(self, work: Callable[[], Result], path: Path) -> Result:
        loop = asyncio.get_running_loop()
        await self._turns.take(path)  # guard: passwords-take-turns

        def give_back(_: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._turns.give_back)

        try:
            future = self._threads.submit(work)
        except RuntimeError as error:  # the pool is closed
            self._turns.give_back()
            raise ShuttingDown from error
        # The turn is over when the work is done, not when its caller hangs up: the thread goes on.
        future.add_done_callback(give_back)
        try:
            return await asyncio.wrap_future(future)
        except (argon2_errors.HashingError, argon2_errors.VerificationError) as error:
            raise Overloaded from error  # no memory for it, just now
        except asyncio.CancelledError:
            raise_if_cancelled()
            raise ShuttingDown from None  # by `close`, not by the caller's end


def _encoded(password: str) -> bytes:
    """Encode all ways to type a password alike: keyboards write the same letter composed or
    decomposed (NIST SP 800-63B, 3.1.1.2). A lone surrogate is no reason to fail here.
    """
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


def _is_hash(text: str) -> bool:
    try:
        argon2.extract_parameters(text)
    except argon2_errors.InvalidHashError:
        return False
    return True
