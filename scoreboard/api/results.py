"""/api/results: what servers say that users reached, each under a receipt that counts once."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from scoreboard import errors
from scoreboard.api.asked import path_parameter_or_none
from scoreboard.api.docs.descriptions import Answer, Operation
from scoreboard.api.http.replies import reply
from scoreboard.api.http.signed import signed, user_id_of
from scoreboard.api.http.tracing import traceparent
from scoreboard.api.schemas.parameters import RECEIPT_ID, TRACEPARENT
from scoreboard.api.schemas.results import ReceiptSchema, ResultsSchema, ResultVerdictsSchema
from scoreboard.keys.server_key import ServerKey
from scoreboard.ledger.receipts import Recorded, Result
from scoreboard.ledger.results import Verdict
from scoreboard.parts import PARTS
from scoreboard.timestamps import exact_timestamp

_SCHEMA: Final = ResultsSchema()


@Operation(
    "recordResults",
    "Record results",
    tag="Servers",
    authorization="signed",
    parameters=(TRACEPARENT,),
    body=_SCHEMA,
    answers={200: Answer(ResultVerdictsSchema())},
    errors=[errors.KeyLacksBoard, errors.LedgerUnavailable],
)
async def record(request: web.Request) -> web.Response:
    """Record what users reached on boards, 1 to 200 results at once. Each is judged by itself: one
    that is refused keeps none of the others out. Only a body that is not in its form, or that names
    a board that your key may not touch, is refused as a whole.

    A receipt is recorded once, for ever. Send results again when no answer came, as often as you
    like: what was recorded is answered as `repeated`, and adds nothing. `503` says that nothing of
    the request could be tried.
    """
    asked = await signed(request, "results", _SCHEMA)
    key, sent = asked.key, asked.body["results"]
    key.require_boards({result["board_id"] for result in sent})  # guard: results-of-boards
    trace = traceparent(request)
    results = [
        Result(
            key.source,
            each["receipt"],
            user_id_of(key, each["user_id"]),
            each["board_id"],
            each["value"],
            each["played_at"],
            trace,
        )
        for each in sent
    ]
    verdicts = await request.app[PARTS].results.record(results)
    unavailable = [each for each in verdicts if isinstance(each, errors.Unavailable)]
    if len(unavailable) == len(verdicts):
        raise unavailable[0]
    lines = [_line(key, *each) for each in zip(results, verdicts, strict=True)]
    return reply({"success": True, "data": lines})


@Operation(
    "readResult",
    "Read what is recorded under a receipt",
    tag="Servers",
    authorization="signed",
    parameters=(RECEIPT_ID,),
    answers={200: Answer(ReceiptSchema())},
    errors=[errors.KeyLacksBoard, errors.UnknownReceipt, errors.LedgerUnavailable],
)
async def read(request: web.Request) -> web.Response:
    """What was recorded under a receipt of your key's source, and whether it was revoked since."""
    key = (await signed(request, "results", None)).key
    receipt = path_parameter_or_none(request, RECEIPT_ID)
    if receipt is None:
        raise errors.UnknownReceipt
    found = await request.app[PARTS].results.find(key.source, receipt)
    key.require_boards([found.board_id])  # guard: receipt-of-boards
    revoked_at = found.revoked_at and exact_timestamp(found.revoked_at)
    document = {"success": True, "data": found.as_json() | {"revokedAt": revoked_at}}
    return reply(document, headers={"Cache-Control": "no-store"})


def _line(key: ServerKey, result: Result, verdict: Verdict) -> dict[str, Any]:
    """Write a verdict as clients see it."""
    if isinstance(verdict, Recorded):
        return {"verdict": "repeated" if verdict.is_repeated else "recorded"} | verdict.as_json()
    refused = {
        "verdict": "unavailable" if isinstance(verdict, errors.Unavailable) else "refused",
        "receipt": result.receipt,
        "error": {"code": verdict.code, "message": verdict.message},
    }
    # guard: original-of-boards
    if isinstance(verdict, errors.ReceiptUsed) and key.may_touch(verdict.original.board_id):
        refused["original"] = verdict.original.as_json()
    return refused
