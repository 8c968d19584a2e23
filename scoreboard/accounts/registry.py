"""The accounts: register, log in, refresh, log out, and what operators do with them."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import structlog

from scoreboard.accounts import names, newcomers, refresh
from scoreboard.accounts.access import AccessTokens
from scoreboard.accounts.passwords import Passwords
from scoreboard.accounts.turns import Path
from scoreboard.connections import statements
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session import Row, StatementRefused
from scoreboard.errors import (
    AccountTaken,
    BadCredentials,
    InvalidPayload,
    InvalidRefreshToken,
    ScoreboardError,
    Unavailable,
    UnknownUser,
)
from scoreboard.settings import Settings

log = structlog.get_logger("scoreboard.accounts")

SQL: Final = statements.load("scoreboard.accounts")
NOBODY: Final = "Nobody is registered under this user name or e-mail address."
# Of the last, older versions are still in need: see docs/decisions/0022.
_TAKEN: Final = frozenset(
    {
        "users_username_key",
        "users_email_key",
        "idx_users_username_key",
        "idx_users_username_lower",
    }
)
_ID_PREFIX: Final = "id:"
# A batch of this size takes some tens of milliseconds, far from any deadline.
_PURGE_BATCH: Final = 1000


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a client gets for its password or its refresh token."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int  # seconds, of the access token
    user_id: str
    username: str


@dataclass(frozen=True, slots=True)
class Account:
    """A user as operators see it."""

    user_id: str
    username: str
    email: str = field(repr=False)
    created_at: datetime


@dataclass(frozen=True, slots=True)
class _Rotation:
    """A row of `rotate`."""

    outcome: str
    family_id: str
    user_id: str
    username: str
    successors: list[memoryview] | None


# Told the id of the user whose password is about to be tried, None for nobody: may it be tried?
MayGuess = Callable[[str | None], Awaitable[bool]]


async def _always(_: str | None) -> bool:
    return True


class Accounts:
    """Who is registered, and which of their refresh tokens are good.

    Everything here raises Unavailable (often as LedgerUnavailable) when PostgreSQL is away.
    """

    def __init__(
        self, postgres: Postgres, access: AccessTokens, passwords: Passwords, settings: Settings
    ) -> None:
        self._postgres = postgres
        self._access = access
        self._passwords = passwords
        secrets = (settings.jwt_secret, *settings.jwt_previous_secrets)
        self._successors = refresh.Successors(filter(None, secrets))
        self._lifetime_seconds = settings.refresh_token_seconds
        self._grace_seconds = settings.refresh_grace_seconds

    # For clients

    async def register(
        self, username: str, email: str, password: str, path: Path = ()
    ) -> TokenPair:
        """Add a user and log them in. `path` is where the request comes from (`passwords`).

        Raises AccountTaken, InvalidPayload, Overloaded.
        """
        token = self._successors.first()
        user = await self._new_user(username, email, password, path)
        rows = await self._add("register", user | self._token_row(token))
        log.info("scoreboard.accounts.registered", user_id=rows[0][0])
        return self._pair(rows[0], token)

    async def log_in(
        self, login: str, password: str, path: Path = (), may_guess: MayGuess = _always
    ) -> TokenPair:
        """Begin a family for who knows the password. Raises BadCredentials, Overloaded.

        `login` is a user name in any case, or an e-mail address; `path` is where the request comes
        from. Where `may_guess` says no, any password is a wrong one.
        """
        # Once more when the stored hash changed after it was verified: another log-in may just have
        # rehashed the same password.
        for _ in range(2):
            account, password_hash = await self._authenticated(login, password, path, may_guess)
            pair = await self._open_family(account, password_hash)
            if pair is not None:
                await self._rehash_if_needed(account, password_hash, password, path)
                return pair
        raise BadCredentials

    async def refresh(self, refresh_token: str) -> TokenPair:
        """Replace a refresh token by its successor. Raises InvalidRefreshToken.

        Within the grace a replaced token gets the same successor again, so that two tabs go on, and
        a client whose answer was lost. Past it, two parties hold the family: both lose it.
        """
        if not refresh.is_token(refresh_token):
            raise InvalidRefreshToken
        successor = self._successors.of(refresh_token)
        rotation = await self._rotate(refresh_token, successor)
        if rotation.outcome == "replaced":
            successor = self._newest_after(refresh_token, rotation)
        elif rotation.outcome != "rotated":
            raise self._refusal(rotation)
        return self._pair((rotation.user_id, rotation.username), successor)

    def family_of(self, refresh_token: str) -> str | None:
        """Name a token's family without asking anybody; None for a token that is not of our making.

        For limits: it says neither that the family goes on nor that the token is its newest.
        """
        return self._successors.family_of(refresh_token)

    async def log_out(self, refresh_token: str) -> None:
        """Revoke the token's family. A token that is unknown or revoked is no error."""
        if not refresh.is_token(refresh_token):
            return
        token_hash = refresh.hash_of(refresh_token)
        for family_id, user_id in await self._fetch("revoke_family", {"token_hash": token_hash}):
            log.info("scoreboard.accounts.logged_out", family_id=family_id, user_id=user_id)

    # For operators

    async def create(self, username: str, email: str, password: str) -> Account:
        """Add a user without logging them in. Raises AccountTaken, InvalidPayload, Overloaded."""
        rows = await self._add("create", await self._new_user(username, email, password))
        account = Account(*rows[0])
        log.info("scoreboard.accounts.registered", user_id=account.user_id)
        return account

    async def find(self, login: str) -> Account | None:
        """Find whose user name (in any spelling), e-mail address or `id:<userId>` this is."""
        if login.startswith(_ID_PREFIX):
            return await self._find_by_id(login.removeprefix(_ID_PREFIX))
        found = await self._find(login)
        return found and found[0]

    async def known(self, login: str) -> Account:
        """Find whom this login means, as `find` does. Raises UnknownUser."""
        account = await self.find(login)
        if account is None:
            raise UnknownUser(NOBODY)
        return account

    async def set_email(self, login: str, email: str) -> Account:
        """Give a user another e-mail address. Raises AccountTaken, InvalidPayload, UnknownUser."""
        account = await self.known(login)
        address = _good_email(email)
        change = {"user_id": account.user_id, "email": address.key, "email_given": address.given}
        await self._add("set_email", change)
        log.info("scoreboard.accounts.email_changed", user_id=account.user_id)
        return account

    async def set_password(self, login: str, password: str) -> int:
        """Change a password, revoke all families of its user, and say how many there were.

        Access tokens that are out stay good until they expire. Raises UnknownUser, Overloaded.
        """
        account = await self.known(login)
        password_hash = await self._passwords.hash(password)
        parameters = {"user_id": account.user_id, "password_hash": password_hash}
        families = len(await self._fetch("set_password", parameters))
        log.info("scoreboard.accounts.password_changed", user_id=account.user_id, families=families)
        return families

    async def revoke(self, login: str) -> int:
        """Revoke all families of a user, and say how many there were. Raises UnknownUser."""
        account = await self.known(login)
        families = len(await self._fetch("revoke_families", {"user_id": account.user_id}))
        log.info("scoreboard.accounts.revoked", user_id=account.user_id, families=families)
        return families

    async def purge(self) -> int:
        """Delete what expired more than an hour ago, and say how many tokens that were."""
        purged = 0
        while count := (await self._fetch("purge", {"limit": _PURGE_BATCH}))[0][0]:
            purged += count
        log.info("scoreboard.accounts.purged", tokens=purged)
        return purged

    # Passwords

    async def _authenticated(
        self, login: str, password: str, path: Path, may_guess: MayGuess
    ) -> tuple[Account, str]:
        """Find who this is. An unknown login, a wrong password, and one guess too many are the same
        work and answer.
        """
        account, password_hash = await self._find(login) or (None, None)
        if not await may_guess(None if account is None else account.user_id):
            password_hash = None
        verified = await self._passwords.verify(password_hash, password, path)
        if not verified or account is None or password_hash is None:
            log.info("scoreboard.accounts.log_in_refused", user_id=account and account.user_id)
            raise BadCredentials
        return account, password_hash

    async def _open_family(self, account: Account, password_hash: str) -> TokenPair | None:
        token = self._successors.first()
        verified = {"user_id": account.user_id, "password_hash": password_hash}
        rows = await self._fetch("open_family", verified | self._token_row(token))
        if not rows:
            return None
        log.info("scoreboard.accounts.logged_in", user_id=account.user_id)
        return self._pair(rows[0], token)

    async def _rehash_if_needed(
        self, account: Account, old_hash: str, password: str, path: Path = ()
    ) -> None:
        if not self._passwords.needs_rehash(old_hash):
            return
        try:
            new_hash = await self._passwords.hash(password, path)
            hashes = {"password_hash": old_hash, "new_hash": new_hash}
            await self._fetch("rehash", {"user_id": account.user_id} | hashes)
        except ScoreboardError as error:  # the next log-in will do it; this one has succeeded
            log.warning(
                "scoreboard.accounts.not_rehashed", user_id=account.user_id, reason=error.code
            )

    # Refresh tokens

    async def _rotate(self, token: str, successor: str) -> _Rotation:
        parameters = self._token_row(token) | {
            "successor_hash": refresh.hash_of(successor),
            "grace_seconds": self._grace_seconds,
        }
        rows = await self._fetch("rotate", parameters)
        if not rows:
            raise InvalidRefreshToken
        return _Rotation(*rows[0])

    def _newest_after(self, token: str, rotation: _Rotation) -> str:
        hashes = [bytes(successor) for successor in rotation.successors or ()]
        newest = self._successors.follow(token, hashes)
        if newest is None:
            # Secrets are being exchanged, and an instance that has the new one was first: ask it.
            log.warning("scoreboard.accounts.successor_underivable", family_id=rotation.family_id)
            raise Unavailable
        return newest

    def _refusal(self, rotation: _Rotation) -> InvalidRefreshToken:
        if rotation.outcome == "reused":
            log.warning(
                "scoreboard.accounts.refresh_reuse",
                family_id=rotation.family_id,
                user_id=rotation.user_id,
            )
        return InvalidRefreshToken()

    def _token_row(self, token: str) -> dict[str, Any]:
        return {
            "token_hash": refresh.hash_of(token),
            "lifetime_seconds": self._lifetime_seconds,
        }

    def _pair(self, user: Row, refresh_token: str) -> TokenPair:
        user_id, username = user
        access_token = self._access.issue(user_id)
        expires_in = self._access.lifetime_seconds
        return TokenPair(access_token, refresh_token, expires_in, user_id, username)

    # Rows

    async def _new_user(
        self, username: str, email: str, password: str, path: Path = ()
    ) -> dict[str, Any]:
        shown, address = good_username(username), _good_email(email)
        password_hash = await self._passwords.hash(password, path)
        await newcomers.give_keys(self._postgres)
        return {
            "username": shown,
            "username_key": names.username_key(shown),
            "email": address.key,
            "email_given": address.given,
            "password_hash": password_hash,
        }

    async def _add(self, name: str, parameters: Mapping[str, Any]) -> list[Row]:
        with refusing_taken():
            return await self._fetch(name, parameters)

    async def _find(self, login: str) -> tuple[Account, str] | None:
        """Find an account with its password's hash. Only e-mail addresses have an `@`."""
        if not names.can_be_stored(login):
            return None
        await newcomers.give_keys(self._postgres)
        if "@" in login:
            wanted = {"lower": login.lower(), "key": names.email_key(login)}
            rows = await self._fetch("find_by_email", wanted)
        else:
            wanted = {
                "shown": names.username_shown(login),
                "shown_once": names.username_shown_once(login),
                "key": names.username_key(login),
            }
            rows = await self._fetch("find_by_username", wanted)
        return (Account(*rows[0][:4]), rows[0][4]) if rows else None

    async def _find_by_id(self, text: str) -> Account | None:
        try:
            user_id = str(uuid.UUID(text))
        except ValueError:
            return None
        rows = await self._fetch("find_by_id", {"user_id": user_id})
        return Account(*rows[0]) if rows else None

    async def _fetch(self, name: str, parameters: Mapping[str, Any]) -> list[Row]:
        return await self._postgres.fetch(SQL[name], parameters)


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


def _good_email(text: str) -> names.Email:
    try:
        return names.email(text)
    except names.NameRefused as refused:
        raise InvalidPayload({"email": [str(refused)]}) from None
