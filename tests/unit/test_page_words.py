"""What comes with the page, and what comes later: its words, and its weight."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import scoreboard
from scoreboard.api import assets, documents
from scoreboard.api.assets import Assets
from scoreboard.api.bundles import beneath, in_one
from scoreboard.api.documents import LogIns
from scoreboard.branding import branding, catalogues
from scoreboard.configuration.colors import DEFAULTS, THEMES
from scoreboard.configuration.sources import load
from scoreboard.languages import PLURALS

WEB = Path(scoreboard.__file__).parent / "web"
ALL = catalogues.of_both()
OF_ELEMENT = catalogues.of_the_element()["en"]
MODULES = {path.name: path.read_text("utf-8") for path in WEB.glob("*.js")}
# In the client and the element nothing is read of the page's words.
MODULES |= {"scoreboard-client.js": "", "live-scoreboard.js": ""}
ONE_ANOTHER = beneath(MODULES, {"page.js"})
LATER = set(MODULES) - ONE_ANOTHER - {"embed.js"}
# As the page loads it, with what an operator may add to it in the lower line.
BUDGET_BYTES = 47_500
BRANDED_BUDGET_BYTES = 50_000

every_language = pytest.mark.parametrize("language", tuple(PLURALS))


@pytest.fixture(scope="module")
def made() -> Assets:
    return assets.load()


def at_once(made: Assets, language: str) -> dict[str, Any]:
    """The words that the page of that language holds."""
    html = made.pages[language].body.decode()
    [data] = re.findall(r'<script type="application/json" id="words"[^>]*>(.*)</script>', html)
    found: dict[str, Any] = json.loads(data)
    return found


def later(made: Assets, language: str) -> dict[str, Any]:
    """The words of the file that the page of that language names."""
    html = made.pages[language].body.decode()
    [name] = re.findall(r' data-others="\./assets/([^"]+)"', html)
    found: dict[str, Any] = json.loads(made.hashed[name].body)
    return found


def said(*modules: str) -> set[str]:
    """The keys that those modules name, and all that begin like one that they put together."""
    text = "".join(MODULES[name] for name in modules)
    whole = set(re.findall(r"""["'`]([\w.-]+)["'`]""", text))
    beginnings = tuple(re.findall(r"`([\w.-]+[.-])\$\{", text))
    return {key for key in ALL["en"] if key in whole or key.startswith(beginnings)}


@every_language
def test_each_word_comes_once_with_the_page_or_later(made: Assets, language: str) -> None:
    first, others = at_once(made, language), later(made, language)
    assert not first.keys() & others.keys()
    assert first | others == ALL[language]
    # Every instance makes the same bytes.
    for found in (first, others):
        assert list(found) == [key for key in ALL[language] if key in found]


def test_what_the_first_modules_and_the_element_say_comes_with_the_page(made: Assets) -> None:
    first = set(at_once(made, "en"))
    assert first >= set(OF_ELEMENT)
    put_together = {key for key in said(*ONE_ANOTHER) if key.startswith(("refused.", "wrong."))}
    assert said(*ONE_ANOTHER) - first == put_together - {"refused.unreachable"}
    # Which is read only where it is there, and else said as the server says it.
    for name in ONE_ANOTHER:
        for found in re.finditer(r"`(?:refused|wrong)\.\$\{", MODULES[name]):
            assert "hasWord" in MODULES[name][found.start() - 150 : found.end() + 150], name


def test_what_cannot_be_loaded_without_the_server_comes_with_the_page(made: Assets) -> None:
    first = at_once(made, "ar")
    assert {"refused.unreachable", "unloadable", "places.unloadable", "retryAfter"} <= set(first)
    assert "places.keys" not in first  # the test tells what comes later from what does not


def test_modules_that_say_what_comes_later_are_loaded_with_it(made: Assets) -> None:
    first = set(at_once(made, "en"))
    loaded = {}
    for name, text in MODULES.items():
        for found in re.finditer(r'(?P<words>withWords\()?import\("\./(?P<name>[^"]+)"\)', text):
            loaded[found["name"]] = bool(found["words"]) or name in LATER
    assert beneath(MODULES, set(loaded)) >= LATER
    for name, has_words in loaded.items():
        assert has_words or said(*beneath(MODULES, {name}) - ONE_ANOTHER) <= first, name
    assert not loaded["friends.js"]  # which says nothing


def test_the_server_finds_what_a_module_says() -> None:
    module = "say(words.text(on ? \"a.b\" : 'c')); words.text(`d`); words.text(`e.${code}`);"
    words = dict.fromkeys(("a.b", "c", "d", "e.f", "g", "refused.unreachable"), "")
    found = documents.needed_at_once([module], words)
    assert found == {"a.b", "c", "d", "refused.unreachable"}


def test_the_modules_that_come_with_the_page_are_told_from_the_others() -> None:
    assert {"page.js", "entrance.js", "messages.js", "words.js"} <= ONE_ANOTHER
    assert {"catalogue.js", "my-place.js", "credentials.js", "profile.js"} <= LATER
    assert set(in_one(MODULES, "page.js")) >= LATER


def weight(made: Assets, language: str) -> int:
    """The bytes of all that the page loads by itself, compressed."""
    page = made.pages[language]
    html = page.body.decode()
    names = set(re.findall(r' (?:href|src)="\./assets/([^"]+)"', html))
    assert len(names) >= 8
    loaded = [page, made.manifests[language], *(made.hashed[name] for name in names)]
    return sum(len(asset.gzipped or asset.body) for asset in loaded)


@every_language
def test_the_page_is_light_in_every_language(made: Assets, language: str) -> None:
    assert weight(made, language) < BUDGET_BYTES


@every_language
def test_it_stays_light_with_what_an_operator_adds(language: str) -> None:
    colors = [
        f"{theme}.{name}={DEFAULTS[name][n]}" for name in DEFAULTS for n, theme in enumerate(THEMES)
    ]
    brand = branding.load(
        load(
            {},
            page_title="The cup of all the schools of our town",
            page_colors=",".join(colors),
            public_url="https://cup.example.org",
        )
    )
    providers = {f"provider-{n}": f"Identity provider number {n}" for n in range(5)}
    branded = assets.load(LogIns(providers), brand)
    assert weight(branded, language) < BRANDED_BUDGET_BYTES


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Log in with <bdi>A &amp; {B}</bdi>"),
        ("de", "Mit <bdi>A &amp; {B}</bdi> anmelden"),
        ("ar", "تسجيل الدخول عبر <bdi>A &amp; {B}</bdi>"),
    ],
)
def test_identity_providers_are_offered_in_the_language_of_the_page(
    language: str, text: str
) -> None:
    log_ins = LogIns({"acme": "A & {B}"}, has_passwords=False)
    html = documents.page("{{providers}}|{{if_no_passwords}}", log_ins, branding.ours(), language)
    assert html == f'<a class="primary" href="./api/login/acme">{text}</a>| hidden'
    without = documents.page("{{providers}}|{{if_no_passwords}}", LogIns(), branding.ours(), "en")
    assert without == "|"
