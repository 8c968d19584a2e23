"""The settings: which layer wins, what is refused and what the refusal says."""

from __future__ import annotations

import json
import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import get_type_hints

import pytest

from docs import generate
from scoreboard.configuration.kinds import Rate
from scoreboard.configuration.settings import DECLARED, Settings, SettingsError
from scoreboard.configuration.sources import load, require_servers, shipped

SECRET = "0123456789abcdef0123456789abcdef"
SERVERS = {
    "SCOREBOARD_DATABASE_URL": "postgresql://localhost/scoreboard",
    "SCOREBOARD_REDIS_URL": "redis://localhost",
    "SCOREBOARD_JWT_SECRET": SECRET,
}


def refusal(environ: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as refused:
        load(environ)
    return str(refused.value)


def test_the_defaults_are_as_they_are_declared() -> None:
    text = generate.DEFAULT_TOML.read_text(encoding="utf-8")

    assert text == generate.default_toml(), "renew it: make docs (or python -m docs.generate)"
    assert tomllib.loads(text) == {key: declared.default for key, declared in DECLARED.items()}


def test_a_default_is_of_the_type_that_is_declared() -> None:
    settings = load({})

    for key, kind in get_type_hints(Settings).items():
        value = getattr(settings, key)
        assert type(value) is kind or isinstance(value, dict | tuple), key


def test_every_shipped_configuration_can_be_used() -> None:
    for file in shipped("config").glob("*.toml"):
        load({"SCOREBOARD_CONFIG": str(file)})


def test_each_layer_goes_before_the_one_below_it(tmp_path: Path) -> None:
    """default.toml, the named file, a secret's file, the variable, the command line."""
    named, secret = tmp_path / "named.toml", tmp_path / "secret"
    named.write_text('port = 1\nhost = "named"\njwt_issuer = "named"\n', encoding="utf-8")
    secret.write_text("from-a-file\n", encoding="utf-8")
    environ = {"SCOREBOARD_CONFIG": str(named)}
    assert (load(environ).port, load(environ).role) == (1, "all")

    environ["SCOREBOARD_JWT_ISSUER_FILE"] = str(secret)
    assert load(environ).jwt_issuer == "from-a-file"

    environ |= {"SCOREBOARD_JWT_ISSUER": "variable", "SCOREBOARD_PORT": "2"}
    assert (load(environ).jwt_issuer, load(environ).port) == ("variable", 2)

    assert load(environ, port=3, host=None).port == 3
    assert load(environ, port=3, host=None).host == "named"


def test_the_environment_may_be_full_of_other_things() -> None:
    load({"PATH": "/bin", "SCOREBOARDS": "x", "scoreboard_port": "x", "SCOREBOARD_TEST_X": "x"})


@pytest.mark.parametrize(
    ("variable", "key"),
    [
        ("SCOREBOARD_PROT", "prot"),
        ("SCOREBOARD_CONFIG_FILE", "config_file"),
        ("SCOREBOARD_PROT_FILE", "prot_file"),
    ],
)
def test_an_unknown_variable_stops_the_start(variable: str, key: str) -> None:
    assert f"{key} ({variable}): there is no such setting" in refusal({variable: "1"})


def test_an_unknown_key_in_a_file_stops_the_start(tmp_path: Path) -> None:
    named = tmp_path / "named.toml"
    named.write_text("prot = 1\n", encoding="utf-8")

    assert f"- prot, in {named}: there is no such" in refusal({"SCOREBOARD_CONFIG": str(named)})


def test_a_value_that_does_not_fit_is_named_by_where_it_stands(tmp_path: Path) -> None:
    named, secret = tmp_path / "named.toml", tmp_path / "role"
    named.write_text('port = "many"\nbatch_max = 0\nrole = "both"\n', encoding="utf-8")
    secret.write_text("neither", encoding="utf-8")
    environ = {"SCOREBOARD_CONFIG": str(named)}

    message = refusal(environ)
    assert f"- port, in {named}: must be a whole number from 0 to 65535\n" in message
    assert f"- batch_max, in {named}: must be a whole number from 1\n" in message

    environ |= {"SCOREBOARD_BATCH_MAX": "1.5", "SCOREBOARD_ROLE_FILE": str(secret)}
    message = refusal(environ)
    assert "- batch_max (SCOREBOARD_BATCH_MAX): must be a whole number from 1\n" in message
    assert "- role (SCOREBOARD_ROLE_FILE): " in message

    environ |= {"SCOREBOARD_ROLE": "both"}
    assert "- role (SCOREBOARD_ROLE): " in refusal(environ)

    with pytest.raises(SettingsError, match=r"- port \(--port\): must be a whole number"):
        load(environ, port=70000)


def test_every_mistake_is_listed_at_once() -> None:
    message = refusal(
        {
            "SCOREBOARD_PORT": "70000",
            "SCOREBOARD_ROLE": "both",
            "SCOREBOARD_RATE_LIMIT_PER_IP": "fast",
            "SCOREBOARD_TRUSTED_PROXIES": "10.0.0.0/8, 10.0.0.1/8",
            "SCOREBOARD_NO": "",
        }
    )

    for key in ("port", "role", "rate_limit_per_ip", "trusted_proxies", "no"):
        assert f"- {key} (SCOREBOARD_{key.upper()}): " in message


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("HEARTBEAT_SECONDS", "0"),
        ("HEARTBEAT_SECONDS", "nan"),
        ("DATABASE_TIMEOUT_SECONDS", "inf"),
        ("DATABASE_TIMEOUT_SECONDS", "-1"),
        ("BATCH_MAX", "0"),
        ("BATCH_MAX", "1.5"),
        ("WAITING_MAX", "many"),
        ("PUSH_INTERVAL_SECONDS", "-0.1"),
        ("REQUIRE_TOKEN_TO_READ", "perhaps"),
        ("LOG_LEVEL", "loud"),
        ("STREAMS_PER_IP", "0"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(key: str, text: str) -> None:
    assert f"SCOREBOARD_{key}" in refusal({f"SCOREBOARD_{key}": text})


@pytest.mark.parametrize(
    ("key", "text", "advice"),
    [
        ("HEARTBEAT_SECONDS", "often", "must be a number above 0"),
        ("HEARTBEAT_SECONDS", "nan", "must be a number above 0"),
        ("PUSH_INTERVAL_SECONDS", "-1", "must be a number from 0"),
        ("DATABASE_TIMEOUT_SECONDS", "0.001", "must be a number from 0.01"),
        ("REFRESH_TOKEN_SECONDS", "9" * 12, "must be a whole number from 1 to 315360000"),
        ("ACCESS_TOKEN_SECONDS", "9" * 12, "must be a whole number from 1 to 315360000"),
        ("REQUIRE_TOKEN_TO_READ", "perhaps", "must be true or false"),
        ("TRUSTED_PROXIES", "10.0.0.1, 10.0.0.1/8", "entry 2: write an address or a network: 1"),
        ("RATE_LIMIT_PER_IP", "9" * 5000 + "/minute", "write a rate as a whole number per second"),
    ],
)
def test_a_refusal_says_what_to_write_instead(key: str, text: str, advice: str) -> None:
    assert f"(SCOREBOARD_{key}): {advice}" in refusal({f"SCOREBOARD_{key}": text})


@pytest.mark.parametrize(
    ("key", "url"),
    [
        ("database_url", "postgresql://scoreboard:p@ss/w0rd@db.internal:5432/scoreboard"),
        ("database_url", "postgresql://scoreboard:p/w0rd@db.internal:5432/scoreboard"),
        ("database_url", "postgresql://scoreboard:p/w0rd,x@db.internal:5432/scoreboard"),
        ("redis_url", "redis://:p#w0rd@redis.internal:6379/0"),
        ("redis_url", "redis://:p?,w0rd@redis.internal:6379/0"),
        ("redis_url", "redis+sentinel://:p?w0rd@one:26379,two:26379/primary/0"),
        ("amqp_url", "amqp://u:p/w0rd@one:5672/,amqp://u:p@two:5672/"),
        ("amqp_url", "amqp://u:p@one:5672/,amqp://u:p/w0rd@two:5672/"),
    ],
)
def test_a_password_that_is_written_as_it_is_is_refused_and_not_repeated(
    key: str, url: str
) -> None:
    with pytest.raises(SettingsError, match="%2F") as refused:
        load({f"SCOREBOARD_{key.upper()}": url})
    assert "w0rd" not in str(refused.value)


@pytest.mark.parametrize(
    ("key", "url"),
    [
        ("database_url", "postgresql://u:p%40%2Fw0rd@one:5432,two:5432/scoreboard?sslmode=require"),
        ("database_url", "postgresql://scoreboard@/scoreboard?host=%2Fhome%2Fa%40b%2Fsockets"),
        ("redis_url", "unix:///home/a@b/redis.sock?db=0"),
        ("amqp_url", "amqp://u:p@one:5672/,amqp://u:p@two:5672/games"),
        ("amqp_url", "amqp://u:p@one:5672/, amqps://u:p@two:5672/games"),
    ],
)
def test_an_address_that_is_written_right_is_taken(key: str, url: str) -> None:
    assert getattr(load({f"SCOREBOARD_{key.upper()}": url}), key) == url


def test_lists_are_written_with_commas() -> None:
    settings = load(
        {
            "SCOREBOARD_TRUSTED_PROXIES": "10.0.0.0/8, ::1,",
            "SCOREBOARD_JWT_PREVIOUS_SECRETS": f"{SECRET},{SECRET}",
        }
    )

    assert settings.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1"))
    assert settings.jwt_previous_secrets == (SECRET, SECRET)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("600/minute", Rate(600, 60)),
        (" 5 / second ", Rate(5, 1)),
        ("1/hour", Rate(1, 3600)),
    ],
)
def test_a_rate_is_a_count_in_a_period(text: str, rate: Rate) -> None:
    assert Rate.parse(text) == rate


@pytest.mark.parametrize(
    "text", ["", "600", "/minute", "0/minute", "-1/minute", "1.5/second", "²/second", "1/day"]
)
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="600/minute"):
        Rate.parse(text)


def test_origins_are_as_browsers_write_them() -> None:
    text = "https://example.org, http://localhost:3000, http://[::1]:8080, *"

    assert load({"SCOREBOARD_ALLOWED_ORIGINS": text}).allowed_origins == tuple(text.split(", "))


@pytest.mark.parametrize(
    "text",
    [
        "example.org",
        "https://example.org/",
        "https://Example.org",
        "https://*.example.org",
        "https://user@example.org",
        "null",
        "ftp://example.org",
    ],
)
def test_what_no_browser_writes_as_an_origin_is_refused(text: str) -> None:
    """It would never match, or match what nobody meant."""
    assert "allowed_origins" in refusal({"SCOREBOARD_ALLOWED_ORIGINS": text})


def test_who_may_write_is_named() -> None:
    """All others may read, at most."""
    text = "https://app.example.org, http://localhost:5173"
    given = {"SCOREBOARD_ALLOWED_WRITE_ORIGINS": text}

    assert load(given).allowed_write_origins == tuple(text.split(", "))
    for wrong in ("*", "https://app.example.org, *", "https://*.example.org", "null"):
        message = refusal({"SCOREBOARD_ALLOWED_WRITE_ORIGINS": wrong})
        assert "allowed_write_origins" in message
        assert "https://" in message
    assert "name each site" in refusal({"SCOREBOARD_ALLOWED_WRITE_ORIGINS": "*"})


def test_a_secrets_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    message = refusal({"SCOREBOARD_JWT_SECRET_FILE": str(missing)})

    assert "SCOREBOARD_JWT_SECRET_FILE" in message
    assert str(missing) in message


def test_a_secrets_file_that_is_no_text_is_refused_in_words(tmp_path: Path) -> None:
    """`head -c 48 /dev/urandom > secret` makes such a file."""
    (tmp_path / "secret").write_bytes(b"\xff\xfe\x00")

    assert "UTF-8" in refusal({"SCOREBOARD_JWT_SECRET_FILE": str(tmp_path / "secret")})


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "named.toml").write_bytes(b"\xff")
    message = refusal({"SCOREBOARD_CONFIG": str(tmp_path / "named.toml")})
    assert message.endswith("named.toml: it is not UTF-8 text: save it as UTF-8.")


@pytest.mark.parametrize("content", [b"port = = 1", b"port = 1\0"])
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "named.toml").write_bytes(content)

    assert "named.toml is not valid TOML" in refusal(
        {"SCOREBOARD_CONFIG": str(tmp_path / "named.toml")}
    )


def test_a_configuration_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "missing.toml" in refusal({"SCOREBOARD_CONFIG": str(tmp_path / "missing.toml")})


def test_no_secret_shows_in_the_representation() -> None:
    """It goes into logs and tracebacks."""
    settings = load(
        SERVERS
        | {
            "SCOREBOARD_JWT_PREVIOUS_SECRETS": "earlier" * 8,
            "SCOREBOARD_JWT_TRUSTED_ISSUERS": json.dumps({"game": "earlier" * 9}),
            "SCOREBOARD_AMQP_URL": "amqp://user:broker-password@localhost",
        }
    )

    shown = repr(settings)

    assert not any(secret in shown for secret in (SECRET, "earlier", "password", "postgresql"))


def test_an_instance_without_a_name_gets_one() -> None:
    assert load({}).instance
    assert load({"SCOREBOARD_INSTANCE": "here"}).instance == "here"


@pytest.mark.parametrize(
    ("role", "writes", "streams"),
    [("all", True, True), ("api", True, False), ("stream", False, True)],
)
def test_a_role_says_what_a_process_serves(role: str, writes: bool, streams: bool) -> None:
    settings = load({}, role=role)

    assert (settings.takes_submissions, settings.serves_streams) == (writes, streams)


def test_a_server_starts_with_its_three_addresses_and_a_secret() -> None:
    require_servers(load(SERVERS))


@pytest.mark.parametrize("variable", SERVERS)
def test_what_a_server_lacks_is_named(variable: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        require_servers(load(SERVERS | {variable: ""}))


def test_a_short_secret_is_refused_without_being_repeated() -> None:
    settings = load(SERVERS | {"SCOREBOARD_JWT_PREVIOUS_SECRETS": f"{SECRET},too-short"})

    with pytest.raises(SettingsError) as refused:
        require_servers(settings)

    said = "entry 2 of SCOREBOARD_JWT_PREVIOUS_SECRETS has 9 bytes; at least 32 are needed"
    assert said in str(refused.value)
    assert "secrets.token_urlsafe(48)" in str(refused.value)
    assert "too-short" not in str(refused.value)


GAME, SHOP = "g" * 32, "s" * 40


def trusting(issuers: object, **variables: str) -> dict[str, str]:
    found = json.dumps(issuers) if not isinstance(issuers, str) else issuers
    return SERVERS | {"SCOREBOARD_JWT_TRUSTED_ISSUERS": found} | variables


def test_each_trusted_issuer_has_secrets_of_its_own(tmp_path: Path) -> None:
    """As JSON in a variable or in a file, as a table in TOML; one secret or several."""
    found = {"game": (GAME,), "https://shop.example": (SHOP, GAME[::-1] + "x")}
    written = {"game": GAME, "https://shop.example": list(found["https://shop.example"])}
    (tmp_path / "issuers").write_text(json.dumps(written) + "\n", encoding="utf-8")
    (tmp_path / "some.toml").write_text(
        f"jwt_trusted_issuers = {{ game = '{GAME}', \"https://shop.example\" = ['{SHOP}', "
        f"'{found['https://shop.example'][1]}'] }}\n",
        encoding="utf-8",
    )
    for environ in (
        trusting(written),
        {"SCOREBOARD_JWT_TRUSTED_ISSUERS_FILE": str(tmp_path / "issuers")},
        {"SCOREBOARD_CONFIG": str(tmp_path / "some.toml")},
    ):
        settings = load(SERVERS | environ)
        assert settings.jwt_trusted_issuers == found
        require_servers(settings)
    assert load(trusting("")).jwt_trusted_issuers == load(SERVERS).jwt_trusted_issuers == {}


@pytest.mark.parametrize("names", ["game,shop", "game", '["game"]', "{", '{"game": "', "7", "null"])
def test_a_list_of_trusted_names_is_refused_with_what_to_write_instead(names: str) -> None:
    said = refusal(trusting(names))
    assert 'give each issuer a secret of its own: {"game": "…"}' in said
    assert "SCOREBOARD_JWT_TRUSTED_ISSUERS" in said


@pytest.mark.parametrize(
    "issuers",
    [
        {"game": SHOP, SHOP: 7},
        {"game": [SHOP, 7]},
        {"game": [SHOP, ""]},
        {"game": ""},
        {"game": []},
        {"game": None},
        {"game": {"key": SHOP}},
        {"": SHOP},
        {" ": SHOP},
        f'{{"game": "{SHOP}", "game": "{GAME}"}}',
        f'{{"game": "{SHOP}"',
    ],
)
def test_a_trusted_issuer_that_cannot_be_used_is_refused_and_nothing_of_it_is_repeated(
    issuers: object,
) -> None:
    said = refusal(trusting(issuers))
    assert "jwt_trusted_issuers (SCOREBOARD_JWT_TRUSTED_ISSUERS): " in said
    assert GAME not in said
    assert SHOP not in said


def test_a_trusted_issuers_secret_is_as_long_as_ours() -> None:
    said = server_refusal(trusting({"game": GAME, "shop": ["too-short", SHOP]}))
    assert "entry 2 of SCOREBOARD_JWT_TRUSTED_ISSUERS has 9 bytes; at least 32" in said
    assert "too-short" not in said


@pytest.mark.parametrize(
    ("issuers", "previous"),
    [
        ({"game": SECRET}, ""),
        ({"game": [GAME, SECRET]}, ""),
        ({"game": GAME}, GAME),
        ({"game": GAME, "shop": GAME}, ""),
        ({"game": GAME, "shop": [SHOP, GAME]}, ""),
        # HMAC fills a key up with zeros, and hashes one that is longer than its block.
        ({"game": SECRET + "\0"}, ""),
        ({"game": "x" * 200, "shop": "x" * 200}, ""),
    ],
)
def test_no_two_issuers_share_a_key_and_nobody_shares_ours(
    issuers: dict[str, str | list[str]], previous: str
) -> None:
    said = server_refusal(trusting(issuers, SCOREBOARD_JWT_PREVIOUS_SECRETS=previous))
    assert "is a secret of another issuer too; each needs one of its own" in said
    assert not any(secret in said for secret in (SECRET, GAME, SHOP, "xxx"))


def test_an_issuer_may_name_a_secret_twice_and_we_ours() -> None:
    environ = trusting({"game": [GAME, GAME]}, SCOREBOARD_JWT_PREVIOUS_SECRETS=SECRET)
    require_servers(load(environ))


def test_nobody_else_is_trusted_under_our_own_name() -> None:
    said = server_refusal(trusting({"scoreboard": GAME}))
    assert "names our own issuer" in said


def server_refusal(environ: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as refused:
        require_servers(load(environ))
    return str(refused.value)


def test_embedded_servers_are_offered_when_a_server_is_what_lacks() -> None:
    short = {"SCOREBOARD_JWT_SECRET": "é"}
    with pytest.raises(SettingsError, match="SCOREBOARD_JWT_SECRET has 2 bytes") as refused:
        require_servers(load(SERVERS | short))
    assert "--embedded" not in str(refused.value)

    with pytest.raises(SettingsError, match="--embedded"):
        require_servers(load(SERVERS | {"SCOREBOARD_REDIS_URL": ""}))
