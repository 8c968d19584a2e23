"""The client as a distribution of its own: built from this tree, installed where nothing of the
service is, and used against an instance. No index is asked: what it needs is taken from here.
"""

from __future__ import annotations

import asyncio
import configparser
import contextlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import scoreboard.client
from tests.instances import Instance
from tests.world import add_actions

CLIENT = Path(scoreboard.client.__file__).parent
# Nobody without the service has these.
OF_THE_SERVICE = {"aiohttp", "aiopg", "psycopg2", "redis", "aio_pika", "marshmallow", "argon2"}
PYTHONS = ("3.11", "3.13")  # what works under these works under those between

PLAYS = """
import sys
from scoreboard_client import Client, LiveBoard, UserClient, __version__

with UserClient(sys.argv[1]) as ada, LiveBoard(sys.argv[1], get_token=ada.token) as live:
    ada.register("ada", "ada@example.org", "analytical engine")
    assert ada.submit("one").score == 5
    for board in live:
        if board.entries:
            print(board.entries[0].username, board.entries[0].score, __version__)
            break
try:
    Client(sys.argv[1], "key", "whsec_" + "A" * 44)
except ModuleNotFoundError as error:
    print(error)
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


async def run(*argv: str | Path) -> str:
    """What a program writes that ends well."""
    process = await asyncio.create_subprocess_exec(
        *argv, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built of a copy, so that nothing is left behind among the modules."""
    folder = tmp_path_factory.mktemp("client")
    shutil.copytree(CLIENT, folder / "a" / "b" / "client")
    build = ("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder)
    asyncio.run(run(sys.executable, "-m", "pip", *build, folder / "a/b/client"))
    [wheel] = folder.glob("*.whl")
    return wheel


def needed(requirements: list[str], python: str) -> Iterator[metadata.Distribution]:
    """The distributions that these need with that Python, and what those need."""
    for text in requirements:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or marker.evaluate({"python_version": python, "extra": ""}):
            found = metadata.distribution(requirement.name)
            yield found
            yield from needed(found.requires or [], python)


def put(distributions: Iterator[metadata.Distribution], site: Path) -> None:
    """Copy them there. They have no compiled parts, so another Python takes them too."""
    for distribution in distributions:
        for file in distribution.files or []:
            target = (site / file).resolve()
            if target.is_relative_to(site.resolve()) and file.suffix != ".pyc":
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(Path(str(file.locate())), target)


def program(python: str) -> str:
    """A Python of this version. Skips where there is none."""
    if sys.version_info[:2] == tuple(map(int, python.split("."))):
        return sys.executable
    name = f"python{python}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for found in (name, *map(str, sorted(pyenv.glob(f"{python}.*/bin/python")))):
        with contextlib.suppress(OSError):  # a name in PATH may be a shim that leads nowhere
            if not subprocess.run((found, "-c", ""), check=False, capture_output=True).returncode:
                return found
    pytest.skip(f"{name} is not installed")


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("python", PYTHONS)
async def test_a_program_without_the_service_follows_and_plays(
    instance: Instance, database_url: str, built: Path, tmp_path: Path, python: str
) -> None:
    add_actions(database_url, {"one": 5})
    home = tmp_path / "venv"
    await run(program(python), "-m", "venv", "--without-pip", home)
    own = home / "bin" / "python"
    install = ("install", "--no-deps", "--no-index", built)
    await run(sys.executable, "-m", "pip", "--python", own, *install)
    [site] = home.glob("lib/python*/site-packages")
    put(needed(wanted(built), python), site)

    said = (await run(own, "-W", "error", "-I", "-c", PLAYS, instance.url)).splitlines()

    assert said[0] == f"ada 5 {scoreboard.client.__version__}"
    assert said[1] == "To sign with a server key, install scoreboard-client[keys]."
    loaded = set(said[2].split())
    assert "scoreboard_client" in loaded
    assert not loaded & (OF_THE_SERVICE | {"scoreboard", "standardwebhooks"})


def wanted(wheel: Path) -> list[str]:
    """What a wheel requires."""
    with zipfile.ZipFile(wheel) as opened:
        [name] = [name for name in opened.namelist() if name.endswith("/METADATA")]
        text = opened.read(name).decode()
    head = text.partition("\n\n")[0].splitlines()
    return [line.removeprefix("Requires-Dist: ") for line in head if "Requires-Dist" in line]


def test_it_owns_no_file_of_the_service_and_is_typed(built: Path) -> None:
    with zipfile.ZipFile(built) as opened:
        names = opened.namelist()
    version = scoreboard.client.__version__
    folders = {"scoreboard_client", f"scoreboard_client-{version}.dist-info"}
    assert {name.partition("/")[0] for name in names} == folders
    modules = {f"scoreboard_client/{path.name}" for path in CLIENT.glob("*.py")}
    assert modules | {"scoreboard_client/py.typed"} <= set(names)
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_it_asks_for_what_the_service_asks_for(built: Path) -> None:
    """The ranges stand in two files, because each distribution has its own."""
    setup = configparser.ConfigParser()
    setup.read(CLIENT.parent.parent / "setup.cfg")
    lines = setup["options"]["install_requires"].splitlines()
    service = {str(Requirement(line)) for line in lines if line and not line.startswith("#")}
    own = {str(Requirement(text.partition(";")[0])) for text in wanted(built)}
    assert len(own) == 3
    assert own <= service


async def test_importing_it_loads_nothing_of_the_service() -> None:
    text = "import sys, scoreboard.client; print(*sys.modules)"
    loaded = set((await run(sys.executable, "-c", text)).split())
    ours = {name for name in loaded if name.partition(".")[0] == "scoreboard"}
    assert ours
    assert {name for name in ours if not name.startswith("scoreboard.client")} == {"scoreboard"}
    assert not {name.partition(".")[0] for name in loaded} & (OF_THE_SERVICE | {"standardwebhooks"})
