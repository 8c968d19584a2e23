"""What a signed request says in its header: read before its body, bounded, and cheap to refuse.

The form is that of Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature` over
`{id}.{timestamp}.{body}`. Beside them `scoreboard-key` names the key. The id begins with the method
and the target of the request, so a signature is good for that route and that subject alone
(docs/decisions/0044).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from multidict import MultiMapping

from scoreboard.errors import BadSignature, NotSigned, StaleSignature
from scoreboard.keys.server_key import KEY_ID

KEY: Final = "scoreboard-key"
ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"
HEADERS: Final = (KEY, ID, TIMESTAMP, SIGNATURE)

# How far a request's time may be from ours, either way.
APART_SECONDS: Final = 300
# The largest path that has a route has 512 characters, and a dot is written as three.
_FIELD_CHARS_MAX: Final = 2048
# One by each of two secrets during a rotation, and as many of versions that are not known here.
_SIGNATURES_MAX: Final = 4
_NONCE: Final = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
_TIMESTAMP: Final = re.compile(r"[1-9][0-9]{9}", re.ASCII)  # until the year 2286
_SIGNATURE: Final = re.compile(r"v1,[A-Za-z0-9+/]{43}=", re.ASCII)


@dataclass(frozen=True, slots=True)
class SignedHead:
    """The four fields, in good form; nothing is verified yet. `timestamp` is in seconds since 1970;
    `signatures` are those of version 1, with their prefix.
    """

    key_id: str
    message_id: str
    timestamp: int
    signatures: tuple[bytes, ...]


def message_id_begins(method: str, target: str) -> str:
    """How the id of a request to this target begins: `POST:/api/results:`.

    `target` is path and query as they are sent. A dot is written `%2E`, because a dot ends the id
    in what is signed: otherwise one signature would fit several ids, times and bodies.
    """
    return f"{method}:{target.replace('.', '%2E')}:"


def read_head(method: str, target: str, headers: MultiMapping[str], now: float) -> SignedHead:
    """Read the header of a signed request to this target (path and query as they were sent).

    Raises NotSigned, BadSignature (of a form that nothing good has, or made for another request),
    StaleSignature.
    """
    key_id, message_id, timestamp, signature = (_one(headers, name) for name in HEADERS)
    if not KEY_ID.fullmatch(key_id):
        raise BadSignature(f"{KEY} is no id of a key: key_ and 20 hexadecimal digits.")
    if not _TIMESTAMP.fullmatch(timestamp):
        raise BadSignature(f"{TIMESTAMP} has to be whole seconds since 1970, in 10 digits.")
    begins = message_id_begins(method, target)
    if not message_id.startswith(begins):  # guard: signature-one-route
        raise BadSignature(
            f"{ID} does not begin with the method and target of this request: "
            "METHOD:/path?query: with each dot as %2E."
        )
    if not _NONCE.fullmatch(message_id, len(begins)):  # guard: signed-id-dots
        raise BadSignature(f"{ID} has to end with 16 to 64 letters, digits, - or _.")
    head = SignedHead(key_id, message_id, int(timestamp), _signatures(signature))
    if abs(now - head.timestamp) > APART_SECONDS:  # guard: signature-grows-stale
        raise StaleSignature
    return head


def _one(headers: MultiMapping[str], name: str) -> str:
    """The one field of this name. Of two, a proxy might read one and we the other."""
    found = headers.getall(name, [])
    if not found:
        raise NotSigned
    if len(found) > 1:  # guard: signed-field-once
        raise BadSignature(f"{name} has to be there once.")
    value = found[0]
    if len(value) > _FIELD_CHARS_MAX or not value.isascii():
        raise BadSignature(f"{name} is too long, or has letters beyond ASCII.")
    return value


def _signatures(text: str) -> tuple[bytes, ...]:
    """Those of version 1; others, which signers may send beside them, are passed over."""
    given = text.split(" ")
    if len(given) > _SIGNATURES_MAX:
        raise BadSignature(f"{SIGNATURE} has more than {_SIGNATURES_MAX} signatures.")
    good = tuple(each.encode() for each in given if _SIGNATURE.fullmatch(each))
    if not good:
        raise BadSignature(f"{SIGNATURE} has no signature in the form v1,BASE64 of 32 bytes.")
    return good
