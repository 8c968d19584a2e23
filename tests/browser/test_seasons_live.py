"""Several boards and their seasons in a browser, on real instances."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.async_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.fake_server import FakeServer
from tests.browser.test_page import grant, names, register, until_live
from tests.eventually import eventually
from tests.five_boards import end_season
from tests.instances import Start
from tests.world import add_actions, add_board, add_users

HOUR = timedelta(hours=1)
MANUAL = (Path(__file__).parents[2] / "docs" / "client.md").read_text(encoding="utf-8")


async def is_first(page: Page, name: str, score: str) -> None:
    await expect(page.locator(".row:first-child .name")).to_have_text(name)
    await expect(page.locator(".row:first-child .score")).to_have_text(f"{score} points")


async def test_the_example_of_two_boards_moves_both_in_two_windows_by_one_action(
    start: Start, open_page: OpenPage, fake: FakeServer, database_url: str
) -> None:
    """As the manual has it, on a page of another origin, with two streams in all."""
    now = datetime.now(UTC)
    seasons = ((now - HOUR, now + HOUR), (now + HOUR, now + 2 * HOUR))
    add_board(database_url, "weekly", *seasons, period="dates")
    one, two = await start(allowed_origins=[fake.url.rstrip("/")]), await start()
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    example = MANUAL.partition("### Two boards")[2].partition("```html\n")[2].partition("```")[0]
    example = example.replace("http://127.0.0.1:8080", one.url)
    fake.page = example.replace("<title>", "<link rel=icon href=data:,><title>")
    windows = [await open_page(fake.url) for _ in range(2)]
    await eventually(lambda: one.metric("subscribers") == 2)
    await grant(two, user, "run")
    for window in windows:
        await expect(window.locator("section li")).to_have_text(["player0 50"] * 2)
    assert one.metric("subscribers") == 2
    await end_season(database_url, "weekly")
    for window in windows:
        await expect(window.get_by_role("status")).to_have_text("Season 1 went to player0.")


async def test_a_season_ends_before_ones_eyes_and_can_be_looked_at_afterwards(
    start: Start, open_page: OpenPage, database_url: str
) -> None:
    now = datetime.now(UTC)
    seasons = ((now - HOUR, now + HOUR), (now + HOUR, now + 2 * HOUR))
    add_board(database_url, "cup", *seasons, period="dates")
    instance = await start()
    [ada] = add_users(database_url, 1, "ada")
    add_actions(database_url, {"run": 50, "swim": 70})
    await grant(instance, ada, "run")
    page = await open_page(f"{instance.url}/?board=cup")
    main = await open_page(instance.url)
    await until_live(page)
    await expect(page.get_by_role("timer")).to_have_text(re.compile(r"^\d+ min \d\d s$"))
    await register(page, "newcomer")
    await page.get_by_role("button", name="swim").click()
    await is_first(page, "newcomer", "70")
    await expect(page.locator("#my-rank")).to_have_text("1st")
    await expect(page.locator("#standing-of")).to_have_text("Cup, season 1")

    await end_season(database_url, "cup", after_seconds=5)
    await expect(page.get_by_role("timer")).to_have_text(re.compile(r"^\d s$"))
    await expect(page.locator("#end-text")).to_have_text(
        "Season 1 has ended. You win with 70 points."
    )
    assert await names(page) == ["newcomer", "ada0"]
    await expect(page.locator("#standing-of")).to_have_text("Cup, season 2")
    await page.get_by_role("button", name="Go to season 2").click()
    await expect(page.locator("#season-text")).to_contain_text("Season 2")
    await expect(page.locator(".fresh-start")).to_have_count(1)
    await page.get_by_role("button", name="run").click()
    await is_first(page, "newcomer", "50")
    await is_first(main, "newcomer", "120")

    choice = page.get_by_role("combobox", name="Season")
    await expect(choice.locator("option")).to_have_count(2)
    await choice.select_option(index=1)
    await expect(page.locator("#end-text")).to_contain_text("Final board")
    await is_first(page, "newcomer", "70")
