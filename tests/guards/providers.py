"""Identity providers: whose tokens are good, and what asking for keys may lead to."""

from __future__ import annotations

from typing import Final

from tests.guards.change import Instead, Keyword, Never, Removed, Value
from tests.guards.guard import Guard, Marked

UNIT: Final = "tests/unit/test_providers.py"
DOCUMENTS: Final = "tests/integration/test_provider_documents.py"
SERVICE: Final = "tests/service/test_identity_providers.py"
SETTINGS: Final = "tests/unit/test_provider_settings.py"
PRIVATE: Final = f"{DOCUMENTS}::test_a_description_leads_to_nowhere_in_a_private_network"

PROVIDERS: Final = (
    Marked(
        "provider: a token for another program is not for us",
        "provider-needs-audience",
        Never(),
        SETTINGS,
    ),
    Marked("provider: an issuer signs in one way", "issuer-one-kind", Never(), SETTINGS),
    Marked(
        "provider: weak keys are not taken",
        "provider-key-weak",
        Never(),
        f"{UNIT}::test_a_key_that_may_not_sign_is_none",
    ),
    Marked(
        "provider: a description is of the issuer that it is asked from",
        "provider-names-itself",
        Removed(),
        f"{DOCUMENTS}::test_a_description_of_another_issuer_is_none",
    ),
    Marked("provider: keys come over TLS", "provider-keys-https", Never(), PRIVATE),
    Marked("provider: keys come from no private network", "provider-keys-public", Never(), PRIVATE),
    Marked(
        "provider: redirects lead nowhere",
        "provider-leads-nowhere",
        Keyword("allow_redirects", "True"),
        f"{DOCUMENTS}::test_a_redirect_is_not_followed",
    ),
    Marked(
        "provider: answers are bounded",
        "provider-answers-bounded",
        Never(),
        f"{DOCUMENTS}::test_an_answer_without_end_is_read_to_its_bound",
    ),
    Marked(
        "provider: made-up names of keys lead to no requests",
        "unknown-keys-bounded",
        Removed(),
        f"{UNIT}::test_an_unknown_name_asks_once_and_then_not_again_for_a_while",
    ),
    Marked(
        "provider: a token that is remembered is good no longer than its key",
        "withdrawn-keys-forgotten",
        Removed(),
        f"{UNIT}::test_a_token_that_was_verified_is_good_no_longer_than_its_key",
    ),
    Marked(
        "provider: no two issuers share a key",
        "provider-keys-own",
        Instead("not self._is_shared(key)", "True"),
        f"{UNIT}::test_a_key_that_two_issuers_publish_stays_with_the_first",
    ),
    Marked(
        "provider: a token brings no key and no demand",
        "token-brings-nothing",
        Never(),
        f"{UNIT}::test_no_forgery_is_good",
    ),
    Marked(
        "provider: a signature has one spelling",
        "signature-one-spelling",
        Never(),
        f"{UNIT}::test_no_forgery_is_good",
    ),
    Marked(
        "provider: a subject belongs to its issuer",
        "subject-belongs-issuer",
        Value("NAMESPACE_URL"),
        f"{UNIT}::test_a_subject_is_another_user_at_another_issuer",
    ),
    Marked(
        "first sight: an address is kept only if it is verified",
        "address-verified",
        Never(),
        f"{SERVICE}::test_only_a_verified_address_is_kept",
    ),
    Marked(
        "first sight: an e-mail address is nobody's name",
        "address-no-name",
        Never(),
        f"{SERVICE}::test_a_name_is_made_acceptable",
    ),
    Marked(
        "first sight: nobody gets a refused name",
        "first-name-refused",
        Instead("is_refused($name)", "False"),
        f"{SERVICE}::test_whose_name_is_refused_gets_a_neutral_one",
    ),
    Marked(
        "first sight: nobody gets a name in another spelling",
        "first-name-one-key",
        Instead("names.username_key(name)", "name"),
        f"{SERVICE}::test_nobody_gets_a_name_or_an_address_that_somebody_has",
    ),
    Guard(
        "first sight: whom operators deleted does not come back",
        "scoreboard/accounts/queries.sql",
        "    WHERE obstacle IS NULL\n",
        "",
        f"{SERVICE}::test_whom_operators_deleted_is_not_brought_back_by_an_instance_that_does_not"
        "_know_it_yet",
    ),
    Marked(
        "an address that nobody has is shown to nobody",
        "no-address-shown",
        Never(),
        f"{SERVICE}::test_only_a_verified_address_is_kept",
    ),
    Marked(
        "nobody takes the place of an address that nobody has",
        "no-address-chosen",
        Never(),
        f"{SERVICE}::test_nobody_registers_in_the_place_of_somebody_without_an_address",
    ),
    Marked(
        "accounts: where they are off, nobody registers or logs in",
        "accounts-off",
        Never(),
        f"{SERVICE}::test_where_accounts_are_off_nobody_registers_or_logs_in",
    ),
)
