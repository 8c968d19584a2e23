"""docker/make_secrets.py makes each secret once and shows it to its own server."""

from __future__ import annotations

import json
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.deployment.files import DOCKER, ROOT, make_secrets, services


@pytest.fixture
def made(tmp_path: Path) -> Path:
    make_secrets(tmp_path)
    return tmp_path


def contents(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): path.read_text("utf-8")
        for path in directory.rglob("*")
        if path.is_file()
    }


def without_hashes(files: dict[str, str]) -> dict[str, str]:
    """Salted anew at each run."""
    return {name: text for name, text in files.items() if not name.endswith("definitions.json")}


def test_a_second_run_changes_nothing(made: Path) -> None:
    before = contents(made)
    make_secrets(made)
    assert without_hashes(contents(made)) == without_hashes(before)


def test_no_two_passwords_are_the_same_and_all_are_long(made: Path) -> None:
    passwords = [text.strip() for text in contents(made / "passwords").values() if text.strip()]
    assert len(set(passwords)) == len(passwords) >= 7
    assert all(len(password) >= 48 for password in passwords)


def test_two_checkouts_have_nothing_in_common(tmp_path: Path) -> None:
    for name in ("one", "other"):
        make_secrets(tmp_path / name)
    one, other = (set(contents(tmp_path / name).values()) for name in ("one", "other"))
    assert one & other == {"\n"}  # no previous secret


def test_a_password_of_ones_own_is_taken(made: Path) -> None:
    (made / "passwords" / "redis").write_text("chosen\n")
    make_secrets(made)
    assert (made / "redis" / "password.conf").read_text() == "requirepass chosen\n"
    assert (made / "scoreboard" / "redis_url").read_text() == "redis://:chosen@redis:6379/0\n"


def test_a_certificate_of_ones_own_is_kept(made: Path) -> None:
    (made / "nginx" / "certificate.pem").chmod(0o600)
    (made / "nginx" / "certificate.pem").write_text("of our own\n")
    make_secrets(made)
    assert (made / "nginx" / "certificate.pem").read_text() == "of our own\n"


def test_the_certificate_and_its_key_fit_and_name_this_machine(made: Path) -> None:
    certificate = made / "nginx" / "certificate.pem"
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, made / "nginx" / "key.pem")  # raises if they do not
    shown = subprocess.run(
        ["openssl", "x509", "-in", certificate, "-noout", "-ext", "subjectAltName"],
        capture_output=True,
        check=True,
        text=True,
    )
    assert "DNS:localhost, DNS:nginx, IP Address:127.0.0.1" in shown.stdout


def test_every_directory_that_is_mounted_is_made(made: Path) -> None:
    mounted = {
        volume.split(":")[0].removeprefix("./secrets/")
        for service in services().values()
        for volume in service.get("volumes", [])
        if volume.startswith("./secrets/")
    }
    assert mounted == {path.name for path in made.iterdir()} - {"passwords"}


def test_nobody_else_on_the_machine_can_look_inside(made: Path) -> None:
    assert made.stat().st_mode & 0o777 == 0o700
    for path in (made / "passwords").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    for path in (made / "scoreboard").iterdir():  # read by a server's own account
        assert path.stat().st_mode & 0o777 == 0o444


def test_rabbitmq_gets_hashes_and_no_password(made: Path) -> None:
    text = (made / "rabbitmq" / "definitions.json").read_text()
    shipped = json.loads((DOCKER / "rabbitmq" / "definitions.json").read_text())
    users = json.loads(text)["users"]
    assert [user["name"] for user in users] == [user["name"] for user in shipped["users"]]
    assert all(len(user["password_hash"]) == 48 for user in users)
    for password in contents(made / "passwords").values():
        assert not password.strip() or password.strip() not in text


def test_git_keeps_none_of_them() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    paths = ["docker/secrets/passwords/redis", "docker/secrets/nginx/key.pem"]
    ignored = subprocess.run(
        ["git", "check-ignore", *paths], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ignored.stdout.split() == paths
