"""The accounts: register, log in, change the password, log out."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog

from scoreboard.accounts import invitations
from scoreboard.accounts.access import AccessTokens
from scoreboard.accounts.families import Families, TokenPair
from scoreboard.accounts.passwords import Passwords
from scoreboard.accounts.queries import SQL
from scoreboard.accounts.turns import Path
from scoreboard.accounts.users import NOBODY, Account, Users, good_email, refusing_taken
from scoreboard.configuration.settings import Settings
from scoreboard.connections.postgres import Postgres
from scoreboard.errors import (
    AccountsOff,
    BadCredentials,
    Banned,
    InvitationNotValid,
    InvitationRequired,
    RegistrationClosed,
    ScoreboardError,
    UnknownUser,
)
from scoreboard.operations.metrics import Metrics

log = structlog.get_logger("scoreboard.accounts")

_NOT_THE_CURRENT_ONE: Final = "The current password is wrong."

# Told the id of the user whose password is about to be tried, None for nobody: may it be tried?
MayGuess = Callable[[str | None], Awaitable[bool]]


async def _always(_: str | None) -> bool:
    return True


class Accounts:
    """Who may log in. `users` says who is registered, `families` who is logged in.

    Everything here raises Unavailable (often as LedgerUnavailable) when PostgreSQL is away.
    """

    def __init__(
        self,
        settings: Settings,
        postgres: Postgres,
        access: AccessTokens,
        passwords: Passwords,
        metrics: Metrics,
    ) -> None:
        self._accounts: Final = settings.accounts
        self._registration: Final = settings.registration
        self._postgres = postgres
        self._passwords = passwords
        self.users: Final = Users(postgres, passwords)
        self.families: Final = Families(settings, postgres, access, metrics)

    async def register(
        self,
        username: str,
        email: str,
        password: str,
        path: Path = (),
        invitation: str | None = None,
    ) -> TokenPair:
        """Add a user and log them in, if the settings `accounts` and `registration` let them: for
        `invitation` its code is needed. `path` is where the request comes from (`passwords`).

        Raises AccountsOff, RegistrationClosed, InvitationRequired, InvitationNotValid,
        AccountTaken, InvalidPayload, RefusedName, Overloaded.
        """
        entrance = await self._entrance(invitation)
        user = await self.users.new_row(username, email, password, path)
        with refusing_taken():
            statement = "register_invited" if entrance else "register"
            pair = await self.families.opened_by(statement, user | entrance)
        if pair is None:  # somebody was faster with this code; `register` always has a row
            raise InvitationNotValid
        log.info("scoreboard.accounts.registered", user_id=pair.user_id)
        return pair

    async def _entrance(self, invitation: str | None) -> dict[str, Any]:
        """What the statement needs for an invitation; nothing where everybody may register."""
        self._require_accounts()
        match self._registration:
            case "open":
                return {}
            case "invitation" if invitation:
                code_hash = await invitations.require(self._postgres, invitation)
                return {"code_hash": code_hash, "user_id": str(uuid.uuid4())}
            case "invitation":
                raise InvitationRequired
        raise RegistrationClosed

    def _require_accounts(self) -> None:
        if self._accounts == "off":  # guard: accounts-off
            raise AccountsOff

    async def log_in(
        self, login: str, password: str, path: Path = (), may_guess: MayGuess = _always
    ) -> TokenPair:
        """Begin a family for who knows the password. Raises AccountsOff, BadCredentials, Banned,
        Overloaded.

        `login` is a user name in any spelling, or an e-mail address; `path` is where it comes
        from. Where `may_guess` says no, any password is a wrong one.
        """
        self._require_accounts()
        # Once more when the stored hash changed after it was verified: another log-in may just have
        # rehashed the same password.
        for _ in range(2):
            account, password_hash = await self._authenticated(login, password, path, may_guess)
            verified = {"user_id": account.user_id, "password_hash": password_hash}
            pair = await self.families.opened_by("open_family", verified)
            if pair is not None:
                log.info("scoreboard.accounts.logged_in", user_id=account.user_id)
                await self._rehash_if_needed(account, password_hash, password, path)
                return pair
        raise BadCredentials

    async def change_password(
        self, user_id: str, current: str, new: str, path: Path = ()
    ) -> TokenPair:
        """Change a password for who knows it, end all log-ins and access tokens of its user, and
        begin a new family. Raises BadCredentials, InvalidPayload (`newPassword`), UnknownUser,
        Overloaded.
        """
        for _ in range(2):  # once more, for the reason that `log_in` has
            rows = await self._postgres.read(SQL["read_password"], {"user_id": user_id})
            if not rows:
                raise UnknownUser
            [(username, email, password_hash)] = rows
            self.users.check_password(new, username, email, member="newPassword")
            if not await self._passwords.verify(password_hash, current, path):
                log.info("scoreboard.accounts.password_refused", user_id=user_id)
                raise BadCredentials(_NOT_THE_CURRENT_ONE)
            new_hash = await self._passwords.hash(new, path)
            hashes = {"password_hash": password_hash, "new_hash": new_hash}
            pair = await self.families.opened_by(
                "change_password", {"user_id": user_id} | hashes, ends_access=True
            )
            if pair is not None:
                log.info("scoreboard.accounts.password_changed", user_id=user_id)
                return pair
        raise BadCredentials(_NOT_THE_CURRENT_ONE)

    async def change_email(self, user_id: str, password: str, email: str, path: Path = ()) -> str:
        """Give who knows the password another e-mail address, and return it as it is kept. Log-ins
        go on. Raises BadCredentials, InvalidPayload (`email`), AccountTaken, UnknownUser,
        Overloaded.
        """
        address = good_email(email)
        for _ in range(2):  # once more, for the reason that `log_in` has
            rows = await self._postgres.read(SQL["read_password"], {"user_id": user_id})
            if not rows:
                raise UnknownUser
            password_hash = rows[0][2]
            # guard: change-email-password
            if not await self._passwords.verify(password_hash, password, path):
                log.info("scoreboard.accounts.password_refused", user_id=user_id)
                raise BadCredentials(_NOT_THE_CURRENT_ONE)
            verified = {"user_id": user_id, "password_hash": password_hash}
            wanted = {"email": address.key, "email_given": address.given}
            with refusing_taken():
                changed = await self._postgres.fetch(SQL["change_email"], verified | wanted)
            if changed:
                log.info("scoreboard.accounts.email_changed", user_id=user_id)
                return address.given
        raise BadCredentials(_NOT_THE_CURRENT_ONE)

    async def confirm(self, user_id: str, password: str, path: Path = ()) -> None:
        """Have the user give their password once more. Raises BadCredentials, UnknownUser,
        Overloaded.
        """
        rows = await self._postgres.read(SQL["read_password"], {"user_id": user_id})
        if not rows:
            raise UnknownUser
        if not await self._passwords.verify(rows[0][2], password, path):
            log.info("scoreboard.accounts.password_refused", user_id=user_id)
            raise BadCredentials(_NOT_THE_CURRENT_ONE)

    async def log_out_everywhere(self, user_id: str) -> int:
        """End all log-ins and access tokens of a user; count the log-ins. Raises UnknownUser."""
        families = await self.families.end_all("end_families", {"user_id": user_id})
        if families is None:
            raise UnknownUser
        log.info("scoreboard.accounts.revoked", user_id=user_id, families=families)
        return families

    async def set_password(self, login: str, password: str) -> int:
        """Change a password, end all log-ins and access tokens of its user, and say how many
        log-ins there were. Raises UnknownUser, InvalidPayload, Overloaded.
        """
        account = await self.users.known(login)
        self.users.check_password(password, account.username, account.email)
        password_hash = await self._passwords.hash(password)
        parameters = {"user_id": account.user_id, "password_hash": password_hash}
        families = await self.families.end_all("set_password", parameters)
        if families is None:
            raise UnknownUser(NOBODY)
        log.info("scoreboard.accounts.password_changed", user_id=account.user_id, families=families)
        return families

    async def revoke(self, login: str) -> int:
        """The same for the user whom this login means. Raises UnknownUser."""
        account = await self.users.known(login)
        return await self.log_out_everywhere(account.user_id)

    async def _authenticated(
        self, login: str, password: str, path: Path, may_guess: MayGuess
    ) -> tuple[Account, str]:
        """Find who this is. All that is refused takes the same work and gets the same answer."""
        found = await self.users.find_for_log_in(login)
        account, password_hash = (found.account, found.password_hash) if found else (None, None)
        if not await may_guess(None if account is None else account.user_id):
            # guard: guess-too-many
            password_hash = None  # guard: past-limit-guesses
        verified = await self._passwords.verify(password_hash, password, path)
        if not verified or account is None or password_hash is None:
            log.info("scoreboard.accounts.log_in_refused", user_id=account and account.user_id)
            raise BadCredentials
        if found is not None and found.is_banned:  # guard: banned-log-in
            raise Banned  # which only who knows the password may learn
        return account, password_hash

    async def _rehash_if_needed(
        self, account: Account, old_hash: str, password: str, path: Path = ()
    ) -> None:
        if not self._passwords.needs_rehash(old_hash):
            return
        try:
            new_hash = await self._passwords.hash(password, path)
            hashes = {"password_hash": old_hash, "new_hash": new_hash}
            await self._postgres.fetch(SQL["rehash"], {"user_id": account.user_id} | hashes)
        except ScoreboardError as error:  # the next log-in will do it; this one has succeeded
            log.warning(
                "scoreboard.accounts.not_rehashed", user_id=account.user_id, reason=error.code
            )
