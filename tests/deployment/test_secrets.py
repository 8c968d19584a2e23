"""docker/make_secrets.py makes each secret once and shows it to its own server."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
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


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_it_is_the_same_password_whatever_shell_wrote_it(made: Path, encoding: str) -> None:
    (made / "passwords" / "redis").write_bytes("chosen\r\n".encode(encoding))
    make_secrets(made)
    assert (made / "redis" / "password.conf").read_text() == "requirepass chosen\n"


@pytest.mark.parametrize("content", [b"one\ntwo\n", b"\xff", "one\n".encode("utf-16-le")])
def test_what_is_no_line_of_text_is_no_password(
    made: Path, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    (made / "passwords" / "redis").write_bytes(content)
    with pytest.raises(subprocess.CalledProcessError):
        make_secrets(made)
    said = capfd.readouterr().err
    assert "passwords/redis" in said
    assert "Traceback" not in said


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


# What happens on the way


@pytest.fixture
def checkout() -> Iterator[Path]:
    """A directory as git makes it: everybody on the machine may look into it."""
    directory = Path(tempfile.mkdtemp(prefix="scoreboard-secrets-"))
    directory.chmod(0o755)
    (directory / "secrets").mkdir()
    (directory / "secrets").chmod(0o755)
    yield directory / "secrets"
    shutil.rmtree(directory)


def run(directory: Path, *, openssl: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run it under a careless umask; with an openssl that is this script, or none at all."""
    programs = directory.parent / "programs"
    programs.mkdir(exist_ok=True)
    environment = dict(os.environ)
    if openssl is not None:
        environment["PATH"] = f"{programs}:{os.environ['PATH']}" if openssl else str(programs)
    if openssl:
        (programs / "openssl").write_text(f"#!/bin/sh\n{openssl}\n")
        (programs / "openssl").chmod(0o755)
    command = [sys.executable, str(DOCKER / "make_secrets.py"), str(directory)]
    return subprocess.run(
        command, env=environment, umask=0, capture_output=True, text=True, check=False
    )


def open_to_others(directory: Path) -> list[str]:
    """What others could read if they were not kept out of the directory itself."""
    paths = [path for path in directory.rglob("*") if path.stat().st_mode & 0o077]
    return sorted(str(path.relative_to(directory)) for path in paths)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may look with somebody else's eyes")
def test_nobody_else_reads_any_of_it_at_any_moment(checkout: Path) -> None:
    look = (
        f"while :; do cat {checkout}/*/* {checkout}/.[!.]*/* {checkout}/*/.[!.]* 2>/dev/null; done"
    )
    with tempfile.TemporaryFile() as seen:
        with subprocess.Popen(["/bin/sh", "-c", look], stdout=seen, user=65534) as somebody:
            for _ in range(3):
                assert run(checkout).returncode == 0
                shutil.rmtree(checkout / "nginx")  # and the certificate once more
            somebody.kill()
        assert seen.tell() == 0


@pytest.mark.parametrize(
    ("openssl", "said"),
    [
        ("", "cannot be run (No such file"),
        ("echo no entropy >&2; exit 3", "ended with 3: no entropy"),
        ("exit 1", "ended with 1"),
        ("echo half >key.pem; chmod 666 key.pem; kill -9 $$", "ended with -9"),
        ("echo half >key.pem; kill -9 $PPID", ""),
    ],
    ids=["missing", "fails", "fails silently", "is killed", "is killed with all"],
)
def test_without_a_certificate_it_says_so_and_what_is_there_is_closed_and_whole(
    checkout: Path, openssl: str, said: str
) -> None:
    ended = run(checkout, openssl=openssl)

    assert ended.returncode != 0
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert checkout.stat().st_mode & 0o777 == 0o700
    assert [path for path in open_to_others(checkout) if path.startswith((".", "passwords"))] == []
    assert all(
        len(text.strip()) >= 48
        for text in contents(checkout / "passwords").values()
        if text.strip()
    )
    assert not (checkout / "nginx" / "certificate.pem").exists()

    before = contents(checkout / "passwords")
    assert run(checkout).returncode == 0
    assert contents(checkout / "passwords") == before
    assert {path.name for path in checkout.iterdir() if path.name.startswith(".")} == set()
    certificate = checkout / "nginx" / "certificate.pem"
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
        certificate, certificate.with_name("key.pem")
    )


def test_while_openssl_works_everything_is_closed(checkout: Path) -> None:
    report = checkout.parent / "report"
    watch = f'umask >{report}; ls -ldn {checkout} . >>{report}; exec {shutil.which("openssl")} "$@"'
    assert run(checkout, openssl=watch).returncode == 0
    umask, *directories = report.read_text().splitlines()
    assert umask == "0077"
    assert [line.split()[0] for line in directories] == ["drwx------"] * 2


def test_half_a_file_of_a_run_that_was_ended_is_taken_for_nothing(checkout: Path) -> None:
    (checkout / "passwords").mkdir()
    for name in (".redis.new", ".redis.0123abcd.new"):
        (checkout / "passwords" / name).write_text("half")
    (checkout / ".certificate.new").mkdir()
    (checkout / ".certificate.new" / "key.pem").write_text("half")

    assert run(checkout).returncode == 0

    assert "half" not in "".join(contents(checkout).values())
    assert not list(checkout.rglob(".*"))


def test_what_others_could_read_is_closed_and_named(checkout: Path) -> None:
    make_secrets(checkout)
    before = contents(checkout)
    checkout.chmod(0o755)
    for path in (checkout / "passwords", *(checkout / "passwords").iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)

    ended = run(checkout)

    assert "passwords/jwt_secret" in ended.stderr
    assert "nginx/key.pem" in ended.stderr
    assert checkout.stat().st_mode & 0o777 == 0o700
    assert [path for path in open_to_others(checkout) if path.startswith("passwords")] == []
    assert without_hashes(contents(checkout)) == without_hashes(before)
    assert run(checkout).stderr == ""


def test_an_empty_password_is_named_and_no_server_gets_it(made: Path) -> None:
    (made / "passwords" / "redis").write_text("\n")
    before = contents(made / "redis")

    ended = run(made)

    assert (ended.returncode, "redis" in ended.stderr) == (1, True)
    assert contents(made / "redis") == before


def test_a_key_of_ones_own_gets_its_certificate_and_none_is_taken_without(made: Path) -> None:
    key, certificate = made / "nginx" / "key.pem", made / "nginx" / "certificate.pem"
    before = key.read_text()
    certificate.unlink()
    assert run(made).returncode == 0
    assert key.read_text() == before
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)

    key.unlink()
    ended = run(made)
    assert (ended.returncode, "without its key" in ended.stderr) == (1, True)


def test_a_link_is_followed_to_nothing_that_could_be_given_away(made: Path) -> None:
    """Run by root in somebody's checkout, it gives the files to that somebody."""
    elsewhere = made.parent / "elsewhere"
    elsewhere.write_text("of somebody else\n")
    elsewhere.chmod(0o640)
    for directory in ("passwords", "nginx"):
        (made / directory / "link").symlink_to(elsewhere)
    if os.geteuid() == 0:
        os.chown(made, 65534, 65534)

    assert run(made).returncode == 0

    assert (elsewhere.stat().st_mode & 0o777, elsewhere.stat().st_uid) == (0o640, os.geteuid())


@pytest.mark.parametrize("name", ["redis", "passwords", "anything"])
def test_no_linked_directory_is_filled_or_given_away(checkout: Path, name: str) -> None:
    make_secrets(checkout)
    elsewhere = checkout.parent / "elsewhere"
    elsewhere.mkdir(mode=0o777)
    (elsewhere / "of-somebody-else").touch(mode=0o600)
    shutil.rmtree(checkout / name, ignore_errors=True)
    (checkout / name).symlink_to(elsewhere)
    if os.geteuid() == 0:
        os.chown(checkout, 65534, 65534)

    ended = run(checkout)

    assert (ended.returncode, f"are links: {name}." in ended.stderr) == (1, True), ended.stderr
    [file] = elsewhere.iterdir()
    assert (file.stat().st_mode & 0o777, file.stat().st_uid) == (0o600, os.geteuid())


def test_no_secret_is_read_by_way_of_a_link(checkout: Path) -> None:
    """Root would read it, and give it to the owner of the checkout."""
    make_secrets(checkout)
    elsewhere = checkout.parent / "shadow"
    elsewhere.write_text("of root alone\n")
    (checkout / "passwords" / "redis").unlink()
    (checkout / "passwords" / "redis").symlink_to(elsewhere)

    ended = run(checkout)

    assert (ended.returncode, "are links: passwords/redis." in ended.stderr) == (1, True)
    assert "of root alone" not in "".join(contents(checkout / "redis").values())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may pass for somebody else")
@pytest.mark.parametrize("name", ["passwords/redis", "passwords", "nginx", "nginx/key.pem"])
def test_nothing_that_somebody_else_has_put_there_is_believed(checkout: Path, name: str) -> None:
    """As long as others could write there, as after a careless umask."""
    path = checkout / name
    path.parent.mkdir(exist_ok=True)
    if path.parent == checkout:
        path.mkdir(mode=0o777)
    else:
        path.write_text("a password that somebody else knows\n")
    os.chown(path, 65534, 65534)

    ended = run(checkout)

    assert (ended.returncode, f"{name}. Delete it" in ended.stderr) == (1, True), ended.stderr
    assert not (checkout / "scoreboard").exists()


def test_a_password_that_has_another_name_is_not_believed(checkout: Path) -> None:
    make_secrets(checkout)
    os.link(checkout / "passwords" / "redis", checkout.parent / "another-name")
    ended = run(checkout)
    assert (ended.returncode, "passwords/redis. Delete it" in ended.stderr) == (1, True)


def test_who_has_a_directory_open_cannot_write_there_any_more(checkout: Path) -> None:
    (checkout / "passwords").mkdir()
    (checkout / "passwords").chmod(0o777)
    watch = f"ls -ldn {checkout}/passwords >{checkout.parent}/report; exit 1"
    run(checkout, openssl=watch)
    assert (checkout.parent / "report").read_text().startswith("drwxr-xr-x")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give it to somebody else")
def test_it_belongs_to_whom_the_checkout_belongs(made: Path) -> None:
    os.chown(made, 65534, 65534)
    assert run(made).returncode == 0
    assert {path.stat().st_uid for path in made.rglob("*")} == {65534}


def test_two_at_once_choose_one_password(checkout: Path) -> None:
    command = [sys.executable, str(DOCKER / "make_secrets.py"), str(checkout)]
    runs = [subprocess.Popen(command) for _ in range(4)]
    assert [one.wait() for one in runs] == [0] * 4
    chosen = (checkout / "passwords" / "redis").read_text().strip()
    assert (checkout / "redis" / "password.conf").read_text() == f"requirepass {chosen}\n"
    assert chosen in (checkout / "scoreboard" / "redis_url").read_text()


def test_git_keeps_none_of_them() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    paths = ["docker/secrets/passwords/redis", "docker/secrets/nginx/key.pem"]
    ignored = subprocess.run(
        ["git", "check-ignore", *paths], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ignored.stdout.split() == paths
