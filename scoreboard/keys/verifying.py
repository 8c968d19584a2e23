"""May this request do that? Answered from memory alone, in the order of what it costs:

    header      its form, its route, its time       about 10 µs, before a body is read
    key         is there one of that name           a dictionary
    signature   HMAC-SHA256 over id, time, body     some 50 µs, and some µs for each KB of the body
    rights      expiry and scope; boards, once the body is read by its schema

So who cannot sign learns no more of a key than that it is there.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime

from multidict import MultiMapping
from standardwebhooks import Webhook

from scoreboard.errors import BadSignature, KeyUnreadable, MalformedBody
from scoreboard.keys.heads import SignedHead, read_head
from scoreboard.keys.keyring import Keyring
from scoreboard.keys.server_key import Scope, ServerKey


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What is signed of a request: method, target (path and query as they were sent), header
    fields, and the body as it is read here, so after Content-Encoding.
    """

    method: str
    target: str
    headers: MultiMapping[str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """A request that says which key signed it. Nothing is verified yet."""

    head: SignedHead
    key: ServerKey

    def verify(self, body: bytes, scope: Scope, now: float) -> ServerKey:
        """Say which key has signed this body, and may do what `scope` says.

        Raises MalformedBody, BadSignature, KeyUnreadable, ExpiredKey, KeyLacksScope, KeyLacksBoard.
        """
        _verify_signature(self.head, self.key, body, now)
        self.key.require_alive(now)  # guard: key-expires
        self.key.require_scope(scope)  # guard: key-has-scope
        return self.key


def claim_of(
    method: str, target: str, headers: MultiMapping[str], keyring: Keyring, now: float
) -> Claim:
    """Find what is to be verified, before the body is read. Raises NotSigned, BadSignature,
    StaleSignature, UnknownKey.
    """
    head = read_head(method, target, headers, now)
    return Claim(head, keyring.known(head.key_id))


def verify(request: SignedRequest, keyring: Keyring, scope: Scope, now: float) -> ServerKey:
    """Say which key has signed this request, and may do what `scope` says; which boards it may
    touch is asked once the body was read (`ServerKey.require_boards`). `now` is in seconds since
    1970. Raises as `claim_of` and `Claim.verify` do.
    """
    claim = claim_of(request.method, request.target, request.headers, keyring, now)
    return claim.verify(request.body, scope, now)


def _verify_signature(head: SignedHead, key: ServerKey, body: bytes, now: float) -> None:
    """The library makes the signature, and we compare: its own comparison has a clock of its own,
    and other exceptions for other garbage. A good signature has one spelling.
    """
    if not key.secrets:
        raise KeyUnreadable
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise MalformedBody from error
    moment = datetime.fromtimestamp(head.timestamp, UTC)
    # guard: rotated-out-secret
    secrets = key.secrets_at(now)
    made = (Webhook(secret).sign(head.message_id, moment, text) for secret in secrets)
    pairs = [(ours.encode(), given) for ours in made for given in head.signatures]
    # guard: signature-compared
    if not any(hmac.compare_digest(*pair) for pair in pairs):
        raise BadSignature
