"""`/embed`, in frames on pages of other origins and as an overlay of a stream."""

from __future__ import annotations

import base64

import pytest
from playwright.async_api import Page, expect

from tests.browser.axe import violations
from tests.browser.conftest import Console, OpenPage
from tests.browser.fake_server import FakeServer
from tests.browser.test_page import grant
from tests.eventually import eventually
from tests.instances import Instance, Start
from tests.world import add_actions, add_users

FRAME = """<!doctype html><html lang="en"><meta charset="utf-8"><link rel=icon href=data:,>
<title>Theirs</title><style>body { background: rgb(255, 0, 0) }</style>
<main><h1>Theirs</h1><iframe title="Board" src="%s" width="500" height="800"></iframe></main>"""
# The colour of a point of a picture.
COLOUR = """async ([picture, x, y]) => {
    const bytes = Uint8Array.from(atob(picture), (one) => one.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
    context.drawImage(image, 0, 0);
    return [...context.getImageData(x, y, 1, 1).data];
}"""


async def colour_at(page: Page, x: int, y: int, **how: bool) -> list[int]:
    picture = base64.b64encode(await page.screenshot(**how)).decode()  # type: ignore[arg-type]
    return list(await page.evaluate(COLOUR, [picture, x, y]))


async def scored(instance: Instance, database_url: str) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    await grant(instance, user, "run")


@pytest.mark.parametrize("allowed", ["the origin", "*"])
async def test_a_page_that_may_frame_it_shows_it_live(
    start: Start, fake: FakeServer, open_page: OpenPage, database_url: str, allowed: str
) -> None:
    origin = fake.url.rstrip("/")
    instance = await start(frame_ancestors=[origin if allowed == "the origin" else allowed])
    fake.page = FRAME % f"{instance.url}/embed?lamp&size=3&lang=de"
    page = await open_page(fake.url)
    board = page.frame_locator("iframe")
    await expect(board.locator(".status")).to_have_text("Live")
    await expect(board.locator(".row")).to_have_count(3)
    await scored(instance, database_url)
    await expect(board.locator(".row:first-child .score")).to_have_text("50 Punkte")


@pytest.mark.parametrize("allowed", [[], ["https://guest.example"]])
async def test_a_page_that_may_not_frame_it_shows_nothing_of_it(
    start: Start, fake: FakeServer, open_page: OpenPage, console: Console, allowed: list[str]
) -> None:
    instance = await start(frame_ancestors=allowed)
    fake.page = FRAME % f"{instance.url}/embed"
    page = await open_page(fake.url)
    await eventually(lambda: any("frame-ancestors" in said for said in console.complaints))
    assert await page.frames[-1].locator("live-scoreboard").count() == 0
    console.complaints.clear()
    await page.goto(f"{instance.url}/embed")  # by itself everybody may see it
    await expect(page.locator(".row")).to_have_count(10)


async def test_the_page_itself_is_framed_by_nobody(
    start: Start, fake: FakeServer, open_page: OpenPage, console: Console
) -> None:
    instance = await start(frame_ancestors=["*"])
    fake.page = FRAME % f"{instance.url}/"
    page = await open_page(fake.url)
    await eventually(lambda: any("frame-ancestors" in said for said in console.complaints))
    assert await page.frames[-1].locator("live-scoreboard").count() == 0
    console.complaints.clear()


async def test_an_overlay_has_no_ground_of_its_own(
    start: Start, fake: FakeServer, open_page: OpenPage, database_url: str
) -> None:
    """OBS shows a page over its scene, a frame over the page that is around it."""
    instance = await start(frame_ancestors=["*"])
    await scored(instance, database_url)
    query = "theme=transparent&size=3&title=0"
    size = {"width": 500, "height": 800}
    page = await open_page(f"{instance.url}/embed?{query}", viewport=size, reduced_motion="reduce")
    await expect(page.locator(".row:first-child .name")).to_have_text("player0")
    await expect(page.locator(".title")).to_be_hidden()
    assert await colour_at(page, 3, 3, omit_background=True) == [0, 0, 0, 0]
    assert await colour_at(page, 250, 700, omit_background=True) == [0, 0, 0, 0]
    fake.page = FRAME % f"{instance.url}/embed?{query}"
    page = await open_page(fake.url, viewport={"width": 600, "height": 900})
    await expect(page.frame_locator("iframe").locator(".row")).to_have_count(3)
    frame = await page.locator("iframe").bounding_box()
    assert frame
    x, y = int(frame["x"]) + 250, int(frame["y"]) + 700
    assert await colour_at(page, x, y) == [255, 0, 0, 255]


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing(
    start: Start, open_page: OpenPage, database_url: str, theme: str
) -> None:
    instance = await start()
    await scored(instance, database_url)
    page = await open_page(f"{instance.url}/embed?theme={theme}&lamp", reduced_motion="reduce")
    await expect(page.locator(".row:first-child .name")).to_have_text("player0")
    assert await violations(page) == []


async def test_it_fills_its_window(start: Start, open_page: OpenPage, database_url: str) -> None:
    instance = await start()
    await scored(instance, database_url)
    size = {"width": 400, "height": 900}
    page = await open_page(f"{instance.url}/embed?fill", viewport=size)
    await expect(page.locator(".row:first-child .name")).to_have_text("player0")
    last = await page.locator(".row:last-child").bounding_box()
    assert last
    assert 850 < last["y"] + last["height"] <= 900


async def test_what_an_address_says_is_no_html_and_no_title(
    instance: Instance, open_page: OpenPage
) -> None:
    hostile = "%3Cimg%20src=x%20onerror=run=1%3E"
    names = ("board", "size", "lang", "theme", "heading", "title", "season")
    query = "&".join(f"{name}={hostile}" for name in names)
    page = await open_page(f"{instance.url}/embed?{query}")
    # A board that is unknown has its id for a title: what can be no id is none.
    await expect(page.locator(".title")).to_have_text("Top 10")
    assert not await page.evaluate("'run' in window")
    assert await page.locator("img").count() == 0
