"""Bodies that come packed, and those that only say so."""

from __future__ import annotations

import gzip
import zlib
from contextlib import suppress

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from scoreboard.api.http.encodings import encoding_of, unpacked
from scoreboard.api.http.refusals import headers_of
from scoreboard.errors import BodyTooLarge, MalformedBody, UnsupportedEncoding
from tests.properties.strategies import examples

BODY = b'{"refreshToken": "x"}'
MOST = 16_384
GZIPPED = gzip.compress(BODY, mtime=0)  # the same in every process that collects these tests
DEFLATED = zlib.compress(BODY)
RAW = DEFLATED[2:-4]


def named(*lines: str) -> str | None:
    fields = CIMultiDict([("Content-Encoding", line) for line in lines])
    return encoding_of(make_mocked_request("POST", "/", headers=fields))


@pytest.mark.parametrize(
    ("line", "encoding"),
    [
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("x-gzip", "x-gzip"),
        ("deflate", "deflate"),
        ("identity", None),
        ("", None),
    ],
)
def test_an_encoding_is_known_by_its_name(line: str, encoding: str | None) -> None:
    assert named(line) == encoding


def test_a_body_without_one_is_not_packed() -> None:
    assert named() is None


@pytest.mark.parametrize(
    "lines",
    [["br"], ["zstd"], ["gzip, gzip"], ["gzip", "gzip"], ["gzip,"], ["gz\u0131p"], ["g" * 8_000]],
)
def test_any_other_is_refused_with_those_that_are_known(lines: list[str]) -> None:
    with pytest.raises(UnsupportedEncoding) as refused:
        named(*lines)
    assert headers_of(refused.value)["Accept-Encoding"] == "gzip, deflate"


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", GZIPPED),
        ("x-gzip", GZIPPED),
        ("deflate", DEFLATED),
        ("deflate", RAW),
    ],
)
def test_a_body_is_unpacked(encoding: str, packed: bytes) -> None:
    assert unpacked(packed, encoding, MOST) == BODY


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", BODY),
        ("gzip", b""),
        ("gzip", GZIPPED[:-1]),
        ("gzip", GZIPPED[:-9]),
        ("gzip", GZIPPED + b"junk"),
        ("gzip", GZIPPED * 2),
        ("gzip", GZIPPED[:-8] + bytes(8)),
        ("gzip", DEFLATED),
        ("deflate", BODY),
        ("deflate", DEFLATED[:-1]),
        ("deflate", RAW[:-1]),
        ("deflate", GZIPPED),
    ],
)
def test_what_is_not_packed_so_or_not_whole_is_refused(encoding: str, packed: bytes) -> None:
    with pytest.raises(MalformedBody):
        unpacked(packed, encoding, MOST)


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_no_more_is_unpacked_than_a_body_may_have(pack: object) -> None:
    assert callable(pack)
    encoding = "gzip" if pack is gzip.compress else "deflate"
    assert len(unpacked(pack(b" " * MOST), encoding, MOST)) == MOST
    for size in (MOST + 1, 10_000_000):
        with pytest.raises(BodyTooLarge):
            unpacked(pack(b" " * size), encoding, MOST)


@examples(200)
@given(st.binary(max_size=60), st.sampled_from(["gzip", "deflate"]))
def test_no_bytes_make_it_fail_in_another_way(body: bytes, encoding: str) -> None:
    with suppress(MalformedBody, BodyTooLarge):
        unpacked(body, encoding, MOST)
