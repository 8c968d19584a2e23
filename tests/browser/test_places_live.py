"""One's own place, everybody's and one's friends', on the page of a whole service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from playwright.async_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.test_page import grant, register, until_live
from tests.browser.test_places import dialog, is_in_sight, open_list, row, section
from tests.five_boards import end_season
from tests.instances import Instance, Start
from tests.operator import Operator
from tests.world import add_actions, add_board, add_users, sql

CROWD = 2_500
HOUR = timedelta(hours=1)


def add_crowd(database_url: str, count: int) -> list[str]:
    """Users with scores of their own: the first has the most."""
    users = add_users(database_url, count, "crowd")
    sql(
        database_url,
        "INSERT INTO scores (user_id, score)"
        " SELECT id, 10 * (%s - n) FROM unnest(%s::uuid[]) WITH ORDINALITY AS u (id, n)",
        (count + 1, users),
    )
    return users


async def start_with_crowd(start: Start, database_url: str) -> tuple[Instance, list[str]]:
    instance = await start()
    add_actions(database_url, {"step": 15, "jump": 20_000})
    return instance, add_crowd(database_url, CROWD)


async def page_of(instance: Instance, open_page: OpenPage, name: str) -> Page:
    page = await open_page(instance.url)
    await until_live(page)
    await register(page, name)
    return page


async def test_a_newcomer_comes_in_far_down_and_rises_to_the_top_without_a_reload(
    start: Start, open_page: OpenPage, database_url: str
) -> None:
    instance, users = await start_with_crowd(start, database_url)
    page = await page_of(instance, open_page, "ada")
    place = section(page)
    await expect(place).to_contain_text("You have no place here yet")
    await page.get_by_role("button", name="step").click()
    words = place.locator(".place-rank-words")
    await expect(words).to_have_text("2,500th of 2,501")  # crowd's last have 10, and 20
    await expect(place).to_contain_text("6 points more and you are ahead of crowd2498.")
    await expect(page.locator("#my-rank")).to_have_text("2,500th")
    around = place.get_by_role("listitem").locator(".place-name")
    await expect(around).to_have_text(
        [*(f"crowd{n}" for n in range(2494, 2499)), "ada", "crowd2499"]
    )

    await grant(instance, users[2499], "step")  # who stood behind goes past
    await expect(words).to_have_text("2,501st of 2,501")
    await expect(place).to_contain_text("Everybody else is ahead of you so far.")
    await page.get_by_role("button", name="jump").click()
    await expect(words).to_have_text("500th of 2,501")


async def test_all_places_are_gone_through_and_friends_are_found_again(
    start: Start, open_page: OpenPage, database_url: str
) -> None:
    instance, _ = await start_with_crowd(start, database_url)
    page = await page_of(instance, open_page, "ada")
    await page.get_by_role("button", name="step").click()
    await expect(section(page)).to_contain_text("2,500th of 2,501")
    await open_list(page)
    await expect(row(page, 2_500)).to_be_focused()
    grid = page.get_by_role("grid")
    await expect(grid).to_have_attribute("aria-rowcount", "2501")
    await page.keyboard.press("End")
    await expect(row(page, 2_501)).to_contain_text("crowd2499")
    await page.keyboard.press("Enter")
    await expect(row(page, 2_501).locator(".star")).to_have_attribute("aria-pressed", "true")
    await page.keyboard.press("Home")
    await expect(row(page, 1)).to_contain_text("crowd0")
    await page.keyboard.press("Enter")
    await expect(row(page, 1).locator(".star")).to_have_attribute("aria-pressed", "true")
    await dialog(page).get_by_label("Rank").fill("1700")
    await page.keyboard.press("Enter")
    await expect(row(page, 1_700)).to_be_focused()
    await expect(row(page, 1_700)).to_contain_text("crowd1699")
    assert await is_in_sight(row(page, 1_700))

    await page.reload()
    await page.get_by_role("button", name="All places").click()
    await dialog(page).get_by_role("button", name="Friends").click()
    friends = dialog(page).get_by_role("list", name="Friends").get_by_role("listitem")
    await expect(friends.locator(".place-rank")).to_have_text(["1", "2,500", "2,501"])
    await expect(friends.locator(".place-name")).to_have_text(["crowd0", "ada", "crowd2499"])


async def test_who_is_overtaken_by_a_friend_is_told(
    start: Start, open_page: OpenPage, database_url: str
) -> None:
    instance = await start()
    add_actions(database_url, {"step": 15, "leap": 30})
    [grace] = add_users(database_url, 1, "grace")
    await grant(instance, grace, "step")
    page = await page_of(instance, open_page, "ada")
    await page.get_by_role("button", name="leap").click()
    await expect(section(page)).to_contain_text("1st of 2")
    await page.get_by_role("button", name="All places").click()
    await row(page, 2).get_by_role("button", name="Follow grace0").click()
    await expect(row(page, 2).locator(".star")).to_have_attribute("aria-pressed", "true")
    await page.keyboard.press("Escape")
    await grant(instance, grace, "leap")
    notice = section(page).get_by_role("status").filter(has_text="overtook")
    await expect(notice).to_have_text("grace0 overtook you. You are 2nd now.")


async def test_the_list_of_a_season_that_ends_stays_until_somebody_goes_on_to_the_next(
    start: Start, open_page: OpenPage, database_url: str
) -> None:
    now = datetime.now(UTC)
    seasons = ((now - HOUR, now + HOUR), (now + HOUR, now + 2 * HOUR))
    add_board(database_url, "cup", *seasons, period="dates")
    instance = await start()
    users = add_users(database_url, 120, "crowd")
    add_actions(database_url, {"run": 50, "jump": 70})
    for user in users:
        await grant(instance, user, "run")
    page = await open_page(f"{instance.url}/?board=cup")
    await until_live(page)
    await register(page, "ada")
    await page.get_by_role("button", name="run").click()
    await expect(section(page)).to_contain_text("121st of 121")
    await open_list(page)
    await end_season(database_url, "cup")
    notice = dialog(page).get_by_role("status").filter(has_text="has begun")
    await expect(notice).to_have_text("Season 2 has begun. These are the places of season 1.")
    await expect(row(page, 121)).to_be_focused()
    await grant(instance, users[0], "jump")  # which counts in the next one alone
    await page.keyboard.press("Home")
    await expect(row(page, 1)).to_contain_text("crowd0")
    await expect(row(page, 1).locator(".place-score")).to_have_text("50")
    await dialog(page).get_by_role("button", name="Jump to me").click()
    await expect(row(page, 121)).to_be_focused()

    await dialog(page).get_by_role("button", name="Show season 2").click()
    await expect(dialog(page).get_by_role("heading")).to_have_text("All places: Cup, season 2")
    await expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", "1")
    await expect(row(page, 1).locator(".place-score")).to_have_text("70")
    await page.keyboard.press("Escape")
    await expect(section(page)).to_contain_text("You have no place here yet")
    await page.get_by_role("button", name="jump").click()
    await expect(section(page)).to_contain_text("2nd of 2")


async def test_who_is_hidden_is_told_so_and_comes_back(
    start: Start, open_page: OpenPage, database_url: str, operator: Operator
) -> None:
    instance, _ = await start_with_crowd(start, database_url)
    page = await page_of(instance, open_page, "ada")
    await page.get_by_role("button", name="step").click()
    await expect(section(page)).to_contain_text("2,500th")
    await operator("users", "hide", "ada", "--reason", "For a while")
    await expect(section(page)).to_contain_text("You are not shown on this board.")
    await operator("users", "unhide", "ada", "--reason", "Asked for it")
    await expect(section(page)).to_contain_text("2,500th")
