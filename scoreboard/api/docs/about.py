"""What the OpenAPI document says of the API as a whole: what it is, its tags, how to authenticate,
the headers of answers.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any, Final

from scoreboard import errors
from scoreboard.errors import ScoreboardError
from scoreboard.keys import heads

LICENSE: Final = {"name": "MIT", "identifier": "MIT"}
# The document is the same on every instance, and does not know who that is.
CONTACT: Final = {"name": "Whoever runs this service"}
TAGS: Final = {
    "Actions": "Complete actions; each counts once per user.",
    "Leaderboard": "The top 10, to read or to follow.",
    "Boards": "All boards, the top 10 among them as `main`, and their seasons.",
    "Accounts": "Register, log in, stay logged in, log out.",
    "Servers": "For game servers and back offices, which sign each request with a server key.",
    "Operations": "For probes and monitoring.",
}
_TOKEN_SCHEME: Final = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "The `accessToken` that `POST /api/auth/login` answers with.",
}
# A signed request has all four (docs/server-keys.md).
_SIGNATURE_SCHEMES: Final = {
    name: {"type": "apiKey", "in": "header", "name": name, "description": description}
    for name, description in {
        heads.KEY: "The id of the server key, `key_` and 20 hexadecimal digits.",
        heads.ID: (
            "`METHOD:TARGET:NONCE`: path and query as they are sent, with each dot as `%2E`, and "
            "16 to 64 letters, digits, `-` or `_` that are new for each request, and the same when "
            "it is sent again."
        ),
        heads.TIMESTAMP: "Now, in whole seconds since 1970; at most 300 s from our clock.",
        heads.SIGNATURE: (
            "`v1,` and the base64 of HMAC-SHA256 over `ID.TIMESTAMP.BODY` by the key's secret, as "
            "Standard Webhooks have it. A program makes it: it cannot be written here by hand."
        ),
    }.items()
}
SECURITY: Final[Mapping[str, list[dict[str, list[str]]]]] = {
    "none": [],
    "optional": [{}, {"bearerAuth": []}],
    "required": [{"bearerAuth": []}],
    "signed": [{name: [] for name in _SIGNATURE_SCHEMES}],
}
_INTRODUCTION: Final = """\
Grants each action to each user once, and shows everybody the top 10 as it changes.

Register or log in, take the `accessToken`, press *Authorize*, and submit an action. Follow the
board with `GET /api/leaderboard/stream`, or poll `GET /api/leaderboard`.

**Errors** all have one form, `{"success": false, "message": …, "code": …}`. `message` is for people
and may change; `code` is for programs and never does.

**Parameters** behind the `?` that an operation does not name are passed over; those that it names
are given once.

<details><summary>All codes</summary>

| code | status | message |
|---|---|---|
"""


def _header(description: str, example: str | int) -> dict[str, Any]:
    json_type = "integer" if isinstance(example, int) else "string"
    return {"description": description, "schema": {"type": json_type}, "example": example}


HEADERS: Final = {
    "X-Request-ID": _header("The request's id in our log; yours, if you sent one.", "8f14e45f"),
    "RateLimit-Limit": _header("Requests per period, of the tightest limit that holds.", 600),
    "RateLimit-Remaining": _header("How many of them may follow at once.", 599),
    "RateLimit-Reset": _header("Seconds until all of them may.", 1),
    "RateLimit-Policy": _header("The limit and its period in seconds.", "600;w=60"),
    "Retry-After": _header("Seconds after which to try again.", 1),
    "WWW-Authenticate": _header("How to authenticate.", 'Bearer realm="scoreboard"'),
    "Accept": _header("What a body may be.", "application/json"),
    "Accept-Encoding": _header("How a body may be packed.", "gzip, deflate"),
    "ETag": _header("The board's version, or a tag of the answer.", '"42"'),
    "Location": _header("Where to go on.", "https://scores.example.org/#login=done"),
    "Cache-Control": _header("Who may keep the answer, and how long.", "no-store"),
}
# Of all answers that are for one client alone.
HEADERS_OF_ALL: Final = (
    "X-Request-ID",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "RateLimit-Policy",
)
SECURITY_SCHEMES: Final = {"bearerAuth": _TOKEN_SCHEME} | _SIGNATURE_SCHEMES


def introduction() -> str:
    """The description of the API, with a table of all codes."""
    table = "".join(
        f"| `{kind.code}` | {kind.status} | {plain(kind.message)} |\n" for kind in error_kinds()
    )
    return f"{_INTRODUCTION}{table}\n</details>\n"


def error_kinds() -> list[type[ScoreboardError]]:
    """Every error that a client may meet, in the order of statuses and codes."""
    classes = (each for each in vars(errors).values() if isinstance(each, type))
    kinds = [each for each in classes if issubclass(each, ScoreboardError)]
    return sorted(kinds, key=lambda kind: (kind.status, kind.code))


def plain(message: str) -> str:
    """Keep Markdown from taking `<token>` for HTML."""
    return html.escape(message, quote=False)
