"""What operators say of the page: what is refused, and what the refusal says."""

from __future__ import annotations

import json
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

import scoreboard
from scoreboard.api import documents
from scoreboard.api.documents import LogIns
from scoreboard.branding import branding
from scoreboard.configuration.colors import DEFAULTS, TINT_ALPHA, contrast, palette
from scoreboard.configuration.settings import Settings, SettingsError
from scoreboard.configuration.sources import load

WEB = Path(scoreboard.__file__).parent / "web"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>'
WEBP = b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f\0\0\0\x10\x07\x10\x11\x11\x88\x88\xfe\x07\0"


def png(side: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + b"\x12\x34\x56" * side for _ in range(side)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def settings(**given: Any) -> Settings:
    return load({}, **given)


def refusal(**given: Any) -> str:
    with pytest.raises(SettingsError) as refused:
        branding.load(settings(**given))
    return str(refused.value)


# Title and languages


@pytest.mark.parametrize("title", ["", "  ", "x" * 61, "two\nlines", "a\0", "end\n"])
def test_a_title_is_one_line(title: str) -> None:
    assert "page_title (--page-title): must be one line" in refusal(page_title=title)


@pytest.mark.parametrize(
    ("languages", "problem"),
    [
        ("", "needs one language at least, of en, de, ar"),
        ("en,de,en", "names a language twice"),
        ("en,fr", "entry 2: there is no such language; there are en, de, ar"),
    ],
)
def test_languages_are_those_that_there_are(languages: str, problem: str) -> None:
    assert problem in refusal(page_languages=languages)


# Colours


def test_the_defaults_are_those_of_the_style_sheets() -> None:
    css = (WEB / "style.css").read_text("utf-8")
    element = (WEB / "element" / "styles.js").read_text("utf-8")
    for number, part in enumerate(css.split("@media", 2)[:2]):
        written = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,8})[;}]", part))
        tint = written.pop("tint")
        assert tint == DEFAULTS["glow"][number] + f"{TINT_ALPHA[number]:02x}"
        for name, value in written.items():
            long = re.sub(r"^#(.)(.)(.)$", r"#\1\1\2\2\3\3", value)
            assert long == DEFAULTS[name][number], name
    named = set(re.findall(r"var\(--scoreboard-([a-z-]+), #", element)) - {"row-ground", "tint"}
    assert named <= set(DEFAULTS)


def test_contrast_is_that_of_the_guidelines() -> None:
    assert round(contrast("#000000", "#ffffff"), 2) == 21
    assert round(contrast("#777777", "#ffffff"), 2) == 4.48
    assert contrast("#123456", "#123456") == 1


def test_a_colour_of_one_theme_goes_before_one_of_both() -> None:
    chosen = settings(page_colors="dark.accent=#8ab4ff, accent=#0B3FAF").page_colors
    light, dark = palette(chosen)
    assert (light["accent"], dark["accent"]) == ("#0b3faf", "#8ab4ff")
    assert light["ink"] == DEFAULTS["ink"][0]


@pytest.mark.parametrize(
    ("colors", "problem"),
    [
        ("accent=blue", "entry 1: write a colour as accent=#0b5fff"),
        ("accent=#fff", "entry 1: write a colour as"),
        ("sepia.accent=#0b5fff", "entry 1: write a colour as"),
        ("light.accent=#0b3faf,colour=#0b5fff", "entry 2: there is no such colour; there are"),
        ("accent=#0b3faf;x:y", "entry 1: write a colour as"),
        (
            "light.ink=#999999",
            "ink on ground in the light theme has a contrast of 2.5, and text needs 4.5",
        ),
        ("accent=#0b3faf", "accent on card in the dark theme has a contrast of"),
        ("dark.glow=#332200", "on-glow on glow in the dark theme"),
        ("light.live=#e0ffe0", "live on card in the light theme has a contrast of 1.1, and signs"),
    ],
)
def test_colours_that_cannot_be_read_are_refused(colors: str, problem: str) -> None:
    assert problem in refusal(page_colors=colors)


def test_a_style_sheet_has_both_themes_of_what_was_chosen_and_nothing_else() -> None:
    assert branding.style(settings().page_colors) == ""
    css = branding.style(settings(page_colors="light.glow=#7cc4ff").page_colors)
    light, dark = css.split("@media (prefers-color-scheme:dark)")
    assert light.strip() == (
        ":root{--glow:#7cc4ff;--scoreboard-glow:#7cc4ff;"
        "--tint:#7cc4ff38;--scoreboard-tint:#7cc4ff38;}"
    )
    assert dark.startswith("{:root{--glow:#ffb224;--scoreboard-glow:#ffb224;--tint:#ffb22426;")
    assert 'live-scoreboard[theme="light"]{--glow:#7cc4ff;' in dark


# Logo


@pytest.mark.parametrize(
    ("name", "body", "kind", "sizes"),
    [
        ("logo.svg", SVG.encode(), "svg", "any"),
        ("logo", f'\ufeff<?xml version="1.0"?><!-- one -->{SVG}'.encode(), "svg", "any"),
        ("logo.txt", png(48), "png", "48x48"),
        ("logo.webp", WEBP, "webp", ""),
    ],
)
def test_a_picture_is_known_by_what_is_in_it(
    tmp_path: Path, name: str, body: bytes, kind: str, sizes: str
) -> None:
    (tmp_path / name).write_bytes(body)
    logo = branding.load(settings(page_logo=str(tmp_path / name))).logo
    assert logo is not None
    assert (logo.kind, logo.sizes) == (kind, sizes)


def test_a_small_png_is_an_icon_of_the_old_form_and_other_pictures_are_sent_as_they_are(
    tmp_path: Path,
) -> None:
    path = tmp_path / "logo"
    for body in (SVG.encode(), WEBP, png(257)):
        path.write_bytes(body)
        found = branding.load(settings(page_logo=str(path))).logo
        assert found is not None
        assert found.favicon() is None
    for side in (48, 256):
        path.write_bytes(png(side))
        found = branding.load(settings(page_logo=str(path))).logo
        assert found is not None
        icon = found.favicon() or b""
        assert icon[:6] == b"\0\0\1\0\1\0"
        assert icon[6] == icon[7] == side % 256
        size, offset = struct.unpack("<II", icon[14:22])
        assert icon[offset : offset + size] == png(side)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "it is no picture in SVG, PNG or WebP"),
        (b"root:x:0:0:secret", "it is no picture in SVG, PNG or WebP"),
        (b"<html><svg/></html>", "it is no picture"),
        (b'<svg viewBox="0 0 1 1"/>', "it is no picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", "it is no picture"),
        (
            b'<!DOCTYPE svg [<!ENTITY a "b">]><svg xmlns="http://www.w3.org/2000/svg">&a;</svg>',
            "it is no picture",
        ),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "it is no picture"),
        (b"GIF89a" + b"\0" * 100, "it is no picture"),
        (png(8) + b"\0" * 100_000, "it is larger than 100 KB"),
    ],
)
def test_what_is_no_picture_is_refused_and_not_repeated(
    tmp_path: Path, body: bytes, problem: str
) -> None:
    path = tmp_path / "logo"
    path.write_bytes(body)
    said = refusal(page_logo=str(path))
    assert f"page_logo names {path}, which cannot be used: {problem}" in said
    assert "secret" not in said


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    said = refusal(page_logo=str(tmp_path), page_words=str(tmp_path / "gone.json"))
    assert f"page_logo names {tmp_path}, which cannot be used: it is a directory" in said
    assert "gone.json, which cannot be used: No such file or directory" in said


# Words


def words(tmp_path: Path, document: Any) -> str:
    path = tmp_path / "words.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document), "utf-8")
    return str(path)


def test_words_go_before_ours_those_of_the_element_too(tmp_path: Path) -> None:
    coins = {"one": "{count} coin", "other": "{count} coins"}
    given = {"en": {"points": coins, "description": "The <cup>."}, "de": {"top": "Beste {count}"}}
    brand = branding.load(settings(page_words=words(tmp_path, given), page_languages="de,en"))
    assert list(brand.words) == ["de", "en"]
    assert brand.words["en"]["points"] == coins
    assert brand.words["de"]["top"] == "Beste {count}"
    assert brand.words["de"]["direction"] == "ltr"
    html = documents.page(
        "{{words.description}}{{catalogue}}", LogIns(), brand, "en", brand.words["en"]
    )
    assert html.startswith("The &lt;cup&gt;.{")
    assert "<" not in html


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ("{", "it is not valid JSON, in line 1"),
        ("[1]", "it is no JSON object"),
        ("[" * 50_000, "it is nested too deep"),
        ('{"en": {}, "en": {}}', "a key is there twice"),
        ({"fr": {}}, "there is no language fr; there are en, de, ar"),
        ({"en": "points"}, "en: give its texts by their keys"),
        ({"en": {"descripton": "x"}}, "did you mean description?"),
        ({"en": {"direction": "rtl"}}, "en, direction: is what the language is, and stays"),
        ({"en": {"description": ""}}, "must have 1 to 500 characters"),
        ({"en": {"description": "x" * 501}}, "must have 1 to 500 characters"),
        ({"en": {"description": "a\x00b"}}, "has characters that nobody can see"),
        ({"en": {"description": "{name}!"}}, "has {name}, and there is no value"),
        ({"en": {"description": 5}}, "must be a text, or an object of texts"),
        ({"en": {"description": {"other": "x"}}}, "does not depend on a number: give one text"),
        ({"en": {"points": {"one": "{count} coin"}}}, "needs a form `other`"),
        ({"en": {"points": {"few": "x", "other": "y"}}}, "has no form few; there are one, other"),
        ({"ar": {"points": {"other": "{coins}"}}}, "has {coins}, and there is {count}"),
        ({"de": {"points": {"other": ["x"]}}}, "must be a text, or an object of texts"),
    ],
)
def test_words_that_cannot_be_used_are_refused_with_their_place(
    tmp_path: Path, document: Any, problem: str
) -> None:
    said = refusal(page_words=words(tmp_path, document))
    assert problem in said
    assert "words.json" in said


def test_every_mistake_is_in_one_message(tmp_path: Path) -> None:
    given = {"en": {"nothing-like-it": "x", "description": ""}, "xx": {}}
    said = refusal(page_words=words(tmp_path, given), page_logo=str(tmp_path))
    assert len(said.splitlines()) == 5


# Documents


def test_a_manifest_is_of_its_language_and_of_the_settings() -> None:
    brand = branding.load(settings(page_title="The Cup of Everybody", page_languages="ar"))
    found = json.loads(documents.manifest(brand, "ar"))
    assert (found["name"], found["short_name"]) == ("The Cup of Everybody", "The Cup of E")
    assert (found["lang"], found["dir"]) == ("ar", "rtl")
    assert found["background_color"] == DEFAULTS["ground"][0]


def test_only_absolute_addresses_are_given_to_other_sites(tmp_path: Path) -> None:
    (tmp_path / "logo").write_bytes(png(8))
    logo = str(tmp_path / "logo")
    without = documents.page("{{social}}", LogIns(), branding.load(settings(page_logo=logo)), "en")
    assert without == ""
    brand = branding.load(settings(page_logo=logo, public_url="https://cup.example/a/"))
    said = documents.page("{{social}}", LogIns(), brand, "en")
    assert '<meta property="og:url" content="https://cup.example/a/">' in said
    assert re.search(r'content="https://cup\.example/a/assets/logo\.[0-9a-f]{10}\.png"', said)


def test_a_title_is_text_in_every_document() -> None:
    title = '<b>"Cup" & more</b>'
    brand = branding.load(settings(page_title=title))
    page = documents.page("<title>{{title}}</title>", LogIns(), brand, "en")
    assert page == "<title>&lt;b&gt;&quot;Cup&quot; &amp; more&lt;/b&gt;</title>"
    assert json.loads(documents.manifest(brand, "en"))["name"] == title
