"""The bodies of /api/results."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, validate

from scoreboard.api.schemas.grants import ProblemSchema
from scoreboard.api.schemas.members import (
    EXAMPLE_USER_ID,
    Request,
    Success,
    batch,
    member,
    text,
    user_id_member,
)
from scoreboard.ledger.receipts import RECEIPT, VALUE_MAX, VALUE_MIN
from scoreboard.seasons.periods import FIRST_MOMENT, MOMENT_END

_TIME: Final = "2024-12-09T14:30:45.123456Z"
_RECEIPT: Final = "match-4711"


class _Value(fields.Integer):
    """A JSON integer of 64 bits, and nothing that Python makes one of."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if type(value) is not int:  # guard: result-value-integer
            raise ValidationError("Must be an integer: no text, no fraction, no true or false.")
        if not VALUE_MIN <= value <= VALUE_MAX:
            raise ValidationError("Must be an integer of 64 bits.")
        return super()._deserialize(value, attr, data, **kwargs)


class _Moment(fields.AwareDateTime):
    """A time with a zone, as RFC 3339 has it, so in ASCII: not with digits of other scripts."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, str) and not value.isascii():  # guard: time-in-ascii
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE)
        return super()._deserialize(value, attr, data, **kwargs)


def _in_years(moment: datetime) -> None:
    try:
        is_known = FIRST_MOMENT <= moment.astimezone(UTC) < MOMENT_END
    except OverflowError:
        is_known = False
    if not is_known:
        raise ValidationError("Must be from 1970 to 9998.")


def _receipt(description: str) -> Any:
    made = member(
        fields.String,
        description,
        _RECEIPT,
        validate=validate.Regexp(
            rf"\A{RECEIPT.pattern}\Z",
            error="Must be 1 to 100 of A-Z a-z 0-9 . _ : and -.",
        ),
    )
    made.metadata["pattern"] = f"^{RECEIPT.pattern}$"
    return made


class ResultSchema(Request):
    """What a user reached on a board."""

    receipt = _receipt(
        "Your name for this result, the same each time you send it: it is recorded once, for ever."
    )
    user_id = user_id_member()
    board_id = text(1, 50, "The board on which it counts.", "weekly", data_key="boardId")
    value = member(
        _Value,
        "What was reached: an integer within the board's `valueMin` and `valueMax`.",
        1200,
    )
    played_at = member(
        _Moment,
        "When (RFC 3339, with a zone); it says in which season the result counts. Without it, now.",
        _TIME,
        required=False,
        load_default=None,
        data_key="playedAt",
        format="iso",
        validate=_in_years,
    )


class ResultsSchema(Request):
    """Results to record."""

    results = batch("The results, up to 200. Each is judged by itself.", ResultSchema)


class RecordedSchema(Schema):
    """What is recorded under a receipt."""

    receipt = _receipt("The receipt.")
    user_id = member(
        fields.String,
        "Whose it is, as a UUID; null once the user was erased.",
        EXAMPLE_USER_ID,
        data_key="userId",
        allow_none=True,
    )
    board_id = member(fields.String, "The board.", "weekly", data_key="boardId")
    season = member(fields.Integer, "The season in which it counts.", 48)
    value = member(fields.Integer, "What was reached.", 1200)
    played_at = member(fields.DateTime, "When it was played.", _TIME, data_key="playedAt")
    recorded_at = member(fields.DateTime, "When it was recorded.", _TIME, data_key="recordedAt")


class FoundSchema(RecordedSchema):
    """What is recorded under a receipt, and whether it counts."""

    revoked_at = member(
        fields.DateTime,
        "Since when it counts no more, because it was revoked; null while it counts.",
        None,
        data_key="revokedAt",
        allow_none=True,
    )


class ResultVerdictSchema(RecordedSchema):
    """What became of a result. `recorded` and `repeated` have all members of what is recorded;
    `refused` and `unavailable` have `receipt` and `error`, and `refused` for `receipt_used` has
    `original`.
    """

    verdict = member(
        fields.String,
        "`recorded`; `repeated`: it had been recorded before, and adds nothing; `refused`: sending "
        "it again as it is does not help; `unavailable`: send it again, which is safe.",
        "recorded",
        validate=validate.OneOf(["recorded", "repeated", "refused", "unavailable"]),
    )
    error = member(fields.Nested, "Why not.", nested=ProblemSchema, required=False)
    original = member(fields.Nested, "What has the receipt.", nested=RecordedSchema, required=False)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in RecordedSchema().fields.keys() - {"receipt"}:
            self.fields[name].required = False


class ResultVerdictsSchema(Success):
    """A verdict for each result, in their order."""

    data = member(fields.List, "The verdicts.", cls_or_instance=fields.Nested(ResultVerdictSchema))


class ReceiptSchema(Success):
    """What is recorded under the receipt."""

    data = member(fields.Nested, "The result.", nested=FoundSchema)
