"""The catalogues of words are complete: the page's, and the element's."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import scoreboard
from scoreboard.api.documents import filled
from scoreboard.branding import catalogues
from scoreboard.branding.catalogues import Catalogue, Text
from scoreboard.languages import PLURALS

WEB = Path(scoreboard.__file__).parent / "web"
PAGE = catalogues.of_the_page()
ELEMENT = catalogues.of_the_element()
CATALOGUES = {"page": PAGE, "element": ELEMENT}
LANGUAGES = tuple(PLURALS)
# By ordinal category, as `Words.ordinal` reads it; not by plural category.
ORDINALS = {"en": ("one", "two", "few", "other"), "de": ("other",), "ar": ("other",)}
# What `Words` and the server read of a catalogue themselves, and what names the language in lists.
READ_BY_US = {"direction", "ordinal", "language"}
SAID_OF_HTML = ("alt", "aria-label", "placeholder", "title", "content")
# "2nd" in one language, "place 2" in another.
SAID_IN_TWO_WAYS = {"rank", "place"}
# Two letters at least: more than a sign.
NO_PROSE = re.compile(r"[^\W\d_]{2,}")

every_catalogue = pytest.mark.parametrize("name", [name for name in CATALOGUES if CATALOGUES[name]])
every_language = pytest.mark.parametrize("language", LANGUAGES)


def forms(text: Text) -> dict[str, str]:
    return {"": text} if isinstance(text, str) else dict(text)


def places(text: Text) -> set[str]:
    """The values that a text has places for, in any of its forms."""
    return {name for form in forms(text).values() for name in re.findall(r"\{(\w+)\}", form)}


def test_the_files_are_those_of_the_languages() -> None:
    assert {path.stem for path in (WEB / "words").glob("*.json")} == set(LANGUAGES)
    assert all(CATALOGUES["page"][language]["direction"] in ("ltr", "rtl") for language in PLURALS)


@every_catalogue
def test_all_languages_have_the_same_keys_in_one_order(name: str) -> None:
    keys = {language: list(words) for language, words in CATALOGUES[name].items()}
    assert set(keys) == set(LANGUAGES)
    assert all(each == keys["en"] for each in keys.values()), {
        language: set(keys["en"]) ^ set(each) for language, each in keys.items()
    }


@every_catalogue
@every_language
def test_a_text_that_counts_has_every_plural_category_of_its_language(
    name: str, language: str
) -> None:
    for key, text in CATALOGUES[name][language].items():
        if isinstance(text, str):
            continue
        expected = ORDINALS[language] if key == "ordinal" else PLURALS[language]
        assert tuple(text) == expected, key


@every_catalogue
@every_language
def test_a_text_takes_the_values_that_it_takes_in_english(name: str, language: str) -> None:
    english = CATALOGUES[name]["en"]
    for key, text in CATALOGUES[name][language].items():
        assert places(text) ^ places(english[key]) <= SAID_IN_TWO_WAYS, key
        # A form for one or two may leave the number out, as in "one point"; `other` names all.
        assert places(forms(text).get("other", "")) in (places(text), set()), key
        assert all(form.strip() == form and form for form in forms(text).values()), key
        assert not re.search(r"[{}]", re.sub(r"\{\w+\}", "", " ".join(forms(text).values()))), key


def sources(folder: Path, *endings: str) -> str:
    files = [path for path in sorted(folder.rglob("*")) if path.suffix in endings]
    return "\n".join(path.read_text("utf-8") for path in files if path.parent.name != "words")


def unused(words: Catalogue, source: str) -> set[str]:
    """Keys that nothing names: as a whole, or by the constant beginning of a key that is put
    together, `text(`refused.${code}`)`.
    """
    beginnings = set(re.findall(r"`([\w.-]+[.-])\$\{", source))
    return {
        key
        for key in words
        if key not in READ_BY_US
        and not re.search(rf"""["'`.]{re.escape(key)}(?:["'`]|\}}\}})""", source)
        and not key.startswith(tuple(beginnings))
    }


def test_every_key_is_used() -> None:
    everywhere = sources(WEB, ".js", ".html")
    assert unused(PAGE["en"], everywhere) == set()
    if ELEMENT:
        assert unused(ELEMENT["en"], sources(WEB / "element", ".js")) == set()


def test_a_key_that_nothing_names_is_found() -> None:
    source = 'words.text("one"); words.text(`two.${code}`); <p>{{words.three}}</p>'
    keys = ("one", "two.banned", "three", "four", "direction")
    assert unused(dict.fromkeys(keys, ""), source) == {"four"}


def test_every_key_that_is_used_is_there() -> None:
    html = (WEB / "index.html").read_text("utf-8")
    assert set(re.findall(r"\{\{words\.([\w.-]+)\}\}", html)) <= set(PAGE["en"])
    known = set(PAGE["en"]) | set(ELEMENT.get("en", ()))
    called = re.findall(r"""\.text\(\s*["']([\w.-]+)["']""", sources(WEB, ".js"))
    assert set(called) <= known


class _Prose(HTMLParser):
    """Collects what a reader of the page reads, or has read aloud."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        self.found.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [
            value or ""
            for name, value in attrs
            if name in SAID_OF_HTML and not (tag == "meta" and name == "content")
        ]


def prose(html: str) -> list[str]:
    parser = _Prose()
    parser.feed(re.sub(r"\{\{[\w.-]+\}\}", "", html))
    return [text.strip() for text in parser.found if NO_PROSE.search(text)]


def test_text_outside_of_the_places_is_found() -> None:
    html = '<p>{{words.one}} <b>Two</b> 3</p><img alt="Four"><meta content="width=1"><i>{{x}}</i>'
    assert prose(html) == ["Two", "Four"]


def test_the_page_has_no_text_outside_of_the_catalogues() -> None:
    assert prose((WEB / "index.html").read_text("utf-8")) == []


@every_language
def test_the_head_of_the_page_says_everything_in_its_language(language: str) -> None:
    head = (WEB / "index.html").read_text("utf-8").partition("</head>")[0]
    html = filled(head, {"lang": language}, PAGE[language])
    assert f'<html lang="{language}" dir="{PAGE[language]["direction"]}">' in html
    assert "{{words." not in html


def test_a_place_gets_a_text_and_never_markup() -> None:
    words: Catalogue = {"one": '<b a="1">&', "many": {"one": "1", "other": "{count}"}}
    assert filled("<p>{{words.one}}{{lang}}{{gone}}</p>", {"lang": "<i>"}, words) == (
        "<p>&lt;b a=&quot;1&quot;&gt;&amp;<i>{{gone}}</p>"
    )
    with pytest.raises(KeyError, match="two"):
        filled("{{words.two}}", {}, words)
    with pytest.raises(ValueError, match="count"):
        filled("{{words.many}}", {}, words)


def test_modules_of_words_are_read() -> None:
    module = (
        '/** English. */\nexport default {\n  // one\n  direction: "ltr",\n'
        '  "a.b": "say \\"{name}\\": // no comment",\n'
        '  points: { one: "{count} point", other: "{count} points" }, // two\n};\n'
    )
    assert catalogues.parsed(module) == {
        "direction": "ltr",
        "a.b": 'say "{name}": // no comment',
        "points": {"one": "{count} point", "other": "{count} points"},
    }
    with pytest.raises(ValueError, match="Expecting"):
        catalogues.parsed("export default { a: 'b' };")
