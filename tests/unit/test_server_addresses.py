"""Addresses that name several servers: what they mean, and what is said of those that mean
nothing.
"""

from __future__ import annotations

from urllib.parse import quote

import pytest
from psycopg2.extensions import parse_dsn

from scoreboard.bus.bus import addresses
from scoreboard.connections import hosts, sentinels
from scoreboard.connections.hosts import Hosts
from scoreboard.connections.redis import Redis
from scoreboard.connections.session_settings import SessionSettings, query_naming, schema_named

TWO = "postgresql://ada:hush@one:5433,two:5434/games"


class TestPostgresql:
    @pytest.mark.parametrize(
        ("url", "places"),
        [
            ("postgresql://ada@one/games", [("one", None)]),
            (TWO, [("one", "5433"), ("two", "5434")]),
            ("postgresql://one,two:5434/games", [("one", ""), ("two", "5434")]),
            ("host=one,two port=5433 dbname=games", [("one", "5433"), ("two", "5433")]),
            ("postgresql:///games", [(None, None)]),
        ],
    )
    def test_each_host_has_its_own_port(
        self, url: str, places: list[tuple[str | None, str | None]]
    ) -> None:
        each = [parse_dsn(one) for one in Hosts(url).urls]

        assert [(one.get("host"), one.get("port")) for one in each] == places
        assert {one["dbname"] for one in each} == {"games"}

    def test_the_present_host_comes_first_and_all_others_after_it(self) -> None:
        found = Hosts("postgresql://one,two,three/games")
        assert found.in_turn() == [0, 1, 2]
        found.present = 2
        assert found.in_turn() == [2, 0, 1]

    def test_each_host_has_its_share_of_the_time_for_connecting_and_never_less_than_a_second(
        self,
    ) -> None:
        assert Hosts("postgresql://one/games", 3.0).seconds_each == 3.0
        assert Hosts(TWO, 3.0).seconds_each == 1.5
        assert Hosts("postgresql://one,two,three,four/games", 3.0).seconds_each == 1.0

    def test_whoever_doubts_a_host_that_was_left_already_changes_nothing(self) -> None:
        """Six sessions break at once; together they must not go round in a circle."""
        found = Hosts(TWO)
        for _ in range(6):
            found.doubt(0)
        assert found.present == 1

    @pytest.mark.parametrize(
        "url", ["nonsense:hush@x", "host=one,two,three port=1,2 password=hush"]
    )
    def test_what_cannot_be_read_is_no_address(self, url: str) -> None:
        assert hosts.problem(url).startswith("The address of PostgreSQL")
        with pytest.raises(ValueError, match="The address of PostgreSQL") as refused:
            Hosts(url)
        assert "hush" not in str(refused.value)

    def test_libpq_is_asked_for_the_primary_only_among_several(self) -> None:
        def asked(url: str) -> str:
            dsn = SessionSettings(url, {}).dsn(hosts.primary(url), "test", 5)
            return str(parse_dsn(dsn)["target_session_attrs"])

        assert asked(TWO) == "read-write"
        assert asked("postgresql://one/games") == "any"  # whatever PGTARGETSESSIONATTRS says
        assert asked("postgresql://one/games?target_session_attrs=primary") == "primary"

    def test_options_of_the_address_stay_and_ours_come_after_them(self) -> None:
        url = "postgresql://one/games?options=-csearch_path%3Dgames%20-cstatement_timeout%3D0"
        settings = SessionSettings(url, {"statement_timeout": 4500})
        given = parse_dsn(settings.dsn(url, "test", 3))["options"]

        assert given.startswith("-csearch_path=games -cstatement_timeout=0 -c ")
        assert given.endswith('-c search_path="games",pg_temp -c statement_timeout=4500')
        assert r"default_transaction_isolation=read\ committed" in given

    @pytest.mark.parametrize(
        ("options", "schema"),
        [
            ("", None),
            ("-c statement_timeout=1", None),
            ("-c search_path=games", "games"),
            ("-csearch_path=first --search-path=Games", "games"),
            ('-c search_path="Games"', "Games"),
            (r"-c application_name=a\ b\\ -c SEARCH_PATH=games", "games"),
            ("-c", None),
        ],
    )
    def test_the_schema_is_read_from_the_options_as_the_server_reads_them(
        self, options: str, schema: str | None
    ) -> None:
        assert schema_named(f"postgresql://one/games?options={quote(options)}") == schema

    @pytest.mark.parametrize("schema", ["games", "Games", "my games", r"a\b", "two,three"])
    def test_an_address_that_is_advised_names_that_schema(self, schema: str) -> None:
        assert schema_named(f"postgresql://one/games{query_naming(schema)}") == schema

    def test_the_place_has_every_host_and_no_password(self) -> None:
        assert hosts.place(TWO) == "one:5433,two:5434/games"
        assert hosts.place("postgresql://ada:hush@one/games") == "one:5432/games"


class TestRedis:
    @pytest.mark.parametrize(
        "url",
        [
            "redis+sentinel://one,two:26380/games/3",
            "redis+sentinel://ada:hush@one:26379/games?sentinel_password=hush",
            "rediss+sentinel://one/games?ssl_ca_certs=/etc/ssl/own.pem",
            "redis+sentinel://[::1]:26379,[::2]/games",
        ],
    )
    async def test_sentinels_are_an_address(self, url: str) -> None:
        assert sentinels.is_address(url)
        await Redis(url, timeout_seconds=0.1, name="test").close()

    @pytest.mark.parametrize(
        "url",
        [
            "redis+sentinel://one:26379,two:26379",  # no name of the primary
            "redis+sentinel:///games",
            "redis+sentinel://one:port/games",
            "redis+sentinel://one/games/first",
            "http+sentinel://one/games",
            "redis://one:6379,two:6379/0",
        ],
    )
    def test_what_cannot_be_read_is_no_address(self, url: str) -> None:
        assert not sentinels.is_address(url)

    def test_the_place_has_every_sentinel_and_no_password(self) -> None:
        url = "redis+sentinel://:hush@one,two:26380/games?sentinel_password=hush"
        assert sentinels.place(url) == "games of the Sentinels one:26379,two:26380"

    def test_passwords_and_encryption_go_to_whom_they_are_meant_for(self) -> None:
        url = (
            "rediss+sentinel://ada:hush@one/games/3"
            "?sentinel_password=watch&ssl_ca_certs=/own.pem&ssl_check_hostname=no"
        )
        found = sentinels.sentinels(url)

        assert found is not None
        assert found.options == {
            "username": "ada",
            "password": "hush",
            "db": 3,
            "ssl": True,
            "ssl_ca_certs": "/own.pem",
            "ssl_check_hostname": False,
        }
        assert found.sentinel_options == {
            "password": "watch",
            "ssl": True,
            "ssl_ca_certs": "/own.pem",
            "ssl_check_hostname": False,
        }


class TestRabbitmq:
    def test_several_are_written_with_commas(self) -> None:
        assert addresses("amqp://a:b@one/games, amqps://a:b@two:5671/games") == [
            "amqp://a:b@one/games",
            "amqps://a:b@two:5671/games",
        ]

    @pytest.mark.parametrize(
        "url", ["", "amqp://one,two", "amqp://one,", "http://one", "amqp://one:port", "amqp://"]
    )
    def test_one_that_cannot_be_read_spoils_all(self, url: str) -> None:
        assert addresses(url) == []
