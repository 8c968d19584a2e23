"""The header fields of requests and answers, as the OpenAPI document tells them."""

from __future__ import annotations

from typing import Any, Final


def _field(description: str, example: str | int) -> dict[str, Any]:
    json_type = "integer" if isinstance(example, int) else "string"
    return {"description": description, "schema": {"type": json_type}, "example": example}


HEADERS: Final = {
    "X-Request-ID": _field("The request's id in our log; yours, if you sent one.", "8f14e45f"),
    "RateLimit-Limit": _field("Requests per period, of the tightest limit that holds.", 600),
    "RateLimit-Remaining": _field("How many of them may follow at once.", 599),
    "RateLimit-Reset": _field("Seconds until all of them may.", 1),
    "RateLimit-Policy": _field("The limit and its period in seconds.", "600;w=60"),
    "Retry-After": _field("Seconds after which to try again.", 1),
    "WWW-Authenticate": _field("How to authenticate.", 'Bearer realm="scoreboard"'),
    "Accept": _field("What a body may be.", "application/json"),
    "Accept-Encoding": _field("How a body may be packed.", "gzip, deflate"),
    "ETag": _field("The board's version.", '"42"'),
    "Cache-Control": _field("Who may keep the answer, and how long.", "no-store"),
}
# Of all answers that are for one client alone.
HEADERS_OF_ALL: Final = (
    "X-Request-ID",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "RateLimit-Policy",
)
# Without examples, which Swagger UI would send: a 304, or everybody in one trace.
PARAMETERS: Final = {
    name: {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}
    for name, description in {
        "If-None-Match": 'The ETag of the board that you have, as `"42"`.',
        "traceparent": (
            "The trace to carry on (W3C Trace Context); it goes with the event to every instance."
        ),
    }.items()
}
