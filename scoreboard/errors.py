"""Every refusal and failure that a client can meet, each with its status, machine code and message.

A handler raises one of these; `api.http.refusals` writes it as the one error envelope. Its
`message` is written for the person who reads it and says what to do; its `code` is for programs and
never changes. The file is long because it is one list, in the order of statuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Final


class ScoreboardError(Exception):
    """What every error of ours has in common."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    # Whether the connection ends with the answer, because what follows may be a body, or anything.
    closes: ClassVar[bool] = False
    retry_after_seconds: ClassVar[int | None] = None
    message: str = "Something went wrong on our side. It has been logged; try again later."

    def __init__(self, message: str | None = None) -> None:
        self.message = message or type(self).message
        super().__init__(self.message)


# 400: the request itself is wrong


class InvalidPayload(ScoreboardError):
    """The body does not satisfy its schema; `errors` names each field."""

    status = 400
    code = "invalid_payload"
    message = "The request body is not valid; see errors."

    def __init__(self, errors: Mapping[str, Any], message: str | None = None) -> None:
        super().__init__(message)
        self.errors = dict(errors)


class RefusedName(InvalidPayload):
    """The operator has put the name on the list of those that nobody may take."""

    code = "name_refused"
    message = "This name cannot be taken here. Choose another one."

    def __init__(self) -> None:
        super().__init__({"username": [self.message]})


class MalformedBody(ScoreboardError):
    """The body is not JSON at all."""

    status = 400
    code = "malformed_body"
    message = "The request body is not valid JSON. Send a JSON object encoded as UTF-8."


class MalformedRequest(ScoreboardError):
    """What the client sends is not HTTP, or can be read in two ways; the connection is closed."""

    status = 400
    code = "malformed_request"
    closes = True
    message = "This is not a request in HTTP/1.1 (RFC 9112), or its header is too large."


class UnknownAction(ScoreboardError):
    """No action of that id is in the catalogue."""

    status = 400
    code = "unknown_action"
    message = "There is no such action. Operators add actions with `scoreboard actions load`."


class ActionDisabled(ScoreboardError):
    """Operators have switched the action off; users that have it keep it."""

    status = 400
    code = "action_disabled"
    message = "This action is switched off, so nobody is granted it now. Its earlier grants stay."


class AlreadyGranted(ScoreboardError):
    """The user had this action before; the refusal carries the original grant."""

    status = 400
    code = "already_granted"
    message = "This action was already granted to you; it counts once."

    def __init__(self, action_id: str, points: int, granted_at: datetime) -> None:
        super().__init__()
        self.action_id, self.points, self.granted_at = action_id, points, granted_at


class ScoreOutOfRange(ScoreboardError):
    """The grant would carry the score past what the column holds (2,147,483,647)."""

    status = 400
    code = "score_out_of_range"
    message = "This action would raise the score past the largest one that can be kept."


class ValueOutOfRange(ScoreboardError):
    """The value of a result is none that is plausible on its board."""

    status = 400
    code = "value_out_of_range"
    message = "The value is outside of what the board takes: `scoreboard boards show` says what."

    def __init__(self, value_min: int | None = None, value_max: int | None = None) -> None:
        said = f"This board takes values from {value_min} to {value_max}. Nothing was recorded."
        super().__init__(None if value_min is None else said)


class PlayedInFuture(ScoreboardError):
    """A result says that it was played more than a minute from now."""

    status = 400
    code = "played_in_future"
    message = (
        "playedAt is more than 60 s after this service's clock. Set your clock; send it again."
    )


class NoSeason(ScoreboardError):
    """The board has no season that contains the moment at which a result was played."""

    status = 400
    code = "no_season"
    message = (
        "The board has no season that contains playedAt. GET /api/boards/{board}/seasons lists "
        "those that it has."
    )


# 401 to 429: who is asking, for what, in which form and how often


class BadCredentials(ScoreboardError):
    """Unknown user, wrong password, one guess too many: nobody is told which of them it was."""

    status = 401
    code = "bad_credentials"
    message = (
        "The user name or the password is wrong. After many attempts, wait a minute and try again."
    )


class InvalidRefreshToken(ScoreboardError):
    """The refresh token is unknown, expired, used before or revoked."""

    status = 401
    code = "invalid_refresh_token"
    message = "This refresh token is not valid any more. Log in again."


class NotSigned(ScoreboardError):
    """The request is for servers, and not signed by a server key."""

    status = 401
    code = "not_signed"
    message = (
        "Sign this request with a server key: scoreboard-key, webhook-id, webhook-timestamp and "
        "webhook-signature, as docs/server-keys.md shows."
    )


class BadSignature(ScoreboardError):
    """The signature is malformed, forged, or made for another request."""

    status = 401
    code = "bad_signature"
    message = (
        "The signature does not fit this request. Sign webhook-id, webhook-timestamp and the very "
        "bytes of the body, with dots between them, with the newest secret of this key."
    )


class StaleSignature(ScoreboardError):
    """The signature's time is too far from now."""

    status = 401
    code = "stale_signature"
    message = (
        "webhook-timestamp is more than 300 s away from this service's clock. Set your clock, and "
        "sign each request anew, also one that is sent again."
    )


class UnknownKey(ScoreboardError):
    """No server key of that id is known, or it was revoked."""

    status = 401
    code = "unknown_key"
    message = (
        "There is no such server key, or it was revoked. `scoreboard keys list` shows all; a new "
        "one is known everywhere after 2 s."
    )


class ExpiredKey(ScoreboardError):
    """The server key was good once."""

    status = 401
    code = "expired_key"
    message = "This server key has expired. Operators make another one with `scoreboard keys add`."


class NotAuthorized(ScoreboardError):
    """No access token came with the request (403, not 401: docs/decisions/0002)."""

    status = 403
    code = "not_authorized"
    message = "Send an access token: Authorization: Bearer <token>. POST /api/auth/login gives one."


class InvalidToken(NotAuthorized):
    """The access token is malformed, forged, or meant for somebody else."""

    code = "invalid_token"
    message = "The access token is not valid. Log in again or refresh it."


class ExpiredToken(NotAuthorized):
    """The access token was valid once."""

    code = "expired_token"
    message = "The access token has expired. Get a new one from POST /api/auth/refresh."


class RevokedToken(NotAuthorized):
    """The access token was ended before its time: its user changed the password, logged out
    everywhere, or a refresh token of theirs was used twice.
    """

    code = "revoked_token"
    message = "The access token was ended. Get a new one from POST /api/auth/refresh, or log in."


class UnknownUser(NotAuthorized):
    """The token is genuine but names a user who is not (or no longer) registered here."""

    code = "unknown_user"
    message = "The access token names a user who is not registered here."


# What a server is told that names nobody.
NO_PLAYER: Final = "Nobody has this userId. `PUT /api/users/{userId}` makes a player of your game."


class Banned(NotAuthorized):
    """An operator has banned the user, and no one has lifted the ban yet."""

    code = "banned"
    message = "This account is banned, so nothing is taken from it. Write to who runs this service."


class NotClaimable(ScoreboardError):
    """Only servers that are trusted grant the action, and a user submitted it."""

    status = 403
    code = "not_claimable"
    message = (
        "This action cannot be claimed: the game's server grants it to whoever completes it. "
        "GET /api/actions says of each action who may claim it."
    )


class NotFresh(ScoreboardError):
    """The token is good, but from a log-in too long ago for what cannot be taken back."""

    status = 403
    code = "not_fresh"
    message = (
        "Log in once more where you log in, and send this with the new token within 5 minutes."
    )


class KeyLacksScope(ScoreboardError):
    """The server key is good, but not for this."""

    status = 403
    code = "key_lacks_scope"
    message = "This server key lacks the scope for this request. Use one that has it."

    def __init__(self, scope: str = "") -> None:
        said = f"This server key lacks the scope {scope}. Use one that has it." if scope else None
        super().__init__(said)


class KeyLacksBoard(ScoreboardError):
    """The server key may touch some boards, and the request names another one."""

    status = 403
    code = "key_lacks_board"
    message = "This server key may not touch that board. Use one that may, or leave that board out."


class KeyLacksUser(ScoreboardError):
    """The server key names players of its own source, and this user is none."""

    status = 403
    code = "key_lacks_user"
    message = "This user is no player of your game: only a key of the same source may name them."


class RegistrationClosed(ScoreboardError):
    """Nobody may register here: setting `registration`."""

    status = 403
    code = "registration_closed"
    message = "Nobody can register here now. Who has an account can log in."


class InvitationRequired(ScoreboardError):
    """Who registers here needs an invitation: setting `registration`."""

    status = 403
    code = "invitation_required"
    message = "You need an invitation to register here. Send its code as `invitation`."


class InvitationNotValid(ScoreboardError):
    """There is no such invitation, or it was used, has expired or was revoked: nobody is told
    which.
    """

    status = 403
    code = "invitation_not_valid"
    message = "This invitation cannot be used, or not any more. Ask for another one."


class AccountsOff(ScoreboardError):
    """Nobody registers or logs in here: who plays has an account at an identity provider."""

    status = 403
    code = "accounts_off"
    message = "There are no log-ins by password here. Log in at your identity provider."


class NotFound(ScoreboardError):
    """No route has this path."""

    status = 404
    code = "not_found"
    message = "There is nothing at this path. The API is described at /docs."


class UnknownProvider(ScoreboardError):
    """The page offers no identity provider of that name."""

    status = 404
    code = "unknown_provider"
    message = "There is no log-in by a provider of that name. The page has a button for each."


class UnknownBoard(ScoreboardError):
    """No board has that id."""

    status = 404
    code = "unknown_board"
    message = "There is no such board. GET /api/boards lists the boards that there are."


class UnknownSeason(ScoreboardError):
    """The board has no season of that number."""

    status = 404
    code = "unknown_season"
    message = (
        "The board has no such season. GET /api/boards/{board}/seasons lists those that it has."
    )


class NobodyToFollow(ScoreboardError):
    """No user who is shown has the id of whom somebody wants to follow."""

    status = 404
    code = "nobody_to_follow"
    message = "There is no user of this id to follow. Take the userId of a line on a board."


class NoEntry(ScoreboardError):
    """The user has no entry in the ranking, or none that is shown."""

    status = 404
    code = "no_entry"
    message = "That user has no entry on this board, in this season."


class NotGranted(ScoreboardError):
    """The user was never granted that action."""

    status = 404
    code = "not_granted"
    message = "That user was never granted that action, so there is nothing to take back."


class UnknownReceipt(ScoreboardError):
    """No result of that source has this receipt."""

    status = 404
    code = "unknown_receipt"
    message = "No result was recorded under this receipt. Receipts belong to the source of a key."


class MethodNotAllowed(ScoreboardError):
    """The path exists, with other methods; `allowed` names them, with commas between them."""

    status = 405
    code = "method_not_allowed"
    message = "This path does not take that method; see the Allow header."

    def __init__(self, allowed: str = "") -> None:
        super().__init__(f"This path takes {allowed}." if allowed else None)
        self.allowed = allowed


class BodyTooSlow(ScoreboardError):
    """The body did not arrive in time; the connection is closed."""

    status = 408
    code = "body_too_slow"
    closes = True
    message = "The request body did not arrive in time. Send it again."


class AccountTaken(ScoreboardError):
    """The user name or the e-mail address belongs to somebody already."""

    status = 409
    code = "account_taken"
    message = "This user name or e-mail address is taken already. Log in, or choose another."


class BoardRefused(ScoreboardError):
    """The board cannot be as the request says, beside what there is; the message says why."""

    status = 409
    code = "board_refused"
    message = "The board cannot be so. Compare it with `GET /api/boards/{board}`."


class FollowsFull(ScoreboardError):
    """The user follows as many as anybody may."""

    status = 409
    code = "follows_full"
    message = "You follow 1,000 users, as many as anybody may. Unfollow one of them first."


class AlreadyRevoked(ScoreboardError):
    """The grant or the result was taken back before; that is done once."""

    status = 409
    code = "already_revoked"
    message = "This was revoked before, and counts nowhere. There is nothing left to do."


class ReceiptUsed(ScoreboardError):
    """Something else was recorded under the receipt; `original` says what."""

    status = 409
    code = "receipt_used"
    message = (
        "Another result was recorded under this receipt, and stays as it is (see original). Give "
        "each result a receipt of its own."
    )

    def __init__(self, original: Any = None) -> None:
        super().__init__()
        self.original = original


class SeasonClosed(ScoreboardError):
    """The season in which a result was played has ended, and its grace is over."""

    status = 409
    code = "season_closed"
    message = (
        "The season that contains playedAt is over, and so is its grace (graceSeconds), so it "
        "counts nothing any more. Send results sooner, or correct the score."
    )


class BoardClosed(ScoreboardError):
    """The board is closed."""

    status = 409
    code = "board_closed"
    message = "This board is closed, so it counts nothing any more. Send the result to another one."


class EntriesNotKept(ScoreboardError):
    """The season is final, and only its last board is kept."""

    status = 410
    code = "entries_not_kept"
    message = (
        "The entries of this season are not kept any more, but for the first ones: "
        "GET /api/boards/{board}/leaderboard?season=N shows these."
    )


class PreconditionFailed(ScoreboardError):
    """`If-Match` names another answer than the one there is now."""

    status = 412
    code = "precondition_failed"
    message = "What If-Match names is not what is here now. Ask again without it."


class BodyTooLarge(ScoreboardError):
    """The body is larger than any that this API takes."""

    status = 413
    code = "body_too_large"
    closes = True
    message = "The request body is too large."


class UnsupportedMediaType(ScoreboardError):
    """The body is not declared as JSON."""

    status = 415
    code = "unsupported_media_type"
    message = "Send the body as JSON, with Content-Type: application/json."


class UnsupportedEncoding(UnsupportedMediaType):
    """The body is packed in a way that is not known here, or more than once."""

    code = "unsupported_encoding"
    message = "Send the body as it is, or packed once, with Content-Encoding: gzip or deflate."


class RangeNotSatisfiable(ScoreboardError):
    """`Range` asks for what lies behind the end of a file."""

    status = 416
    code = "range_not_satisfiable"
    message = "The file ends before that range; Content-Range has its length."

    def __init__(self, length_bytes: int) -> None:
        super().__init__()
        self.length_bytes = length_bytes


class ExpectationFailed(ScoreboardError):
    """The client expects what is not known here; the connection is closed."""

    status = 417
    code = "expectation_failed"
    closes = True
    message = "No expectation is known here but 100-continue. Send the request without Expect."


class RateLimited(ScoreboardError):
    """The client asked more often than it may."""

    status = 429
    code = "rate_limited"
    retry_after_seconds = 1  # unless the limit gives a longer time
    message = "Too many requests. Try again after the time that Retry-After gives."


class TooManyStreams(ScoreboardError):
    """An address or a user holds as many streams as it may; the new one is refused, none ended."""

    status = 429
    code = "too_many_streams"
    retry_after_seconds = 10
    message = "Too many open streams. Close one, or poll GET /api/leaderboard."


# 503: a part is away; try again


class Unavailable(ScoreboardError):
    """A part that this request needs is away. Trying again is safe and Retry-After says when."""

    status = 503
    code = "unavailable"
    message = "The service cannot answer just now. Try again shortly."
    retry_after_seconds = 1


class LedgerUnavailable(Unavailable):
    """PostgreSQL did not answer. Whether a grant was committed may be unknown; a retry tells."""

    code = "ledger_unavailable"
    message = (
        "The database cannot be reached just now. Try again shortly; "
        "an action is never granted twice, so submitting it again is safe."
    )
    retry_after_seconds = 2


class KeyUnreadable(Unavailable):
    """The secret of the server key was sealed under a secret that this instance does not have."""

    code = "key_unreadable"
    message = (
        "This instance cannot read the secret of that server key. Try again shortly; if it goes "
        "on, operators find out why with `scoreboard keys reseal`."
    )


class ProviderUnavailable(Unavailable):
    """The identity provider that made the token has not told its keys yet."""

    code = "provider_unavailable"
    message = (
        "The identity provider cannot be reached just now, so its tokens cannot be verified. "
        "Try again shortly."
    )
    retry_after_seconds = 5


class Overloaded(Unavailable):
    """A bounded queue is full."""

    code = "overloaded"
    message = "The service is busy. Try again shortly."


class ShuttingDown(Unavailable):
    """This instance is leaving; another one will answer."""

    code = "shutting_down"
    message = "This instance is shutting down. Try again: another one will answer."
