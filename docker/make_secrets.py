"""Makes the secrets of docker/compose.yaml, each once, as files that only their server is shown.

    python3 docker/make_secrets.py docker/secrets      # compose runs this by itself

`passwords/` is where they come from: a file that is there is kept, so put one there to choose it,
and delete one to have a new one. All else is written anew from these at each run, in a directory
per server, which compose mounts into that server and no other. A certificate in `nginx/` is kept.

It needs Python and, for the certificate, openssl; nothing of ours, for it runs before all else.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import subprocess
import sys
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
    "redis",
)
# Tokens that these signed are still taken: one secret, or several with commas between them
# (docs/operations.md, "Rotate secrets").
PREVIOUS = "jwt_previous_secrets"
# The names under which clients may reach nginx with a certificate of ours.
NAMES = "DNS:localhost,DNS:nginx,IP:127.0.0.1"
DAYS = 825  # the longest that browsers take


def main() -> None:
    """Make what is missing, beneath the directory that the command names."""
    root = Path(sys.argv[1])
    given = passwords(root / "passwords")
    for server, files in derived(given, json.loads(DEFINITIONS.read_text("utf-8"))).items():
        for name, text in files.items():
            write(root / server / name, text)
    certificate(root / "nginx")
    write(root / "demo" / "certificate.pem", (root / "nginx" / "certificate.pem").read_text())
    protect(root)


def passwords(directory: Path) -> dict[str, str]:
    """Answer every password, making those that are missing."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in PASSWORDS:
        if not (directory / name).exists():
            write(directory / name, secrets.token_urlsafe(48))
    if not (directory / PREVIOUS).exists():
        write(directory / PREVIOUS, "")
    return {path.name: path.read_text("utf-8").strip() for path in directory.iterdir()}


def derived(given: dict[str, str], definitions: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Answer the files of each server. Passwords are URL-safe, so they go into addresses as is."""
    for user in definitions["users"]:
        user["password_hash"] = rabbit_hash(given[f"rabbitmq_{user['name']}"])
        user["hashing_algorithm"] = "rabbit_password_hashing_sha256"
    database = f"scoreboard:{given['postgres_scoreboard']}@postgres:5432/scoreboard"
    broker = f"scoreboard:{given['rabbitmq_scoreboard']}@rabbitmq:5672/scoreboard"
    return {
        "grafana": {"admin_password": given["grafana"]},
        "postgres": {
            "admin_password": given["postgres_admin"],
            "scoreboard_password": given["postgres_scoreboard"],
        },
        "rabbitmq": {"definitions.json": json.dumps(definitions, indent=2)},
        "redis": {"password.conf": f"requirepass {given['redis']}"},
        "scoreboard": {
            "database_url": f"postgresql://{database}",
            "redis_url": f"redis://:{given['redis']}@redis:6379/0",
            "amqp_url": f"amqp://{broker}",
            "jwt_secret": given["jwt_secret"],
            PREVIOUS: given[PREVIOUS],
        },
    }


def rabbit_hash(password: str) -> str:
    """Hash a password as RabbitMQ keeps it: four bytes of salt, then SHA-256 over both."""
    salt = secrets.token_bytes(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def certificate(directory: Path) -> None:
    """Make a certificate that nobody else vouches for, unless one is there."""
    if (directory / "certificate.pem").exists():
        return
    directory.mkdir(exist_ok=True)
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    name = ["-subj", "/CN=localhost", "-addext", f"subjectAltName={NAMES}"]
    files = ["-keyout", "key.pem", "-out", "certificate.pem"]
    command = ["openssl", "req", "-x509", "-days", str(DAYS), *curve, *name, *files]
    subprocess.run(command, cwd=directory, check=True, stderr=subprocess.DEVNULL)  # noqa: S603


def write(path: Path, text: str) -> None:
    """Write a file whole, or not at all."""
    path.parent.mkdir(exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_text(f"{text.rstrip()}\n", encoding="utf-8")
    new.replace(path)


def protect(root: Path) -> None:
    """Close the directory to everybody but its owner, whoever ran this. Inside, each server has to
    read its files under an account of its own, and is shown no directory but its own.
    """
    owner = root.stat()
    for directory in (path for path in root.iterdir() if path.is_dir()):
        inner, file = (0o700, 0o600) if directory.name == "passwords" else (0o755, 0o444)
        for path in (directory, *directory.iterdir()):
            os.chown(path, owner.st_uid, owner.st_gid)
            path.chmod(inner if path.is_dir() else file)
    root.chmod(0o700)


if __name__ == "__main__":
    main()
