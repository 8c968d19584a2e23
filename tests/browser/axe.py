"""What axe finds on a page, in light and in dark colours."""

from __future__ import annotations

from typing import Any, Final, Literal

from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Page

ColorScheme = Literal["light", "dark"]
COLOR_SCHEMES: Final[tuple[ColorScheme, ...]] = ("light", "dark")
# The rules that look at colours. Our schemes differ in nothing else, which
# `tests/unit/test_colour_schemes.py` sees to, so each other rule looks at a page once.
COLOURS: Final = ("color-contrast", "link-in-text-block")
# A script may paint as soon as the scheme is another, and some colours go over in a moment.
_SETTLED: Final = """async () => {
    for (const _ of [1, 2]) await new Promise(requestAnimationFrame);
    await Promise.allSettled(document.getAnimations().map((each) => each.finished));
}"""


async def violations(
    page: Page, *schemes: ColorScheme, within: str | None = None, settle: bool = False
) -> list[Any]:
    """What axe finds on the whole page, or within an element, in these colour schemes; in both if
    none is named. In the first it tries every rule. `settle`: movements have an end here, and it
    is waited for.
    """
    found = []
    for number, scheme in enumerate(schemes or COLOR_SCHEMES):
        await page.emulate_media(color_scheme=scheme)
        assert await page.evaluate(
            "(one) => matchMedia(`(prefers-color-scheme: ${one})`).matches", scheme
        )
        if settle:
            await page.evaluate(_SETTLED)
        options: dict[str, Any] = {"resultTypes": ["violations"]}
        if number:
            options["runOnly"] = {"type": "rule", "values": list(COLOURS)}
        answer = await Axe().run(page, context=within, options=options)
        found += answer.response["violations"]
    return [
        (each["id"], each["impact"], [node["html"][:200] for node in each["nodes"]])
        for each in found
    ]
