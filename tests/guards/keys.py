"""Which server is asking: keys, and what they signed."""

from __future__ import annotations

from typing import Final

from tests.guards.change import Instead, Never, Removed, Replaced
from tests.guards.guard import Guard, Marked

ATTACKS: Final = "tests/attacks/test_signed_requests.py"
KEYS_TESTS: Final = "tests/integration/test_server_keys.py"
OUTAGES: Final = "tests/faults/test_trust_outages.py"
INSTANCES: Final = "tests/service/test_server_keys.py"

KEYS: Final = (
    Marked(
        "signed: a signature is good for one route and subject",
        "signature-one-route",
        Never(),
        f"{ATTACKS}::test_a_signed_request_is_no_good_on_another_route_or_about_another_subject",
    ),
    Marked(
        "signed: no dot in an id shifts what is signed",
        "signed-id-dots",
        Never(),
        f"{ATTACKS}::test_no_part_of_a_body_passes_for_a_time_and_an_id",
    ),
    Marked(
        "signed: a signature grows stale",
        "signature-grows-stale",
        Never(),
        f"{ATTACKS}::test_a_signature_of_long_ago_or_of_the_future_is_refused_before_the_body_is_read",
    ),
    Marked(
        "signed: each header is there once",
        "signed-field-once",
        Never(),
        f"{ATTACKS}::test_a_header_that_is_there_twice_is_refused_though_one_is_good",
    ),
    Marked(
        "signed: who has no secret of the key signs nothing",
        "signature-compared",
        Never(),
        f"{ATTACKS}::test_another_keys_secret_is_no_good_for_this_key",
    ),
    Marked(
        "signed: a secret that was rotated out is good no more",
        "rotated-out-secret",
        Instead("$key.secrets_at($now)", "$key.secrets"),
        f"{ATTACKS}::test_during_a_rotation_two_secrets_are_good_and_after_it_one",
    ),
    Marked(
        "signed: a key ends when it expires",
        "key-expires",
        Removed(),
        f"{ATTACKS}::test_of_a_key_that_has_expired_only_who_signed_is_told",
    ),
    Marked(
        "signed: a key does what its scopes say",
        "key-has-scope",
        Removed(),
        f"{ATTACKS}::test_a_key_does_only_what_its_scopes_say",
    ),
    Marked(
        "keys: a secret is sealed for one purpose",
        "key-sealed-purpose",
        Instead("derived($secret, $purpose)", "derived($secret, '')"),
        f"{KEYS_TESTS}::test_what_was_sealed_for_another_purpose_is_no_secret",
    ),
    Guard(
        "keys: every change of a key is one of the list",
        "migrations/0013.server-keys.sql",
        "AFTER INSERT OR UPDATE OR DELETE ON server_keys",
        "AFTER DELETE ON server_keys",
        f"{INSTANCES}::test_every_instance_knows_a_key_and_its_end_within_two_seconds",
    ),
    Guard(
        "keys: two who add one at once do not pass the limit",
        "scoreboard/keys/queries.sql",
        "SELECT FROM held_lists WHERE list = 'server_keys' FOR UPDATE;\n",
        "",
        f"{KEYS_TESTS}::test_two_who_add_a_key_at_once_do_not_pass_the_limit",
    ),
    Marked(
        "keys: what was lost while it was read is read again after an outage",
        "held-list-read-first",
        Replaced("""self._listed[name] = reading
$it"""),
        f"{OUTAGES}::test_keys_that_could_not_be_read_while_postgresql_went_away_are_read_on_its"
        "_return",
    ),
    Marked(
        "keys and bans are read on after an outage of PostgreSQL",
        "revocations-outlive-outage",
        Removed(),
        f"{OUTAGES}::test_keys_that_could_not_be_read_while_postgresql_went_away_are_read_on_its"
        "_return",
    ),
)
