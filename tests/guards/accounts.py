"""Who is it: passwords and tokens."""

from __future__ import annotations

from typing import Final

from tests.guards.guard import Guard

ACCOUNTS: Final = (
    Guard(
        "clocks: a token from an instance whose clock is ahead is taken",
        "scoreboard/accounts/access.py",
        "ISSUED_AHEAD_SECONDS: Final = 900\n",
        "ISSUED_AHEAD_SECONDS: Final = 10\n",
        "tests/faults/test_clocks.py",
    ),
    Guard(
        "a log-out ends every successor",
        "scoreboard/accounts/registry.py",
        'self._fetch("revoke_family", {"token_hash": token_hash})',
        'self._fetch("revoke_family", {"token_hash": b""})',
        "tests/attacks/test_tokens.py::test_a_log_out_ends_what_a_thief_has_made_of_the_token",
    ),
    Guard(
        "one algorithm, whatever a token asks for",
        "scoreboard/accounts/access.py",
        "            algorithms=[ALGORITHM],\n",
        '            algorithms=[ALGORITHM, "HS512"],\n',
        "tests/attacks/test_tokens.py::test_no_forgery_submits_anything",
    ),
    Guard(
        "an unknown user costs a verification as well",
        "scoreboard/accounts/passwords.py",
        "        return await self._on_a_thread(lambda: self._matches(known, password))\n",
        "        if known is self._nobodys_hash:\n            return False\n"
        "        return await self._on_a_thread(lambda: self._matches(known, password))\n",
        "tests/attacks/test_guessing.py"
        "::test_an_unknown_user_and_a_wrong_password_are_the_same_work",
    ),
)
