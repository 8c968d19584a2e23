"""The page as an operator wants it: title, logo, colours and words, in a browser."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Console, OpenPage
from tests.instances import Start
from tests.world import add_actions, add_users

# What an artist's program writes, and what somebody else may have put into it.
LOGO = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
<style>.a{fill:#0b3faf}</style>
<rect class="a" width="32" height="32" rx="16"/>
<path d="M16 6l3 7h7l-6 4 2 8-6-5-6 5 2-8-6-4h7z" fill="#ffd54a"/>
<script>document.documentElement.setAttribute("data-ran", "yes")</script></svg>"""
COLORS = (
    "light.ground=#eef3ff, light.accent=#0b3faf, light.mine=#e3ecff, glow=#ffd54a,"
    " dark.ground=#0a1022, dark.card=#131b33, dark.accent=#9dbcff, dark.mine=#1d2a52"
)
WORDS = {
    "en": {
        "points": {"one": "{count} coin", "other": "{count} coins"},
        "board.main": "Cup of the day",
    },
    "de": {"points": {"one": "{count} Münze", "other": "{count} Münzen"}},
}


@pytest.fixture
def brand(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "logo.svg").write_text(LOGO, "utf-8")
    (tmp_path / "words.json").write_text(json.dumps(WORDS), "utf-8")
    return {
        "page_title": "Harbour Cup",
        "page_logo": str(tmp_path / "logo.svg"),
        "page_colors": COLORS,
        "page_words": str(tmp_path / "words.json"),
    }


async def test_a_brand_is_seen_in_both_themes_and_nothing_of_it_runs(
    start: Start, brand: dict[str, str], database_url: str, open_page: OpenPage, console: Console
) -> None:
    instance = await start(**brand)
    users = add_users(database_url, 3)
    add_actions(database_url, {"run": 1, "swim": 1500})
    await instance.submit(users[0], "swim")
    await instance.submit(users[1], "run")
    for scheme, ground, accent in (
        ("light", "rgb(238, 243, 255)", "#0b3faf"),
        ("dark", "rgb(10, 16, 34)", "#9dbcff"),
    ):
        page = await open_page(instance.url, color_scheme=scheme)
        await expect(page).to_have_title("Harbour Cup")
        await expect(page.locator(".brand")).to_have_text("Harbour Cup")
        await expect(page.locator(".row:not(.empty)")).to_have_count(2)
        await expect(page.locator("body")).to_have_css("background-color", ground)
        element = page.locator("live-scoreboard")
        read = "(at) => getComputedStyle(at).getPropertyValue('--scoreboard-accent').trim()"
        assert await element.evaluate(read) == accent
        width = "(image) => image.decode().then(() => image.naturalWidth)"
        assert await page.locator(".logo").evaluate(width) > 0
    logo = (await page.locator(".logo").get_attribute("src") or "").removeprefix("./")
    alone = await open_page(f"{instance.url}/{logo}")
    assert await alone.evaluate("document.documentElement.dataset.ran ?? 'no'") == "no"
    assert all(logo in complaint for complaint in console.complaints), console.complaints
    console.complaints.clear()  # the browser says that it ran no script


async def test_points_are_called_as_the_operator_calls_them(
    start: Start, brand: dict[str, str], database_url: str, open_page: OpenPage
) -> None:
    instance = await start(**brand)
    [ada, bob] = add_users(database_url, 2)
    add_actions(database_url, {"run": 1, "swim": 1500})
    await instance.submit(ada, "swim")
    await instance.submit(bob, "run")
    for language, many, one in (("en", "1,500 coins", "1 coin"), ("de", "1.500 Münzen", "1 Münze")):
        page = await open_page(f"{instance.url}/?lang={language}")
        await expect(page.locator(".row:not(.empty) .score")).to_have_text([many, one])


async def test_a_code_to_join_by_is_a_picture_that_the_page_may_show(
    start: Start, brand: dict[str, str], open_page: OpenPage
) -> None:
    instance = await start(**brand)
    page = await open_page(f"{instance.url}/#wall")
    code = page.locator("#code")
    await expect(code).to_be_visible()
    width = "(image) => image.decode().then(() => image.naturalWidth)"
    assert await code.evaluate(width) > 0
