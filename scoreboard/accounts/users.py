"""The users: found under whatever spelling of their name or address, and what is kept of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog

from scoreboard.accounts import ids, names, newcomers
from scoreboard.accounts.blocklist import BlockList
from scoreboard.accounts.passwords import Passwords
from scoreboard.accounts.queries import SQL
from scoreboard.accounts.refused_names import RefusedNames
from scoreboard.accounts.turns import Path
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session import StatementRefused
from scoreboard.errors import AccountTaken, InvalidPayload, UnknownUser

log = structlog.get_logger("scoreboard.accounts")

NOBODY: Final = "Nobody is registered under this user name or e-mail address."
# No password has this hash (`passwords`).
NO_PASSWORD: Final = "-"  # noqa: S105 - the opposite of one
# The last one is there for older versions alone (docs/decisions/0022-names-and-keys.md).
_TAKEN: Final = frozenset(
    {"users_username_key", "users_email_key", "idx_users_username_key", "idx_users_username_lower"}
)
_ID_PREFIX: Final = "id:"


@dataclass(frozen=True, slots=True)
class Account:
    """A user as operators see it."""

    user_id: str
    username: str
    email: str = field(repr=False)  # empty: none is known
    created_at: datetime

    def __post_init__(self) -> None:
        if self.email.endswith(names.NO_ADDRESS):  # guard: no-address-shown
            object.__setattr__(self, "email", "")


@dataclass(frozen=True, slots=True)
class LogIn:
    """What decides on a log-in of an account."""

    account: Account
    password_hash: str = field(repr=False)
    is_banned: bool


class Users:
    """Who is registered. Everything here raises LedgerUnavailable when PostgreSQL is away.

    `refused` has the names that nobody may take, as soon as somebody reads them.
    """

    def __init__(self, postgres: Postgres, passwords: Passwords) -> None:
        self._postgres = postgres
        self._passwords = passwords
        self._blocklist = BlockList()
        self.refused: Final = RefusedNames()

    async def create(
        self, username: str, email: str, password: str, *, any_name: bool = False
    ) -> Account:
        """Add a user without logging them in; with `any_name`, under a refused name as well. Raises
        AccountTaken, InvalidPayload, RefusedName, Overloaded.
        """
        await self.read_refused()
        user = await self.new_row(username, email, password, any_name=any_name)
        with refusing_taken():
            [row] = await self._postgres.fetch(SQL["create"], user)
        account = Account(*row)
        log.info("scoreboard.accounts.registered", user_id=account.user_id)
        return account

    async def read_refused(self) -> None:
        """Read the refused names: in a command, where nobody else does."""
        await self.refused.read(self._postgres)

    async def new_row(
        self,
        username: str,
        email: str,
        password: str,
        path: Path = (),
        *,
        any_name: bool = False,
    ) -> dict[str, str]:
        """Make the row of a new user, by columns. `path` is where the request comes from
        (`passwords`). Raises InvalidPayload, RefusedName, Overloaded.
        """
        shown, address = good_username(username), good_email(email)
        if not any_name:
            self.refused.check(shown)  # guard: refused-name-register
        self.check_password(password, shown, address.given)
        password_hash = await self._passwords.hash(password, path)
        await newcomers.give_keys(self._postgres)  # guard: names-nobody-takes
        return {
            "username": shown,
            "username_key": names.username_key(shown),  # guard: names-one-key
            "email": address.key,
            "email_given": address.given,
            "password_hash": password_hash,
        }

    def check_password(
        self, password: str, username: str, email: str, member: str = "password"
    ) -> None:
        """Raise InvalidPayload, about this member, unless this user may choose this password."""
        problem = self._blocklist.problem(password, username, email)
        if problem is not None:
            raise InvalidPayload({member: [problem]})

    async def find(self, login: str) -> Account | None:
        """Find whose user name (in any spelling), e-mail address or `id:<userId>` this is."""
        if login.startswith(_ID_PREFIX):
            return await self._find_by_id(login.removeprefix(_ID_PREFIX))
        found = await self.find_for_log_in(login)
        return None if found is None else found.account

    async def known(self, login: str) -> Account:
        """Find whom this login means, as `find` does. Raises UnknownUser."""
        account = await self.find(login)
        if account is None:
            raise UnknownUser(NOBODY)
        return account

    async def find_for_log_in(self, login: str) -> LogIn | None:
        """Find an account with what decides on its log-in. Only e-mail addresses have an `@`."""
        if not names.can_be_stored(login):
            return None
        await newcomers.give_keys(self._postgres)
        if "@" in login:
            wanted = {"lower": login.lower(), "key": names.email_key(login)}
            rows = await self._postgres.read(SQL["find_by_email"], wanted)
        else:
            wanted = {
                "shown": names.username_shown(login),
                "shown_before": names.username_shown_before(login),
                "key": names.username_key(login),
            }
            rows = await self._postgres.read(SQL["find_by_username"], wanted)
        return LogIn(Account(*rows[0][:4]), *rows[0][4:]) if rows else None

    async def set_email(self, login: str, email: str) -> Account:
        """Give a user another e-mail address. Raises AccountTaken, InvalidPayload, UnknownUser."""
        account = await self.known(login)
        address = good_email(email)
        change = {"user_id": account.user_id, "email": address.key, "email_given": address.given}
        with refusing_taken():
            await self._postgres.fetch(SQL["set_email"], change)
        log.info("scoreboard.accounts.email_changed", user_id=account.user_id)
        return account

    async def _find_by_id(self, text: str) -> Account | None:
        user_id = ids.canonical(text)
        if user_id is None:
            return None
        rows = await self._postgres.read(SQL["find_by_id"], {"user_id": user_id})
        return Account(*rows[0]) if rows else None


def no_address(user_id: str) -> str:
    """Return what is kept in the place of an e-mail address of whom has none; nobody sees it."""
    return f"{user_id}{names.NO_ADDRESS}"


def good_username(text: str) -> str:
    """Return the form in which a user name is kept. Raises InvalidPayload."""
    try:
        return names.username(text)
    except names.NameRefused as refused:
        raise InvalidPayload({"username": [str(refused)]}) from None


@contextlib.contextmanager
def refusing_taken() -> Iterator[None]:
    """Raise AccountTaken where PostgreSQL refuses a name or an address that somebody has."""
    try:
        yield
    except StatementRefused as refusal:
        if refusal.constraint in _TAKEN:
            raise AccountTaken from refusal
        raise


def good_email(text: str) -> names.Email:
    """Return the forms in which an e-mail address is kept. Raises InvalidPayload."""
    try:
        return names.email(text)
    except names.NameRefused as refused:
        raise InvalidPayload({"email": [str(refused)]}) from None
