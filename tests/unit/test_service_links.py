"""What Kubernetes and Docker tell of others sets nothing and stops nothing; mistakes still do."""

from __future__ import annotations

import pytest

from scoreboard import cli
from scoreboard.configuration.settings import SettingsError
from scoreboard.configuration.sources import ignored_variables, load


def kubernetes(
    name: str, host: str, port: int, *names: str, protocol: str = "TCP"
) -> dict[str, str]:
    """Whatever the kubelet writes for a Service (pkg/kubelet/envvars)."""
    owner = name.upper().replace("-", "_")
    place = f"{protocol.lower()}://{f'[{host}]' if ':' in host else host}:{port}"
    one = f"{owner}_PORT_{port}_{protocol}"
    return {
        f"{owner}_SERVICE_HOST": host,
        f"{owner}_SERVICE_PORT": str(port),
        **{f"{owner}_SERVICE_PORT_{name}": str(port) for name in names},
        f"{owner}_PORT": place,
        one: place,
        f"{one}_PROTO": protocol.lower(),
        f"{one}_PORT": str(port),
        f"{one}_ADDR": host,
    }


# Whatever Docker writes for `--link web:scoreboard`, with a port and a range of ports.
LINK = {
    "SCOREBOARD_NAME": "/proxy/scoreboard",
    "SCOREBOARD_PORT": "tcp://172.17.0.5:8080",
    "SCOREBOARD_PORT_8080_TCP": "tcp://172.17.0.5:8080",
    "SCOREBOARD_PORT_8080_TCP_ADDR": "172.17.0.5",
    "SCOREBOARD_PORT_8080_TCP_PORT": "8080",
    "SCOREBOARD_PORT_8080_TCP_PROTO": "tcp",
    "SCOREBOARD_PORT_9000_UDP_START": "udp://172.17.0.5:9000",
    "SCOREBOARD_PORT_9000_UDP_END": "udp://172.17.0.5:9009",
    "SCOREBOARD_PORT_9000_UDP_PORT_START": "9000",
    "SCOREBOARD_PORT_9000_UDP_PORT_END": "9009",
    "SCOREBOARD_ENV_JWT_SECRET": "somebody else's",
    "SCOREBOARD_ENV_npm_config": "anything",
}
TOLD = (
    kubernetes("scoreboard", "10.96.0.11", 80)
    | kubernetes("scoreboard-api", "10.96.0.12", 8080, "HTTP", "HTTP_2")
    | kubernetes("scoreboard-redis", "fd00:10:96::1", 6379, "REDIS")
    | kubernetes("scoreboard-dns", "10.96.0.13", 53, protocol="UDP")
    | kubernetes("scoreboard-port", "10.96.0.14", 80, protocol="SCTP")
)


@pytest.mark.parametrize("told", [TOLD, LINK, TOLD | LINK], ids=["kubernetes", "docker", "both"])
def test_what_is_told_of_others_sets_nothing(told: dict[str, str]) -> None:
    assert load(told | {"SCOREBOARD_INSTANCE": "x"}) == load({"SCOREBOARD_INSTANCE": "x"})


@pytest.mark.parametrize("name", [name for name in TOLD | LINK if "_ENV_" not in name])
def test_each_is_known_by_itself_and_is_named_with_what_to_do(name: str) -> None:
    told = {name: (TOLD | LINK)[name]}

    load(told)

    said = ignored_variables(told)
    assert f"ignored: {name}. " in said
    assert "enableServiceLinks: false" in said


def test_nothing_is_said_of_settings() -> None:
    assert ignored_variables({"SCOREBOARD_PORT": "80", "SCOREBOARD_TEST_X": "x", "PATH": "x"}) == ""
    assert ignored_variables(kubernetes("scoreboards", "10.96.0.1", 80)) == ""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        # misspelt settings
        ("SCOREBOARD_PROT", "8080"),
        ("SCOREBOARD_PORTS", "tcp://10.96.0.11:80"),
        ("SCOREBOARD_HTTP_PORT", "8080"),
        ("SCOREBOARD_SERVICE_PORTS", "80"),
        ("SCOREBOARD_SERVICE_NAME", "scoreboard"),
        ("SCOREBOARD_REDIS_HOST", "10.96.0.11"),
        ("SCOREBOARD_NAME", "scoreboard"),
        ("SCOREBOARD_ENV_JWT_SECRET", "no link is there"),
        # values that are no place, or ours
        ("SCOREBOARD_PORT", "tcp://"),
        ("SCOREBOARD_PORT", "tcp://10.96.0.11"),
        ("SCOREBOARD_PORT", "tcp://redis:6379"),
        ("SCOREBOARD_PORT", "http://10.96.0.11:80"),
        ("SCOREBOARD_PORT", "TCP://10.96.0.11:80"),
        ("SCOREBOARD_PORT", "tcp://0.0.0.0:8080"),
        ("SCOREBOARD_PORT", "tcp://127.0.0.1:8080"),
        ("SCOREBOARD_PORT", "tcp://[::1]:8080"),
        ("SCOREBOARD_PORT", " tcp://10.96.0.11:80"),
        ("SCOREBOARD_SERVICE_HOST", "0.0.0.0"),
        ("SCOREBOARD_SERVICE_HOST", "localhost"),
        ("SCOREBOARD_SERVICE_HOST", ""),
        ("SCOREBOARD_SERVICE_PORT", "http"),
        ("SCOREBOARD_SERVICE_PORT", "0"),
        ("SCOREBOARD_SERVICE_PORT", "65536"),
        ("SCOREBOARD_SERVICE_PORT", "٨٠"),
        # which say two things
        ("SCOREBOARD_PORT_80_TCP", "tcp://10.96.0.11:81"),
        ("SCOREBOARD_PORT_80_TCP", "udp://10.96.0.11:80"),
        ("SCOREBOARD_PORT_80_TCP_PROTO", "udp"),
        ("SCOREBOARD_PORT_80_TLS", "tls://10.96.0.11:80"),
        ("SCOREBOARD_service_host", "10.96.0.11"),
    ],
)
def test_what_only_resembles_it_is_a_mistake(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load({name: text})
    assert ignored_variables({name: text}) == ""


def test_a_port_of_ours_beside_them_counts() -> None:
    told = kubernetes("scoreboard", "10.96.0.11", 80)
    assert load(told | {"SCOREBOARD_PORT": "81"}).port == 81


def test_the_command_says_it_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in kubernetes("scoreboard", "10.96.0.11", 80).items():
        monkeypatch.setenv(name, text)
    for name in ("SCOREBOARD_DATABASE_URL", "SCOREBOARD_CONFIG"):
        monkeypatch.delenv(name, raising=False)

    assert cli.run(["users", "list"]) == 2

    said = capsys.readouterr().err
    assert said.startswith("scoreboard: These variables were ignored: SCOREBOARD_PORT, ")
    assert "SCOREBOARD_SERVICE_HOST" in said
    assert "SCOREBOARD_DATABASE_URL is not set" in said
