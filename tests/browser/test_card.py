"""The card beside the board: what was done, what is missing, what is wrong and until when."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest_asyncio
from aiohttp import web
from playwright.async_api import Page, expect

from tests.browser.conftest import Console, OpenPage
from tests.browser.fake_ranking import ME, SESSION, FakeRanking
from tests.browser.test_account import open_account
from tests.browser.test_page import PASSWORD, register, until_live
from tests.eventually import eventually
from tests.instances import Instance, Start
from tests.world import add_actions

KEPT = f"localStorage.setItem('scoreboard.session', {json.dumps(json.dumps(SESSION))})"
# Timers run ahead, and nothing else: servers are asked as ever.
NOTE = """() => {
    window.said = [];
    const answer = document.querySelector("#answer");
    const note = () => said.at(-1) === answer.textContent || said.push(answer.textContent);
    new MutationObserver(note).observe(answer, { childList: true });
}"""
HURRY = "(set => { window.setTimeout = (act, ms) => set(act, ms / 100); })(window.setTimeout)"


@pytest_asyncio.fixture(loop_scope="session")
async def ranking() -> AsyncIterator[FakeRanking]:
    async with FakeRanking() as server:
        server.lists["/api/boards"] = {"data": [], "next": None}
        yield server


def catalogue(**actions: int) -> dict[str, Any]:
    """A page of actions; a name that begins with `server` is granted by servers alone."""
    return {
        "data": [
            {
                "actionId": name,
                "points": points,
                "claim": "server" if name.startswith("server") else "user",
            }
            for name, points in actions.items()
        ],
        "next": None,
    }


def granted(*actions: str, following: str | None = None) -> dict[str, Any]:
    when = datetime(2026, 1, 5, tzinfo=UTC).isoformat()
    return {
        "data": [{"actionId": name, "points": 1, "grantedAt": when} for name in actions],
        "next": following,
    }


async def open_as_ada(ranking: FakeRanking, open_page: OpenPage, **options: Any) -> Page:
    page = await open_page(ranking.url, **({"locale": "en-GB"} | options))
    await page.evaluate(KEPT)
    await page.reload()
    await page.locator(".action").first.wait_for()
    return page


async def actions_in_order(page: Page) -> list[str]:
    return await page.locator(".action bdi").all_text_contents()


# What was done


async def test_actions_that_are_left_come_first_and_the_most_points_first_of_all(
    ranking: FakeRanking, open_page: OpenPage
) -> None:
    ranking.lists["/api/actions"] = catalogue(a=10, b=30, c=20, d=99, server_e=500, f=5)
    ranking.lists["/api/me/grants"] = granted("d", "gone")
    page = await open_as_ada(ranking, open_page)
    assert await actions_in_order(page) == ["b", "c", "a", "f", "server_e", "d"]
    done = page.locator(".action", has_text="d").last
    await expect(done).to_be_disabled()
    await expect(done).to_contain_text("✓ done")
    await expect(done).to_contain_text("Jan 5, 2026")
    await expect(page.locator("#progress")).to_have_text("1 of 6 done")

    # What becomes done stays where somebody looks at it, until there is another order to make.
    event = {"grants": granted("b")["data"], "count": 1, "points": 30, "score": 30}
    await eventually(lambda: len(ranking.personal) == 1)
    await ranking.push_personal("me:granted", event)
    await expect(page.locator("#progress")).to_have_text("2 of 6 done")
    assert (await actions_in_order(page))[0] == "b"
    await page.get_by_label("Find an action").fill("x")
    assert await actions_in_order(page) == []
    await page.get_by_label("Find an action").fill("")
    assert (await actions_in_order(page))[:2] == ["c", "a"]


async def test_what_was_granted_is_asked_for_as_far_as_the_catalogue_is_shown(
    ranking: FakeRanking, open_page: OpenPage
) -> None:
    """Grants of actions that are switched off may fill a page, so the next one is needed."""
    ranking.lists["/api/actions"] = catalogue(a=1, z=2)
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.query["after"])
        return web.json_response(granted("b", following="b") if not asked[-1] else granted("z"))

    ranking.lists["/api/me/grants"] = answer
    page = await open_as_ada(ranking, open_page)
    await expect(page.locator("#progress")).to_have_text("1 of 2 done")
    assert await actions_in_order(page) == ["a", "z"]
    assert asked == ["", "b"]


async def test_actions_are_offered_though_nobody_knows_what_was_done(
    start: Start, open_page: OpenPage, database_url: str, console: Console
) -> None:
    console.expects_network_errors = True
    instance = await start()
    add_actions(database_url, {"run": 50})
    page = await open_page(instance.url)
    await register(page, "ada")
    await page.get_by_role("button", name="run").click()
    await expect(page.locator("#my-score")).to_have_text("50")
    await page.context.route("**/api/me/grants?*", lambda route: route.abort())
    await page.reload()
    await page.get_by_role("button", name="run").click()
    await expect(page.locator("#answer")).to_contain_text("counted already")
    await expect(page.get_by_role("button", name="run")).to_be_disabled()


# What is missing


async def test_it_says_what_is_missing_to_the_next_place(
    ranking: FakeRanking, open_page: OpenPage
) -> None:
    ranking.lists["/api/actions"] = catalogue(a=1)
    page = await open_as_ada(ranking, open_page)
    await expect(page.locator("#my-next")).to_have_text("11 points to 48,212th place")
    await ranking.push_place(1)
    await expect(page.locator("#my-next")).to_be_empty()
    # On the board itself it is worked out of the two lines.
    top = [("x", "grace", 30), (ME, "ada", 30)]
    entries = [{"userId": one, "username": name, "score": score} for one, name, score in top]
    data = json.dumps({"topUsers": entries, "timestamp": "2026-01-05T00:00:00Z"})
    await eventually(lambda: len(ranking.open) == 1)
    await ranking.push(f"id: 9\nevent: score:update\ndata: {data}\n\n".encode())
    await expect(page.locator("#my-next")).to_have_text("1 point to 1st place")


# What is wrong, and for how long


async def test_a_name_is_looked_at_while_it_is_typed(
    ranking: FakeRanking, open_page: OpenPage
) -> None:
    page = await open_page(ranking.url)
    name, error = page.get_by_label("User name"), page.locator("#username-error")
    for typed, says in [
        ("ada lovelace", "no spaces"),
        ("-ada", "begin with -"),
        ("ada!", "cannot have !"),
        ("Zoë_١٢", ""),
        ("नमस्ते.3", ""),
        ("ada ", ""),  # as keyboards of phones write it
    ]:
        await name.fill(typed)
        await expect(error).to_contain_text(says)
        await expect(name).to_have_attribute("aria-invalid", str(bool(says)).lower())
    await expect(error).to_be_empty()
    # Who logs in may have a name from before there were rules.
    await page.get_by_role("button", name="Log in", exact=True).click()
    await name.fill("ada lovelace")
    await expect(error).to_be_empty()


async def test_a_refused_pair_is_marked_and_forgiven_together(
    instance: Instance, open_page: OpenPage, console: Console
) -> None:
    console.expects_network_errors = True  # 409 and 401
    first = await open_page(instance.url, viewport={"width": 900, "height": 900})
    await register(first, "taken")
    page = await open_page(instance.url)
    name, email = page.get_by_label("User name"), page.get_by_label("E-mail")
    await name.fill("taken")
    await email.fill("other@example.org")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.locator("#enter-button").click()
    await expect(page.locator("#answer")).to_contain_text("taken already")
    await expect(name).to_be_focused()
    for field in (name, email):
        await expect(field).to_have_attribute("aria-invalid", "true")
    await page.keyboard.type("!")
    await expect(page.locator("#answer")).to_be_empty()
    await expect(page.locator("#log-in-instead")).to_be_hidden()
    await expect(email).to_have_attribute("aria-invalid", "false")

    await page.get_by_role("button", name="Log in", exact=True).click()
    await name.fill("taken")
    await page.get_by_label("Password", exact=True).fill("not the password")
    await page.locator("#enter-button").click()
    await expect(page.locator("#answer")).to_contain_text("is wrong")
    await expect(page.get_by_label("Password", exact=True)).to_be_focused()


async def test_a_password_is_shown_to_who_asks_and_hidden_when_it_is_sent(
    instance: Instance, open_page: OpenPage
) -> None:
    page = await open_page(instance.url)
    field = page.get_by_label("Password", exact=True)
    await page.get_by_label("User name").fill("seen")
    await page.get_by_label("E-mail").fill("seen@example.org")
    await field.fill(PASSWORD)
    await page.get_by_role("button", name="Show password").click()
    await expect(field).to_have_attribute("type", "text")
    await expect(field).to_have_value(PASSWORD)
    await page.get_by_role("button", name="Hide password").click()
    await expect(field).to_have_attribute("type", "password")
    await page.get_by_role("button", name="Show password").click()
    await page.locator("#enter-button").click()
    await expect(page.locator("#me")).to_have_text("seen")
    await expect(page.locator("#password")).to_have_attribute("type", "password")
    await expect(page.locator("#password")).to_have_value("")
    await open_account(page)
    await expect(page.get_by_role("button", name="Show password")).to_have_count(3)


async def test_a_message_leaves_when_the_line_is_there_again(
    ranking: FakeRanking, open_page: OpenPage, console: Console
) -> None:
    console.expects_network_errors = True
    page = await open_page(ranking.url)
    await until_live(page)
    await page.context.route("**/api/auth/**", lambda route: route.abort())
    await page.get_by_role("button", name="Log in", exact=True).click()
    await page.get_by_label("User name").fill("ada")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.locator("#enter-button").click()
    answer = page.locator("#answer")
    await expect(answer).to_have_text("The server cannot be reached. Try again shortly.")
    ranking.cut()
    await eventually(lambda: len(ranking.open) == 1)  # the board is followed again
    await expect(answer).to_be_empty()


async def test_forms_that_could_not_be_loaded_are_there_at_the_next_try_and_the_message_is_not(
    instance: Instance, open_page: OpenPage, console: Console
) -> None:
    console.expects_network_errors = True
    page = await open_page(instance.url)
    await register(page, "later")
    answer, account = page.locator("#answer"), page.get_by_text("Password and log-ins")
    await page.route("**/credentials.*.js", lambda route: route.fulfill(status=429))
    await account.click()
    await expect(answer).to_have_text("This cannot be loaded just now. Try again shortly.")
    await page.unroute("**/credentials.*.js")
    await account.click()
    await open_account(page)
    await expect(answer).to_be_empty()


async def test_what_went_well_is_said_for_a_while_and_nothing_moves_when_it_leaves(
    ranking: FakeRanking, open_page: OpenPage
) -> None:
    ranking.lists["/api/actions"] = catalogue(a=1, b=2)
    page = await open_as_ada(ranking, open_page, reduced_motion="reduce")
    await eventually(lambda: len(ranking.personal) == 1)
    await page.evaluate(HURRY)
    await page.evaluate(NOTE)
    box = await page.locator("#actions").bounding_box()
    event = {"grants": granted("a")["data"], "count": 1, "points": 1, "score": 1}
    await ranking.push_personal("me:granted", event)
    await eventually(lambda: page.evaluate("said.length === 2"))
    assert await page.evaluate("said") == ["+1 point for a.", ""]
    assert await page.locator("#actions").bounding_box() == box


# Password and e-mail


async def test_an_e_mail_address_is_changed_and_logs_in(
    start: Start, open_page: OpenPage, database_url: str, console: Console
) -> None:
    console.expects_network_errors = True  # 401 and 409
    instance = await start()
    other = await open_page(instance.url, viewport={"width": 900, "height": 900})
    await register(other, "grace")
    page = await open_page(instance.url)
    await register(page, "ada")
    await open_account(page)
    await expect(page.locator("#email-now")).to_have_text("So far it is ada@example.org.")

    async def change(email: str, password: str) -> None:
        await page.get_by_label("New e-mail address").fill(email)
        await page.get_by_label("Your password").fill(password)
        await page.get_by_role("button", name="Use this address").click()

    await change("new@example.org", "not the password")
    await expect(page.locator("#email-password-error")).to_have_text(
        "The current password is wrong."
    )
    await expect(page.get_by_label("Your password")).to_be_focused()
    await change("grace@example.org", PASSWORD)
    await expect(page.locator("#new-email-error")).to_have_text(
        "This e-mail address is taken already."
    )
    await expect(page.locator("#email-password-error")).to_be_empty()
    await change("new@example.org", PASSWORD)
    await expect(page.locator("#answer")).to_have_text("The e-mail address is changed.")
    await expect(page.locator("#change-email")).to_be_hidden()
    await page.get_by_text("Password and log-ins").click()
    await expect(page.locator("#email-now")).to_have_text("So far it is new@example.org.")
    await page.get_by_role("button", name="Log out", exact=True).click()
    await page.get_by_label("User name").fill("new@example.org")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.locator("#enter-button").click()
    await expect(page.locator("#me")).to_have_text("ada")
