"""The setting of the page's colours: what can be set, and whether text can be read on its ground.

The colours are those of `web/style.css`, whose custom properties have these names; `<live-
scoreboard>` has them as `--scoreboard-…`. Contrast is that of WCAG 2.2 (1.4.3 and 1.4.11).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from marshmallow import ValidationError

from scoreboard.configuration.kinds import listed

THEMES: Final = ("light", "dark")
# By name: in the light theme, in the dark one.
DEFAULTS: Final[Mapping[str, tuple[str, str]]] = {
    "ground": ("#f3f1ec", "#0b0e14"),
    "card": ("#ffffff", "#141923"),
    "edge": ("#dedad0", "#262d3a"),
    "ink": ("#14171f", "#f2f4f8"),
    "soft": ("#5a6170", "#9aa5b8"),
    "accent": ("#9a5b00", "#ffb224"),
    "glow": ("#ffb224", "#ffb224"),
    "on-glow": ("#1c1300", "#1c1300"),
    "mine": ("#fff3d6", "#2c2412"),
    "up": ("#0a6f3c", "#4ade80"),
    "down": ("#a63a2a", "#fb8b7a"),
    "live": ("#16a34a", "#34d399"),
    "polling": ("#d97706", "#fbbf24"),
    "offline": ("#dc2626", "#f87171"),
    "gold": ("#ffc649", "#ffc649"),
    "silver": ("#cfd6e0", "#cfd6e0"),
    "bronze": ("#e2a878", "#e2a878"),
}
# What lies behind a score in proportion to the leader's: `glow`, seen through, of so much of 255.
TINT_ALPHA: Final = (0x38, 0x26)
_ON_MEDALS: Final = "#1d1605"  # the figure on gold, silver and bronze
_OF_TEXT: Final = 4.5
_OF_SIGNS: Final = 3.0
# Each is read on the other.
_TEXTS: Final = (
    *(("ink", "ground"), ("ink", "card"), ("ink", "mine"), ("soft", "ground"), ("soft", "card")),
    *(("accent", "card"), ("accent", "mine"), ("on-glow", "glow"), ("up", "card")),
    *(("down", "card"), ("ink", "tint")),
    *((_ON_MEDALS, "gold"), (_ON_MEDALS, "silver"), (_ON_MEDALS, "bronze")),
)
_SIGNS: Final = (("live", "card"), ("polling", "card"), ("offline", "card"))
_ENTRY: Final = re.compile(
    r"(?:(?P<theme>light|dark)\.)?(?P<name>[a-z-]+)\s*=\s*(?P<value>#[0-9a-f]{6})", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Color:
    """A colour of one theme, or of both (`theme` is empty), as `#rrggbb`."""

    theme: str
    name: str
    value: str


def colors(meaning: str) -> Any:
    """Declare colours of the page. There are none by default: those of `DEFAULTS` hold."""
    return listed(meaning, entry=_color, check=_readable)


def palette(chosen: Sequence[Color]) -> tuple[dict[str, str], dict[str, str]]:
    """Every colour of the light and of the dark theme. One of a theme goes before one of both."""
    light, dark = ({name: each[n] for name, each in DEFAULTS.items()} for n in (0, 1))
    for color in sorted(chosen, key=lambda color: color.theme):  # those of both first
        for theme, found in zip(THEMES, (light, dark), strict=True):
            if color.theme in ("", theme):
                found[color.name] = color.value
    return light, dark


def contrast(one: str, other: str) -> float:
    """How far two colours differ in brightness, 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _color(entry: str) -> Color:
    found = _ENTRY.fullmatch(entry.strip())
    if found is None:
        raise ValueError(
            "write a colour as accent=#0b5fff, for one theme as light.accent=#0b5fff or "
            "dark.accent=#8ab4ff"
        )
    name = found["name"].lower()
    if name not in DEFAULTS:
        raise ValueError(f"there is no such colour; there are {', '.join(DEFAULTS)}")
    return Color((found["theme"] or "").lower(), name, found["value"].lower())


def _readable(chosen: Sequence[Color]) -> None:
    """Raise ValidationError unless text can be read, and signs be seen, in both themes."""
    problems = []
    for number, (theme, found) in enumerate(zip(THEMES, palette(chosen), strict=True)):
        found["tint"] = _blended(found["glow"], found["card"], TINT_ALPHA[number])
        for pairs, needed, what in ((_TEXTS, _OF_TEXT, "text"), (_SIGNS, _OF_SIGNS, "signs")):
            for one, ground in pairs:
                reached = contrast(found.get(one, one), found[ground])
                if reached < needed:  # guard: colors-readable
                    problems.append(
                        f"{one} on {ground} in the {theme} theme has a contrast of {reached:.1f}, "
                        f"and {what} needs {needed:g}"
                    )
    if problems:
        raise ValidationError(problems)


def _blended(over: str, under: str, alpha: int) -> str:
    pairs = zip(_channels(over), _channels(under), strict=True)
    mixed = (round((a * alpha + b * (255 - alpha)) / 255) for a, b in pairs)
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def _channels(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _luminance(color: str) -> float:
    red, green, blue = (_linear(channel / 255) for channel in _channels(color))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(share: float) -> float:
    return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)
