"""What members of bodies are made of: a checked text, a number in a query, a described member."""

from __future__ import annotations

import re
from typing import Any, Final

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

EXAMPLE_USER_ID: Final = "5f0c1f8e-6b0a-4c58-9d3e-0f7a3f1b2c4d"
EXAMPLE_TIME: Final = "2024-12-09T14:30:45Z"
# What a server may send at once.
BATCH_MAX: Final = 200
# Of a user's id that is a game's own.
OWN_ID_CHARS_MAX: Final = 100
# Unicode's Cc, Cs, Zl and Zp. Looking at each character of a body in turn takes a millisecond.
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
# The same for readers of the document; a lone surrogate is not valid JSON in the first place.
PRINTABLE_PATTERN: Final = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$"
_NUMBER: Final = re.compile("0|-?[1-9][0-9]{0,9}")


class Request(Schema):
    """A request. Members that we do not know are ignored, so that newer clients work with older
    servers.
    """

    class Meta:
        """Read by marshmallow."""

        unknown = EXCLUDE


class Number(fields.Integer):
    """A whole number in a query: digits, as a JSON number has them, and nothing else that Python
    reads as a number: `1_0`, ` 5`, digits of other scripts.
    """

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, str) or not _NUMBER.fullmatch(value):  # guard: number-query-digits
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, attr, data, **kwargs)


class Counted(fields.List):
    """A list of so many items, which are counted before any of them is looked at: to read 80,000
    empty ones would take a second.
    """

    def __init__(self, item: Any, least: int, most: int, **kwargs: Any) -> None:
        super().__init__(item, **kwargs)
        self._least, self._most = least, most
        self.metadata |= {"minItems": least, "maxItems": most}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        # guard: items-counted
        if isinstance(value, list) and not self._least <= len(value) <= self._most:
            raise ValidationError(
                f"Send {self._least} to {self._most} at once; these are {len(value)}."
            )
        return super()._deserialize(value, attr, data, **kwargs)


def batch(description: str, item: type[Schema]) -> Any:
    """A member that holds 1 to `BATCH_MAX` of these."""
    return member(Counted, description, item=fields.Nested(item), least=1, most=BATCH_MAX)


def user_id_member(
    description: str = "A UUID, or your game's own id of somebody.", **kwargs: Any
) -> Any:
    """The member by which a server says which user; `kwargs` are those of the field."""
    return text(1, OWN_ID_CHARS_MAX, description, EXAMPLE_USER_ID, data_key="userId", **kwargs)


def text(
    chars_min: int | None, chars_max: int, description: str, example: Any = ..., **kwargs: Any
) -> Any:
    """A member of a request, a text of so many characters; `kwargs` are those of the field."""
    validators = [validate.Length(chars_min, chars_max), _printable]
    made = member(fields.String, description, example, validate=validators, **kwargs)
    made.metadata["pattern"] = PRINTABLE_PATTERN
    return made


def member(field: type[fields.Field], description: str, example: Any = ..., **kwargs: Any) -> Any:
    """A member, required unless `kwargs` say otherwise, which are those of the field. A member that
    holds other schemas needs no example, because it takes theirs.
    """
    metadata = {"description": description} | ({} if example is ... else {"example": example})
    return field(**{"required": True, "metadata": metadata, **kwargs})


def page_size_member(default: int = 100) -> Any:
    """The member of a query that says how large a page is."""
    return member(
        Number,
        "The size of a page, in digits. Given once.",
        required=False,
        load_default=default,
        validate=validate.Range(1, 1000),
    )


class Success(Schema):
    """An answer that is no error."""

    success = member(
        fields.Boolean, "Always true.", True, dump_default=True, validate=validate.Equal(True)
    )


def _printable(value: str) -> None:
    """Refuse what PostgreSQL cannot keep (NUL, lone surrogates) and what nobody can see."""
    if _UNPRINTABLE.search(value):
        raise ValidationError("Must not contain control characters.")
