"""All that an operator says of the page, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scoreboard.branding import catalogues, logo, words
from scoreboard.branding.catalogues import Catalogue
from scoreboard.branding.logo import Logo
from scoreboard.configuration.colors import DEFAULTS, TINT_ALPHA, Color, palette
from scoreboard.configuration.handed_over import Unreadable
from scoreboard.configuration.settings import Settings, SettingsError

_OF_ELEMENT: Final = "live-scoreboard"


@dataclass(frozen=True, slots=True)
class Branding:
    """What the page says and how it looks. `logo` is None for ours; `words` are those of the page
    by language, in the order of the languages that are offered, with the operator's.
    """

    title: str
    public_url: str
    logo: Logo | None
    colors: tuple[Color, ...]
    words: Mapping[str, Catalogue]

    @property
    def grounds(self) -> tuple[str, str]:
        """The colour of the page's ground, light and dark."""
        light, dark = palette(self.colors)
        return light["ground"], dark["ground"]


def ours() -> Branding:
    """What holds where nothing is set."""
    return Branding("Scoreboard", "", None, (), catalogues.of_the_page())


def load(settings: Settings) -> Branding:
    """Read what the settings name. Raises SettingsError, which lists every mistake."""
    mistakes: list[str] = []
    found_logo = _logo(settings.page_logo, mistakes)
    given = _words(settings.page_words, mistakes)
    if mistakes:
        lines = ["The configuration cannot be used:", *(f"  - {each}" for each in mistakes)]
        raise SettingsError("\n".join(lines))
    own = catalogues.of_the_page()
    return Branding(
        settings.page_title,
        settings.public_url.rstrip("/"),
        found_logo,
        settings.page_colors,
        {each: {**own[each], **given.get(each, {})} for each in settings.page_languages},
    )


def _logo(path: str, mistakes: list[str]) -> Logo | None:
    if not path:
        return None
    try:
        return logo.read(Path(path))
    except Unreadable as error:
        mistakes.append(f"page_logo names {path}, which cannot be used: {error}")
        return None


def _words(path: str, mistakes: list[str]) -> Mapping[str, Any]:
    if not path:
        return {}
    try:
        given = words.read(Path(path))
    except Unreadable as error:
        mistakes.append(f"page_words names {path}, which cannot be used: {error}")
        return {}
    page, element = catalogues.of_the_page(), catalogues.of_the_element()
    every = {language: {**element.get(language, {}), **page[language]} for language in page}
    mistakes += [f"page_words, in {path}: {each}" for each in words.problems(given, every)]
    return given


def style(chosen: tuple[Color, ...]) -> str:
    """The style sheet of the colours that were chosen, which stands behind ours; empty without any.
    Both themes have each of them, or one of the light theme would hold in the dark one as well.
    """
    names = [name for name in DEFAULTS if any(color.name == name for color in chosen)]
    if not names:
        return ""
    light, dark = (
        "".join(f"--{name}:{value};--scoreboard-{name}:{value};" for name, value in found.items())
        for found in (_with_tint(each, names, n) for n, each in enumerate(palette(chosen)))
    )
    return (
        f"\n:root{{{light}}}\n@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
        f'{_OF_ELEMENT}[theme="light"]{{{light}}}\n'
        f'{_OF_ELEMENT}:is([theme="dark"],[theme="transparent"]){{{dark}}}\n'
    )


def _with_tint(found: Mapping[str, str], names: list[str], theme: int) -> dict[str, str]:
    chosen = {name: found[name] for name in names}
    if "glow" in chosen:
        chosen["tint"] = f"{chosen['glow']}{TINT_ALPHA[theme]:02x}"
    return chosen
