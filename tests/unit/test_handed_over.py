"""What people hand over as files and on standard input: whatever editor or shell wrote it, it
works, or a sentence says what is wrong with it and repeats none of it.
"""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest

from scoreboard.configuration import handed_over
from scoreboard.configuration.handed_over import Unreadable
from scoreboard.configuration.settings import SettingsError
from scoreboard.configuration.sources import load, require_servers

SECRET = "0123456789abcdef0123456789abcdef-é"
ADDRESSES = {
    "SCOREBOARD_DATABASE_URL": "postgresql://localhost/scoreboard",
    "SCOREBOARD_REDIS_URL": "redis://localhost",
}
GOOD = [
    SECRET.encode(),
    f"{SECRET}\n".encode(),
    f"{SECRET}\r\n".encode(),
    f"{SECRET}\r".encode(),
    f"\ufeff{SECRET}\r\n".encode(),
    f"\ufeff{SECRET}\r\n".encode("utf-16-le"),  # Windows PowerShell's >
    f"\ufeff{SECRET}\n".encode("utf-16-be"),
    f"\ufeff{SECRET}\r\n".encode("utf-32-le"),
]
BAD = [
    (b"", "empty", "nothing"),
    (b"\xef\xbb\xbf\r\n", "empty", "nothing"),
    (f"{SECRET}\nmore\n".encode(), "2 lines", "2 lines"),
    (f"{SECRET}\rmore".encode(), "2 lines", "2 lines"),
    (f"{SECRET}\0".encode(), "NUL", "NUL"),
    (f"{SECRET}\r\n".encode("utf-16-le"), "UTF-8", "UTF-8"),
    (b"caf\xe9 0123456789abcdef0123456789abcdef", "UTF-8", "UTF-8"),
    (b"x" * (handed_over.SMALL_BYTES + 1), "larger than 1 MiB", "larger than 1 MiB"),
]


def refusal(path: Path | str) -> str:
    with pytest.raises(SettingsError) as refused:
        load({"SCOREBOARD_JWT_SECRET_FILE": str(path)})
    message = str(refused.value)
    assert "SCOREBOARD_JWT_SECRET_FILE" in message
    assert str(path) in message
    assert SECRET[:16] not in message
    return message


@pytest.mark.parametrize("content", GOOD)
def test_a_secret_is_one_whatever_wrote_it(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(content)
    found = load(ADDRESSES | {"SCOREBOARD_JWT_SECRET_FILE": str(tmp_path / "secret")})
    require_servers(found)
    assert found.jwt_secret == SECRET
    assert handed_over.password(io.BytesIO(content)) == SECRET


@pytest.mark.parametrize(("content", "said", "said_of_a_password"), BAD)
def test_what_is_no_secret_is_refused_in_words(
    content: bytes, said: str, said_of_a_password: str, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_bytes(content)
    assert said in refusal(tmp_path / "secret")
    with pytest.raises(Unreadable, match=said_of_a_password):
        handed_over.password(io.BytesIO(content))


def test_a_password_keeps_its_spaces() -> None:
    assert handed_over.password(io.BytesIO(b" correct horse \n")) == " correct horse "


@pytest.mark.parametrize(
    ("path", "said"), [("/", "directory"), ("/dev/zero", "larger"), ("/dev/null", "empty")]
)
def test_what_is_no_ordinary_file_ends_the_reading(path: str, said: str) -> None:
    assert said in refusal(path)
    if said == "empty":
        assert load({"SCOREBOARD_CONFIG": path}) == load({})
        return
    with pytest.raises(SettingsError, match=said):
        load({"SCOREBOARD_CONFIG": path})


def test_a_pipe_is_read_until_whoever_writes_into_it_is_done(tmp_path: Path) -> None:
    """As the shell makes it of `<(pass show scoreboard)`."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def write() -> None:
        with open(pipe, "w", encoding="utf-8") as output:
            for part in (SECRET[:9], SECRET[9:], "\r\n"):
                output.write(part)
                output.flush()

    writer = threading.Thread(target=write)
    writer.start()
    found = load({"SCOREBOARD_JWT_SECRET_FILE": str(pipe)})
    writer.join()
    assert found.jwt_secret == SECRET


def test_a_pipe_that_nobody_writes_into_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handed_over, "_SILENT_SECONDS", 0.1)
    os.mkfifo(tmp_path / "pipe")
    assert "nothing came from it" in refusal(tmp_path / "pipe")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_file_of_settings_is_read_whatever_wrote_it(
    encoding: str, newline: str, tmp_path: Path
) -> None:
    text = newline.join(["# é", "port = 1", 'host = "named"', ""])
    (tmp_path / "named.toml").write_bytes(text.encode(encoding))
    found = load({"SCOREBOARD_CONFIG": str(tmp_path / "named.toml")})
    assert (found.port, found.host) == (1, "named")


def test_variables_of_a_file_from_windows_are_the_same_variables() -> None:
    """`docker run --env-file` and `set -a; . ./.env` leave the mark and the CR in their places."""
    found = load(
        {
            "\ufeffSCOREBOARD_ROLE": "stream\r",
            "SCOREBOARD_JWT_SECRET": f"{SECRET}\r\n",
            "SCOREBOARD_JWT_PREVIOUS_SECRETS": "one,two\r",
        }
    )
    assert (found.role, found.jwt_secret) == ("stream", SECRET)
    assert found.jwt_previous_secrets == ("one", "two")


def test_a_variable_that_is_no_text_is_named() -> None:
    with pytest.raises(SettingsError, match="SCOREBOARD_JWT_SECRET is not UTF-8"):
        load({"SCOREBOARD_JWT_SECRET": os.fsdecode(b"\xff" * 40)})


def test_a_list_may_have_a_line_for_each_entry(tmp_path: Path) -> None:
    (tmp_path / "previous").write_bytes(b"one\r\ntwo,three\n")
    found = load({"SCOREBOARD_JWT_PREVIOUS_SECRETS_FILE": str(tmp_path / "previous")})
    assert found.jwt_previous_secrets == ("one", "two", "three")
    (tmp_path / "issuers").write_text('{\n  "game": "x"\n}\n', encoding="utf-8")
    found = load({"SCOREBOARD_JWT_TRUSTED_ISSUERS_FILE": str(tmp_path / "issuers")})
    assert found.jwt_trusted_issuers == {"game": ("x",)}


def test_a_closed_standard_input_is_said_so() -> None:
    with pytest.raises(Unreadable, match="closed"):
        handed_over.password(None)
