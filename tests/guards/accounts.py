"""Who is it: passwords and tokens."""

from __future__ import annotations

from typing import Final

from tests.guards.guard import GUESSING, Guard

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
        "names: a character that nobody sees is in none",
        "scoreboard/accounts/names.py",
        "    if why := unicode.why_unseen(character):\n        return why\n",
        "",
        "tests/attacks/test_names.py",
    ),
    Guard(
        "names: a mark stands on a letter of its own script",
        "scoreboard/accounts/names.py",
        ' or _script(mark) not in ("COMBINING", _script(base)):',
        ":",
        "tests/attacks/test_names.py",
    ),
    Guard(
        "names: one key for all spellings, whatever the locale",
        "scoreboard/accounts/registry.py",
        '"username_key": names.username_key(shown),',
        '"username_key": shown,',
        "tests/integration/test_names.py::test_in_every_locale_a_name_is_one_and_found_in_every_case",
    ),
    Guard(
        "names: nobody takes the name of who has no key yet",
        "scoreboard/accounts/registry.py",
        "        password_hash = await self._passwords.hash(password)\n"
        "        await newcomers.give_keys(self._postgres)\n",
        "        password_hash = await self._passwords.hash(password)\n",
        "tests/integration/test_names.py",
    ),
    Guard(
        "names: of two with one name each is found by their own spelling",
        "scoreboard/accounts/queries.sql",
        "ORDER BY username = %(shown)s DESC, username = %(shown_once)s DESC\n",
        "ORDER BY username = %(shown)s, username = %(shown_once)s\n",
        "tests/integration/test_names.py",
    ),
    Guard(
        "names: who registered first keeps a name that two have",
        "migrations/0006.account-keys.py",
        "own_key(key, user_id) if key in taken else key",
        "key",
        "tests/migrations/test_account_keys.py",
    ),
    Guard(
        "names: a run that gives keys may be ended after any step",
        "migrations/0006.account-keys.py",
        "ADD COLUMN IF NOT EXISTS username_key",
        "ADD COLUMN username_key",
        "tests/migrations/test_account_keys.py",
    ),
    Guard(
        "names: a terminal gets no escape sequence",
        "scoreboard/unicode.py",
        "        if character not in ZERO_WIDTH_JOINERS and why_unseen(character)\n",
        "        if False\n",
        "tests/unit/test_cli.py::TestWords",
    ),
    Guard(
        "one algorithm, whatever a token asks for",
        "scoreboard/accounts/access.py",
        "            algorithms=[ALGORITHM],\n",
        '            algorithms=[ALGORITHM, "HS512"],\n',
        "tests/attacks/test_tokens.py::test_no_forgery_submits_anything",
    ),
    Guard(
        "passwords take turns by network",
        "scoreboard/accounts/passwords.py",
        "        await self._turns.take(path)\n",
        "        await self._turns.take(())\n",
        f"{GUESSING}::test_a_flood_of_log_ins_from_one_network_keeps_nobody_else_waiting",
    ),
    Guard(
        "the newest of the greediest is refused first",
        "scoreboard/accounts/turns.py",
        "lambda one: (one.waiting, one.newest())",
        "lambda one: one.newest()",
        "tests/unit/test_turns.py::test_when_too_many_wait_the_newest_of_the_greediest_is_refused",
    ),
    Guard(
        "who leaves in the moment of its turn passes it on",
        "scoreboard/accounts/turns.py",
        "                self.give_back()  # its turn came in the moment in which it left\n",
        "                pass\n",
        "tests/unit/test_turns.py::test_who_leaves_in_the_moment_of_its_turn_passes_it_on",
    ),
    Guard(
        "past the limit of guesses no password is right",
        "scoreboard/accounts/registry.py",
        "            password_hash = None\n",
        "            pass\n",
        f"{GUESSING}::test_guesses_by_name_and_by_address_of_one_user_count_together",
    ),
    Guard(
        "a guess too many is the same work and answer",
        "scoreboard/accounts/registry.py",
        "            password_hash = None\n",
        "            raise BadCredentials\n",
        f"{GUESSING}::test_a_guess_that_is_not_looked_at_is_the_same_work",
    ),
    Guard(
        "an unknown user costs a verification as well",
        "scoreboard/accounts/passwords.py",
        "        return await self._on_a_thread(lambda: self._matches(known, password), path)\n",
        "        if known is self._nobodys_hash:\n            return False\n"
        "        return await self._on_a_thread(lambda: self._matches(known, password), path)\n",
        "tests/attacks/test_guessing.py"
        "::test_an_unknown_user_and_a_wrong_password_are_the_same_work",
    ),
)
