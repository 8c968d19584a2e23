"""The files of docker/, read as their readers read them."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parent.parent.parent
DOCKER: Final = ROOT / "docker"
# ${NAME} and ${NAME:-default}
_VARIABLE: Final = re.compile(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\}")


def compose(**variables: str) -> dict[str, Any]:
    """compose.yaml with variables put in, and its anchors resolved."""
    text = (DOCKER / "compose.yaml").read_text("utf-8")
    filled = _VARIABLE.sub(lambda v: variables.get(v["name"], v["default"] or ""), text)
    document: dict[str, Any] = yaml.safe_load(filled)
    return document


@cache
def services() -> dict[str, dict[str, Any]]:
    """Each service of compose.yaml."""
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


@cache
def manifests() -> list[tuple[str, dict[str, Any]]]:
    """Each object that kustomization.yaml brings, and the file that it stands in."""
    directory = DOCKER / "kubernetes"
    kustomization = yaml.safe_load((directory / "kustomization.yaml").read_text("utf-8"))
    return [
        (name, document)
        for name in kustomization["resources"]
        for document in yaml.safe_load_all((directory / name).read_text("utf-8"))
    ]


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    """The manifests of a kind, by name."""
    return {
        document["metadata"]["name"]: document
        for _, document in manifests()
        if document["kind"] == kind
    }


def make_secrets(directory: Path) -> None:
    """Run what makes the secrets, as compose does."""
    directory.mkdir(exist_ok=True)
    subprocess.run([sys.executable, DOCKER / "make_secrets.py", directory], check=True)


def rabbit_hash(password: str) -> str:
    """Hash a password as what makes the secrets does."""
    hashed: str = runpy.run_path(str(DOCKER / "make_secrets.py"))["rabbit_hash"](password)
    return hashed
