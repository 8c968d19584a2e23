"""docker/compose.yaml says what it means, and means what exists."""

from __future__ import annotations

import json
import pwd
import re
import shutil
import subprocess
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from scoreboard import __version__
from scoreboard.configuration.settings import Settings
from scoreboard.configuration.sources import load, require_servers
from scoreboard.database.migrations import migrate
from tests.deployment.files import DOCKER, ROOT, compose, make_secrets, services

OURS = {"secrets", "migrate", "api", "stream", "demo"}
every_service = pytest.mark.parametrize("service", sorted(services()))


def volumes(service: str) -> list[tuple[str, str, str]]:
    """Each volume: where it comes from, where it goes, and how."""
    parts = [volume.split(":") for volume in services()[service].get("volumes", [])]
    return [(part[0], part[1], part[2] if len(part) > 2 else "rw") for part in parts]


def test_docker_compose_takes_the_file() -> None:
    """Where there is a Docker with compose; elsewhere the other tests have to do."""
    if shutil.which("docker") is None:
        pytest.skip("needs docker")
    command = ["docker", "compose", "--file", str(DOCKER / "compose.yaml")]
    if subprocess.run([*command[:2], "version"], capture_output=True, check=False).returncode:
        pytest.skip("needs the compose plugin of docker")
    read = subprocess.run([*command, "config", "--quiet"], capture_output=True, check=False)
    assert (read.returncode, read.stderr.decode()) == (0, "")


@every_service
def test_every_image_has_a_version(service: str) -> None:
    image = services()[service]["image"]

    assert re.fullmatch(r"[a-z/]+:v?\d+\.?[\w.-]*", image), image


def test_our_image_is_tagged_with_this_version() -> None:
    assert {services()[name]["image"] for name in OURS} == {f"scoreboard:{__version__}"}


@every_service
def test_everything_that_is_mounted_exists(service: str) -> None:
    for source, _, _ in volumes(service):
        if source.startswith("./secrets"):
            continue  # made by the service `secrets`, see test_secrets.py
        if source.startswith("."):
            path = DOCKER / source
            assert path.is_file() or any(path.iterdir()), f"{source} is not there"
        else:
            assert source in compose()["volumes"]


@every_service
def test_configuration_is_mounted_read_only_and_only_one_server_s_secrets(service: str) -> None:
    bound = [volume for volume in volumes(service) if volume[0].startswith(".")]
    if service == "secrets":
        return
    assert {mode for _, _, mode in bound} <= {"ro"}
    own = "scoreboard" if service in ("api", "migrate") else service
    secret = {source for source, _, _ in bound if source.startswith("./secrets")}
    assert secret <= {f"./secrets/{own}"}


@every_service
def test_every_service_is_bounded(service: str) -> None:
    definition = services()[service]
    assert definition["logging"]["options"]["max-size"]
    assert "no-new-privileges:true" in definition["security_opt"]
    if service in ("secrets", "migrate"):  # jobs, over in a moment
        return
    assert set(definition["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert definition.get("restart") == ("unless-stopped" if service != "demo" else None)


@pytest.mark.parametrize("service", sorted(OURS))
def test_ours_run_without_rights_on_a_file_system_that_nobody_can_write(service: str) -> None:
    definition = services()[service]
    assert definition["read_only"] is True
    assert definition["cap_drop"] == ["ALL"]
    assert ("user" in definition) == (service == "secrets")  # the image's own is nobody


@every_service
def test_whoever_is_waited_for_can_be(service: str) -> None:
    for other, how in services()[service].get("depends_on", {}).items():
        if how["condition"] == "service_healthy":
            check = services()[other].get("healthcheck", {})
            assert check.get("test") or other in OURS  # the image's own
        if how["condition"] == "service_completed_successfully":
            assert "restart" not in services()[other]


def settings_of(service: str, secrets: Path) -> Settings:
    """What an instance of this service would be set to. An unknown variable stops it."""
    given = services()[service]["environment"].items()
    [directory] = [source for source, where, _ in volumes(service) if where == "/run/secrets"]
    mounted = f"{secrets}/{Path(directory).name}"
    return load({name: str(value).replace("/run/secrets", mounted) for name, value in given})


@pytest.mark.parametrize("service", ["api", "stream"])
def test_instances_start_with_what_they_are_given(service: str, tmp_path: Path) -> None:
    make_secrets(tmp_path)
    settings = settings_of(service, tmp_path)
    require_servers(settings)
    assert settings.role == service
    [servers] = {url.rpartition("@")[2] for url in (settings.database_url,)}
    assert servers == "postgres:5432/scoreboard"
    assert settings.redis_url.endswith("@redis:6379/0")
    assert settings.amqp_url.endswith("@rabbitmq:5672/scoreboard")
    user = settings.amqp_url.removeprefix("amqp://").partition(":")[0]
    assert user == ("scoreboard-stream" if service == "stream" else "scoreboard")


@pytest.mark.parametrize("service", ["api", "stream"])
def test_nginx_is_the_one_proxy_that_is_believed(service: str, tmp_path: Path) -> None:
    make_secrets(tmp_path)
    [believed] = settings_of(service, tmp_path).trusted_proxies
    assert str(believed) == f"{services()['nginx']['networks']['edge']['ipv4_address']}/32"


@pytest.mark.parametrize("service", ["api", "stream"])
def test_an_instance_has_the_time_that_it_takes_to_end(service: str, tmp_path: Path) -> None:
    make_secrets(tmp_path)
    settings = settings_of(service, tmp_path)
    grace = int(services()[service]["stop_grace_period"].removesuffix("s"))
    assert grace >= settings.drain_seconds + settings.shutdown_seconds + 10
    assert services()[service]["ulimits"]["nofile"] >= settings.subscribers_max + 1000


def test_the_catalogue_that_is_loaded_is_in_the_image() -> None:
    command = services()["migrate"]["command"]
    path = command[-1]
    assert path.startswith("share/scoreboard/")
    assert (ROOT / path.removeprefix("share/scoreboard/")).is_file()


def published(definition: dict[str, Any]) -> list[str]:
    ports: list[str] = definition.get("ports", [])
    return ports


def test_only_nginx_can_be_reached_from_other_machines() -> None:
    for name, definition in services().items():
        for port in published(definition):
            assert name == "nginx" or port.startswith("127.0.0.1:")


def test_the_servers_that_hold_data_have_no_way_out() -> None:
    assert compose()["networks"]["data"] == {"internal": True}
    for server in ("postgres", "redis"):
        assert services()[server]["networks"] == ["data"]


def test_instances_get_no_address_that_is_nginx_s() -> None:
    network = compose()["networks"]["edge"]["ipam"]["config"][0]
    address = ip_address(services()["nginx"]["networks"]["edge"]["ipv4_address"])
    assert address in ip_network(network["subnet"])
    assert address not in ip_network(network["ip_range"])


def test_no_shipped_file_believes_a_network_in_which_others_are_too() -> None:
    """What is copied from here is what people run: an address, or a handful of them."""
    paths = [ROOT / "README.md", ROOT / "scoreboard" / "configuration" / "kinds.py"]
    for folder, pattern in (("docker", "*.yaml"), ("docker", "*.conf"), ("docs", "*.md")):
        paths += (ROOT / folder).rglob(pattern)
    paths += (ROOT / "config").glob("*.toml")
    believed = []
    for path in paths:
        for line in path.read_text("utf-8").splitlines():
            if re.search("trusted_proxies|set_real_ip_from|write an address", line, re.IGNORECASE):
                believed += re.findall(r"[0-9a-f]*[.:][0-9a-f.:]*/[0-9]+", line)
    assert believed
    for network in map(ip_network, believed):
        assert network.prefixlen >= (24 if network.version == 4 else 64), network


# The image


def test_the_image_is_built_from_what_the_context_lets_in() -> None:
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    let_in = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = set()
    for line in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile(), re.MULTILINE):
        copied.update(line.split())
    assert ignored[1] == "*"
    assert copied == let_in
    assert all((ROOT / name).exists() for name in copied)


def test_what_is_installed_is_locked() -> None:
    installs = re.findall(r"\bpip .*?install (.+)", dockerfile())
    assert all("--require-hashes -r" in one or "--no-deps" in one for one in installs), installs
    assert len(installs) == 3
    locked = (ROOT / "requirements-dev.lock").read_text("utf-8")
    assert re.search(r"^setuptools==", locked, re.MULTILINE)


def test_the_schema_can_be_made_under_an_account_without_a_name(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the image's is: a number that nobody gave a name."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in re.findall(r"\b([A-Z_]+)=(\S+)", dockerfile().partition("\nUSER ")[2]):
        if name != "PATH":
            monkeypatch.setenv(name, value)

    def nameless(number: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr(pwd, "getpwuid", nameless)
    assert migrate(empty_database_url)


def dockerfile() -> str:
    return (DOCKER / "Dockerfile").read_text("utf-8")


def health_check() -> list[str]:
    """The command of HEALTHCHECK, lines joined as Docker joins them."""
    joined = dockerfile().replace("\\\n", "")
    found = re.search(r"^HEALTHCHECK .* CMD (\[.*\])$", joined, re.MULTILINE)
    assert found
    command: list[str] = json.loads(found[1])
    return command
