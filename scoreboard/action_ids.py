"""Which ids a new action may have: texts that people can see, in the composed form.

Case counts, and nothing is folded. An id from before this rule goes on: whoever submits it as it is
stored is granted it.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from scoreboard import unicode

ACTION_ID_CHARS_MAX: Final = 100  # as the column is wide
BYTE_ORDER_MARK: Final = "\ufeff"


def composed(text: str) -> str:
    """Return the composed form, in which `é` is one character however it was typed."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def problem(text: str) -> str:
    """Say why no new action may have this id, so that it follows the id in a sentence. The answer
    is empty if one may.
    """
    if not 1 <= len(composed(text)) <= ACTION_ID_CHARS_MAX:
        return f"must have 1 to {ACTION_ID_CHARS_MAX} characters"
    if text.startswith(BYTE_ORDER_MARK):
        return "begins with a byte order mark (U+FEFF), as where two files were joined: delete it"
    if unseen := unicode.first_unseen(text):
        return f"has {unseen}"
    if text != text.strip():
        return "has spaces at an end"
    return ""
