"""The page where not everybody may register, or not under every name."""

from __future__ import annotations

from playwright.async_api import Page, expect

from scoreboard.accounts import invitations
from scoreboard.parts import PARTS
from tests.browser.axe import violations
from tests.browser.conftest import Console, OpenPage
from tests.browser.test_page import PASSWORD
from tests.instances import Instance, Start


async def code_for(instance: Instance) -> str:
    [made] = await invitations.add(instance.app[PARTS].queries, 1, 1, "")
    return made.code


async def fill(page: Page, name: str) -> None:
    await page.get_by_label("User name").fill(name)
    await page.get_by_label("E-mail").fill(f"{name}@example.org")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.locator("#enter-button").click()


async def test_the_page_asks_for_an_invitation_once_the_server_does(
    start: Start, open_page: OpenPage, console: Console
) -> None:
    console.expects_network_errors = True  # 403
    instance = await start(registration="invitation")
    page = await open_page(instance.url)
    field = page.get_by_label("Invitation")
    await expect(field).to_be_hidden()
    await fill(page, "ada")
    await expect(page.locator("#invitation-error")).to_contain_text("You need an invitation")
    await expect(field).to_be_focused()
    await field.fill("not a code")
    await page.locator("#enter-button").click()
    await expect(page.locator("#invitation-error")).to_contain_text("cannot be used")
    await expect(page.get_by_label("User name")).to_have_value("ada")
    # Who logs in is not asked for one.
    await page.get_by_role("button", name="Log in", exact=True).first.click()
    await expect(field).to_be_hidden()
    await page.get_by_role("button", name="Register", exact=True).first.click()
    await field.fill(await code_for(instance))
    await page.locator("#enter-button").click()
    await expect(page.locator("#me")).to_have_text("ada")
    assert await violations(page) == []


async def test_a_link_brings_the_code_which_leaves_the_address(
    start: Start, open_page: OpenPage
) -> None:
    instance = await start(registration="invitation")
    code = await code_for(instance)
    page = await open_page(f"{instance.url}/#invitation={code}")
    await expect(page.get_by_label("Invitation")).to_have_value(code)
    assert "#" not in page.url
    await fill(page, "ada")
    await expect(page.locator("#me")).to_have_text("ada")


async def test_a_refused_name_and_a_closed_door_are_said_in_words(
    start: Start, open_page: OpenPage, console: Console
) -> None:
    console.expects_network_errors = True  # 400 and 403
    instance = await start()
    instance.app[PARTS].accounts.users.refused.take(["admin"])
    page = await open_page(instance.url)
    await fill(page, "admin")
    await expect(page.locator("#username-error")).to_contain_text("cannot be taken")
    await expect(page.locator("#answer")).to_have_text("")
    await instance.stop()

    closed = await start(registration="closed")
    page = await open_page(closed.url)
    await fill(page, "ada")
    await expect(page.locator("#answer")).to_contain_text("Nobody can register here now")
    await expect(page.get_by_label("Invitation")).to_be_hidden()
