"""Makes the secrets of docker/compose.yaml, each once, as files that only their server sees.

    python3 docker/make_secrets.py docker/secrets      # compose runs this by itself

The secrets come from `passwords/`. A file there is kept, so put one there to choose a secret, and
delete one to get a new secret. Each run writes all other files again from these, in a directory per
server, which compose mounts only into that server. A certificate in `nginx/` is kept.

Only the owner of the directory can read any of it, at every moment. A file appears only when it is
whole, however a run ends; the next run goes on from there.

It needs Python and, for the certificate, openssl. It needs nothing of ours, because it runs first.
"""

from __future__ import annotations

import base64
import codecs
import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DEFINITIONS = Path(__file__).resolve().parent / "rabbitmq" / "definitions.json"
PASSWORDS = (
    "grafana",
    "jwt_secret",
    "postgres_admin",
    "postgres_scoreboard",
    "rabbitmq_operator",
    "rabbitmq_scoreboard",
    "rabbitmq_scoreboard-stream",
    "redis",
)
# Tokens signed with these are still accepted: one secret, or several with commas between them
# (docs/operations.md, "Rotate secrets").
PREVIOUS = "jwt_previous_secrets"
# The names under which clients may reach nginx with a certificate of ours.
NAMES = "DNS:localhost,DNS:nginx,IP:127.0.0.1"
DAYS = 825  # the longest life that browsers accept
KEPT = 0o600  # sources of the other files
SHOWN = 0o444  # files that a server reads, under an account of its own


def main() -> None:
    """Make what is missing, beneath the directory that the command names."""
    os.umask(0o077)  # for directories, and for openssl  # guard: openssl-writes
    root = Path(sys.argv[1])
    with alone_in(root):
        close(root)
        given = passwords(root / "passwords")
        for server, files in derived(given, json.loads(DEFINITIONS.read_text("utf-8"))).items():
            for name, text in files.items():
                write(root / server / name, text, SHOWN)
        write(root / "demo" / "certificate.pem", certificate(root), SHOWN)
        show(root)


@contextlib.contextmanager
def alone_in(root: Path) -> Iterator[None]:
    """Hold the directory for this run; another one waits, or the two would choose two passwords."""
    root.mkdir(parents=True, exist_ok=True)
    if os.geteuid() not in (0, root.stat().st_uid):
        sys.exit(
            f"{root} belongs to somebody else (id {root.stat().st_uid}). Run this as that user."
        )
    directory = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):  # some file systems of containers have no locks
            fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def close(root: Path) -> None:
    """Shut everybody else out before anything is made, and mend what an earlier run left behind."""
    found = [path for path in (*root.glob("passwords/*"), root / "nginx/key.pem") if path.is_file()]
    if root.stat().st_mode & 0o077 and found:
        sys.stderr.write(
            f"Others on this machine could read in {root} until now: {names_of(found, root)}. If "
            "anybody may have done so, delete these, the key with its certificate, and run this "
            "again for new ones.\n"
        )
    root.chmod(0o700)  # guard: secrets-closed-before
    refuse_what_others_put(root)
    for left in (*root.glob(".*.new"), *root.glob("*/.*.new")):  # of an interrupted run
        shutil.rmtree(left) if left.is_dir() else left.unlink()  # guard: ended-run-left


def refuse_what_others_put(root: Path) -> None:
    """Believe no password and fill no directory that somebody else left here while others could
    write; and go where no link leads, which is somebody else's place as well.
    """
    ours = {0, os.geteuid(), root.stat().st_uid}
    found = list(root.iterdir())
    for directory in [path for path in found if path.is_dir() and not path.is_symlink()]:
        if directory.stat().st_uid in ours:
            # A process that has it open already may write no more.
            directory.chmod(directory.stat().st_mode & 0o755)  # guard: directory-secrets-open
            found += directory.iterdir()
    # guard: password-somebody-else
    others = [path for path in found if path.lstat().st_uid not in ours or is_elsewhere_too(path)]
    if others:
        sys.exit(
            f"Somebody else has put this into {root}, or has it under another name as well: "
            f"{names_of(others, root)}. Delete it, look who can write there, and run this again."
        )
    taken = {root / "passwords" / name for name in (*PASSWORDS, PREVIOUS)}
    taken |= {root / "nginx" / name for name in ("key.pem", "certificate.pem")}
    links = [path for path in found if path.is_symlink() and (path.parent == root or path in taken)]
    if links:  # guard: no-linked-directory
        sys.exit(
            f"These in {root} are links: {names_of(links, root)}. Their server would not see where "
            "they lead. Put the files themselves there."
        )


def is_elsewhere_too(path: Path) -> bool:
    """Whether a file has another name, by which somebody may read or write it."""
    return path.is_file() and not path.is_symlink() and path.stat().st_nlink > 1


def names_of(paths: list[Path], root: Path) -> str:
    """Answer their names within the directory."""
    return ", ".join(sorted(str(path.relative_to(root)) for path in paths))


def passwords(directory: Path) -> dict[str, str]:
    """Answer every password, making those that are missing."""
    for name in PASSWORDS:
        if not (directory / name).exists():
            write(directory / name, secrets.token_urlsafe(48), KEPT)
    if not (directory / PREVIOUS).exists():
        write(directory / PREVIOUS, "", KEPT)
    files = (path for path in directory.iterdir() if path.is_file() and not path.is_symlink())
    given = {path.name: given_in(path) for path in files}
    if empty := [name for name in PASSWORDS if not given[name]]:
        sys.exit(
            f"Empty in {directory}: {', '.join(empty)}. Write a password into it, or delete it and "
            "run this again to have one made."
        )
    return given


def given_in(path: Path) -> str:
    """Answer what a file holds, whatever editor or shell wrote it (as configuration/handed_over.py
    does): the byte order mark and the end of the line that Windows writes are no part of it.
    """
    content = path.read_bytes()
    marks = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    try:
        text = content.decode("utf-16" if content.startswith(marks) else "utf-8-sig").strip()
    except UnicodeDecodeError:
        sys.exit(f"{path} is no text. Save it as UTF-8, and run this again.")
    if "\0" in text or (len(text.splitlines()) > 1 and path.name != PREVIOUS):
        sys.exit(f"{path} holds more than a line of text. Leave one line, and run this again.")
    return text


def derived(given: dict[str, str], definitions: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Answer the files of each server. Passwords are URL-safe, so they go into addresses as is."""
    for user in definitions["users"]:
        user["password_hash"] = rabbit_hash(given[f"rabbitmq_{user['name']}"])
        user["hashing_algorithm"] = "rabbit_password_hashing_sha256"
    database = f"scoreboard:{given['postgres_scoreboard']}@postgres:5432/scoreboard"
    instance = {
        "database_url": f"postgresql://{database}",
        "redis_url": f"redis://:{given['redis']}@redis:6379/0",
        "amqp_url": broker_url("scoreboard", given),
        "jwt_secret": given["jwt_secret"],
        PREVIOUS: given[PREVIOUS],
    }
    return {
        "grafana": {"admin_password": given["grafana"]},
        "postgres": {
            "admin_password": given["postgres_admin"],
            "scoreboard_password": given["postgres_scoreboard"],
        },
        "rabbitmq": {"definitions.json": json.dumps(definitions, indent=2)},
        "redis": {"password.conf": f"requirepass {given['redis']}"},
        "scoreboard": instance,
        # Instances that hold streams publish nothing, because their user of RabbitMQ may not.
        "stream": instance | {"amqp_url": broker_url("scoreboard-stream", given)},
    }


def broker_url(user: str, given: dict[str, str]) -> str:
    """Answer where RabbitMQ is, for one of its users."""
    return f"amqp://{user}:{given[f'rabbitmq_{user}']}@rabbitmq:5672/scoreboard"


def rabbit_hash(password: str) -> str:
    """Hash a password as RabbitMQ keeps it: four bytes of salt, then SHA-256 over both."""
    salt = secrets.token_bytes(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def certificate(root: Path) -> str:
    """Answer the certificate. If none is there, make one that nobody else vouches for, with the key
    that is there or with a new one.
    """
    key, made = root / "nginx" / "key.pem", root / "nginx" / "certificate.pem"
    if made.exists():
        if not key.exists():
            sys.exit(
                f"{made} is there without its key. Put that into {key}, or delete {made.name}."
            )
        return made.read_text()
    if key.exists():
        of_key = ["-key", str(key.resolve())]
    else:
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        of_key = [*curve, "-keyout", "key.pem"]
    name = ["-subj", "/CN=localhost", "-addext", f"subjectAltName={NAMES}"]
    command = ["req", "-x509", "-days", str(DAYS), *of_key, *name, "-out", "certificate.pem"]
    new = root / ".certificate.new"
    new.mkdir()
    try:
        openssl(*command, at=new)  # guard: half-certificate-never
        if not key.exists():
            write(key, (new / "key.pem").read_text(), SHOWN)
        write(made, (new / "certificate.pem").read_text(), SHOWN)
    finally:
        shutil.rmtree(new)
    return made.read_text()


def openssl(*arguments: str, at: Path) -> None:
    """Run it in this directory; say what to do when it cannot be."""
    try:
        ran = subprocess.run(["openssl", *arguments], cwd=at, capture_output=True, check=False)  # noqa: S603, S607
        problem = f"it ended with {ran.returncode}: {ran.stderr.decode(errors='replace').strip()}"
        if ran.returncode == 0:
            return
    except OSError as error:
        problem = f"it cannot be run ({error.strerror})"
    sys.exit(
        f"openssl made no certificate; {problem}\nInstall or mend it, or put a certificate of your "
        f"own and its key into {at.parent / 'nginx'}, as certificate.pem and key.pem."
    )


def write(path: Path, text: str, mode: int) -> None:
    """Write a file whole, or not at all. Until it has its name nobody else can open it."""
    path.parent.mkdir(exist_ok=True)
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    made = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with open(made, "w", encoding="utf-8") as file:
        file.write(f"{text.rstrip()}\n")
        file.flush()
        os.fsync(made)  # a name must not outlive a crash that its content does not
    hand_over(new, path.parent.parent, mode)
    new.replace(path)


def show(root: Path) -> None:
    """Let each server look into its directory, which is mounted there alone. On this machine the
    way to it is closed.
    """
    directories = (path for path in root.iterdir() if path.is_dir() and not path.is_symlink())
    for directory in directories:
        kept = directory.name == "passwords"
        for file in (path for path in directory.iterdir() if path.is_file()):
            hand_over(file, root, KEPT if kept else SHOWN)
        hand_over(directory, root, 0o700 if kept else 0o755)


def hand_over(path: Path, root: Path, mode: int) -> None:
    """Say who may read it, and give it to the owner of the directory if it is root who made it."""
    if path.is_symlink():  # it leads to a file that is not ours  # guard: link-not-given
        return
    opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if os.geteuid() == 0:
            os.fchown(opened, root.stat().st_uid, root.stat().st_gid)
        os.fchmod(opened, mode)
    finally:
        os.close(opened)


if __name__ == "__main__":
    main()
