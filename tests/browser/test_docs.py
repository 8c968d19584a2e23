"""/docs in a browser: everybody can read it, and a stream says what to do with it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.axe import violations
from tests.browser.conftest import OpenPage
from tests.instances import Instance

PHONE = {"width": 390, "height": 800}
OPENED = ("followBoard", "readMyPlace")
# Of operations that are not opened, so many are looked at: all look alike, and axe looks long.
CLOSED_KEPT = 8


async def opened(open_page: OpenPage, instance: Instance, **options: Any) -> Page:
    """The page, with an operation that streams and another one."""
    page = await open_page(f"{instance.url}/docs", **options)
    await expect(page.locator(".info .title")).to_contain_text("Scoreboard")
    for operation in OPENED:
        await block(page, operation).locator(".opblock-summary-control").click()
        await expect(block(page, operation).locator(".responses-table").first).to_be_visible()
    return page


def block(page: Page, operation: str) -> Any:
    return page.locator(f"[id$=-{operation}]")


async def nothing_is_found(page: Page, within: str | None = None) -> None:
    """Axe finds nothing on the whole page, or in one element, which takes a tenth of the time."""
    assert await violations(page, within=within, settle=True) == []
    await expect(page.locator("html.dark-mode")).to_have_count(1)
    await page.emulate_media(color_scheme="light")
    await expect(page.locator("html.dark-mode")).to_have_count(0)


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_axe_finds_nothing_in_light_and_in_dark(
    instance: Instance, open_page: OpenPage
) -> None:
    page = await opened(open_page, instance)
    await page.evaluate(
        """(kept) => [...document.querySelectorAll(".opblock:not(.is-open)")]
            .filter((block, at) => at >= kept && !block.matches(".opblock-put, .opblock-delete"))
            .forEach((block) => block.remove())""",
        CLOSED_KEPT,
    )
    await page.locator(".info summary").first.click()
    await nothing_is_found(page)
    await block(page, "readMyPlace").locator(".try-out__btn").click()
    await expect(block(page, "readMyPlace").locator(".btn.execute")).to_be_visible()
    await nothing_is_found(page, "[id$=-readMyPlace]")
    await page.locator(".btn.authorize").first.click()
    await expect(page.locator(".dialog-ux .modal-ux")).to_be_visible()
    await nothing_is_found(page, ".dialog-ux")


async def test_a_stream_cannot_be_tried_and_says_what_follows_it(
    instance: Instance, open_page: OpenPage
) -> None:
    page = await opened(open_page, instance)
    stream, other = block(page, "followBoard"), block(page, "readMyPlace")
    await expect(other.locator(".try-out__btn")).to_be_visible()
    await expect(stream.locator(".try-out__btn")).to_have_count(0)
    note = stream.get_by_role("region", name="How to follow this stream")
    await expect(note).to_contain_text(f"curl -N '{instance.url}/api/boards/main/stream'")
    # What it shows works.
    shown = await note.locator("pre").nth(1).inner_text()
    assert shown.startswith(f'new EventSource("{instance.url}/api/boards/main/stream")')
    async with page.expect_console_message() as said:
        await page.evaluate(f"() => {{ {shown} }}")
    assert '"topUsers"' in (await said.value).text

    await block(page, "followMe").locator(".opblock-summary-control").click()
    note = block(page, "followMe").get_by_role("region", name="How to follow this stream")
    await expect(note).to_contain_text("-H 'Authorization: Bearer TOKEN'")
    await expect(note).not_to_contain_text("new EventSource")


async def test_the_docs_fit_on_a_phone(instance: Instance, open_page: OpenPage) -> None:
    page = await opened(open_page, instance, viewport=PHONE)
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
