"""The names of users: which are good, the form that is shown, and the key that a user is found by.

The form that is shown is what the user typed, composed. The key is the same for all spellings of a
name (`scoreboard.unicode.fold`), and unique. Whoever looks for a user looks for the key.
PostgreSQL's lower() is never asked, because what it knows depends on the locale of the database.

Keys lie in databases. So what `username_key` and `email_key` answer for a text never changes
without a migration that computes every key anew.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

import email_validator
import idna

from scoreboard import unicode
from scoreboard.accounts import ids

USERNAME_CHARS_MIN: Final = 2
USERNAME_CHARS_MAX: Final = 50  # as the column is wide
EMAIL_CHARS_MAX: Final = 255
# A longer text is refused unread. A composed character is at most four decomposed ones.
TYPED_CHARS_MAX: Final = 4 * USERNAME_CHARS_MAX

# The end of what is kept in the place of an address of who has none.
NO_ADDRESS: Final = "@users.invalid"

_SIGNS: Final = "_-."
_RULE: Final = "Use letters, digits, _, - and . only"
_LENGTH: Final = f"Use {USERNAME_CHARS_MIN} to {USERNAME_CHARS_MAX} characters"
# No language needs more (Unicode's report 39, 5.4). A higher tower covers the lines around it.
_MARKS_MAX: Final = 4
# Thai and Lao AM, and single letters of Hangul. NFKC replaces these by characters that are drawn
# differently, so they are shown as they were typed, and replaced in the key alone.
_SHOWN_AS_TYPED: Final = re.compile("([\u0e33\u0eb3\u3131-\u3163\u3165-\u318e])")
# In a key these signs would make one address read as another.
_SIGNS_OF_ADDRESSES: Final = re.compile(r'[\s"(),:;<>@\[\\\]]')
_DOTS_OF_DOMAINS: Final = re.compile("[.\u3002\uff0e\uff61]")
_LABEL_CHARS_MAX: Final = 63

# Nothing is sent, so an address in a private network (`.local`) is as good as another.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()


class NameRefused(ValueError):
    """Nobody may take this user name or e-mail address. The message says what to change."""


@dataclass(frozen=True, slots=True)
class Email:
    """An e-mail address: as its owner wrote it, and the key that stands for the mailbox."""

    given: str
    key: str


# User names


def username(text: str) -> str:
    """Return the form in which a user name is kept and shown. Raises NameRefused.

    The characters are judged in the decomposed form, because decomposing brings in others: `¨`
    becomes a space and a mark, a single letter of Hangul may become a filler that nobody can see.
    """
    if len(text) > TYPED_CHARS_MAX:
        raise NameRefused(f"{_LENGTH}.")
    shown = username_shown(text)
    if problem := username_problem(shown):
        raise NameRefused(problem)
    return shown


def username_shown(text: str) -> str:
    """Return what `username` returns, and refuse nothing: to look for a name."""
    parts = _SHOWN_AS_TYPED.split(unicodedata.normalize("NFC", text))
    parts[::2] = [username_shown_before(part) for part in parts[::2]]
    return "".join(parts)


def username_shown_before(text: str) -> str:
    """Return the form in which names were kept and shown before there were keys."""
    return unicodedata.normalize("NFKC", text)


def username_key(text: str) -> str:
    """Return the key of a user name. Any text has one, because any text may be looked for."""
    return unicode.fold(text)


def own_key(key: str, user_id: str) -> str:
    """Return the key of a user whose name another user has already in another spelling, which was
    possible once. No name has a space, so no other name has this key.
    """
    return f"{key} {user_id}"


def username_problem(shown: str) -> str:
    """Say in a sentence why nobody may take this name. The answer is empty if they may."""
    plain = unicodedata.normalize("NFKD", shown)
    if problem := _problem_of_characters(plain):
        return problem
    if not USERNAME_CHARS_MIN <= len(shown) <= USERNAME_CHARS_MAX:
        return f"{_LENGTH}; this has {len(shown)}."
    if plain.startswith("-"):
        return "Do not begin with -, because options of commands begin so."
    # Ids are public, and operators copy them: one that is somebody's name would lead them astray.
    if ids.canonical(plain):  # guard: names-nobody-called
        return "Do not choose a name like the id of a user."
    if not any(_is_letter(character) or _is_digit(character) for character in plain):
        return "Use at least one letter or digit."
    return ""


def may_be_in_a_name(character: str) -> bool:
    """Whether a name may have this character, in some place."""
    plain = unicodedata.normalize("NFKD", character)
    joins = character in unicode.ZERO_WIDTH_JOINERS
    return joins or not any(_what_is_no_part_of_names(each) for each in plain)


def _problem_of_characters(plain: str) -> str:
    """Say why the first bad character of a decomposed text is bad."""
    base, marks = "", ""  # the character that marks stand on, and the marks on it so far
    for position, character in enumerate(plain):
        if character in unicode.ZERO_WIDTH_JOINERS and _joins(plain, position):
            continue
        if what := _what_is_no_part_of_names(character):
            return f"{_RULE}; {unicode.code_point(character)} ({what}) is none of these."
        if not _is_mark(character):
            base, marks = character, ""
        elif must := _problem_of_mark(character, base, marks):
            return f"The mark {unicode.code_point(character)} {must}."
        else:
            marks += character
    return ""


def _what_is_no_part_of_names(character: str) -> str:
    """Describe a character that no name may have. The answer is empty for one that names have."""
    if why := unicode.why_unseen(character):  # guard: names-character-nobody
        return why
    if character in _SIGNS or any(is_it(character) for is_it in (_is_letter, _is_digit, _is_mark)):
        return ""
    return "a space" if character == " " else character


def _problem_of_mark(mark: str, base: str, marks: str) -> str:
    """Say what a mark must do, or must not, after this base and these marks."""
    # guard: names-mark-stands
    if not base or not _is_letter(base) or _script(mark) not in ("COMBINING", _script(base)):
        return "must stand on a letter of its own script"
    if unicode.category(mark) == "Mc":  # it stands beside the letter, not above or below it
        return ""
    if mark in marks:
        return "must not stand twice on one letter"
    if sum(unicode.category(each) == "Mn" for each in marks) >= _MARKS_MAX:
        return f"is one too many: a letter may have {_MARKS_MAX}"
    return ""


def _joins(plain: str, position: int) -> bool:
    """Whether a joiner changes how its neighbours look (RFC 5892, A.1 and A.2). Persian, Sinhala
    and other languages need it there. In the key it does not count.
    """
    try:
        return idna.valid_contextj(plain, position)
    except ValueError:  # a neighbour has no name, a control character for example
        return False


def _is_letter(character: str) -> bool:
    return unicode.category(character).startswith("L")


def _is_digit(character: str) -> bool:
    return unicode.category(character).startswith("N")


def _is_mark(character: str) -> bool:
    return unicode.category(character) in ("Mn", "Mc")


def _script(character: str) -> str:
    """Return the first word of a character's name: the script, or COMBINING for marks of all
    scripts. Unicode never changes names.
    """
    return unicodedata.name(character, "").partition(" ")[0]


# E-mail addresses


def email(text: str) -> Email:
    """Read an e-mail address; nobody is asked whether it exists. Raises NameRefused.

    The key holds the domain in the form that travels (`xn--…`), and the part before the @ without
    case. What `+` or a dot means there is for the mailbox's host to know.
    """
    if len(text) > EMAIL_CHARS_MAX:
        raise NameRefused(f"Give a valid e-mail address of at most {EMAIL_CHARS_MAX} characters.")
    if unseen := unicode.first_unseen(text):
        raise NameRefused(f"This is not a valid e-mail address: it has {unseen}.")
    labels = _DOTS_OF_DOMAINS.split(text.rpartition("@")[2])
    if max(map(len, labels)) > _LABEL_CHARS_MAX:  # the time to read one grows with its square
        raise NameRefused("This is not a valid e-mail address: a part of the domain is too long.")
    try:
        found = email_validator.validate_email(
            text, check_deliverability=False, globally_deliverable=False
        )
    except email_validator.EmailNotValidError as error:
        raise NameRefused(f"This is not a valid e-mail address. {error}") from error
    return Email(unicodedata.normalize("NFC", text), _key_of(found))


def email_key(text: str) -> str:
    """Return the key of an e-mail address. Any text has one: where `email` refuses it, it is the
    text in lower case, as all addresses were kept before there were keys.
    """
    if text.isascii():  # the same, without reading it
        return text.lower()
    try:
        return email(text).key
    except NameRefused:
        return text.lower()


def _key_of(found: email_validator.ValidatedEmail) -> str:
    domain = str(found.ascii_domain).lower()
    if "." not in domain and domain != "localhost":
        raise NameRefused("This is not a valid e-mail address: there is no dot after the @.")
    key = f"{unicode.fold(found.local_part)}@{domain}"
    if key.endswith(NO_ADDRESS):  # guard: no-address-chosen
        raise NameRefused("This is not a valid e-mail address: nobody has one there.")
    if _SIGNS_OF_ADDRESSES.search(key.rpartition("@")[0]) or len(key) > EMAIL_CHARS_MAX:
        raise NameRefused("This is not a valid e-mail address: use plain letters before the @.")
    return key


# Both


def login_key(login: str) -> str:
    """Return one key for all spellings of a login. Only addresses have an `@`."""
    return email_key(login) if "@" in login else username_key(login)


def can_be_stored(text: str) -> bool:
    """Whether PostgreSQL can be asked for a text. NUL and lone surrogates fail on the way to it."""
    return not re.search("[\0\ud800-\udfff]", text)
