"""What a browser brings by itself: its own EventSource on the stream, and the OpenAPI docs."""

from __future__ import annotations

from tests.browser.conftest import OpenPage
from tests.eventually import eventually
from tests.instances import Start
from tests.world import add_actions, add_users

LISTEN = """path => {
    window.heard = [];
    const source = new EventSource(path);
    for (const name of ["connected", "score:update"]) {
        source.addEventListener(name, event =>
            window.heard.push([name, event.lastEventId, JSON.parse(event.data)]));
    }
}"""


async def test_a_browsers_own_event_source_hears_the_board_change(
    start: Start, open_page: OpenPage, database_url: str
) -> None:
    instance = await start()
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    page = await open_page(f"{instance.url}/")
    await page.evaluate(LISTEN, "/api/leaderboard/stream")

    async def heard(count: int) -> bool:
        return len(await page.evaluate("window.heard")) >= count

    await eventually(lambda: heard(2))
    await instance.submit(user, "run")
    await eventually(lambda: heard(3))

    connected, board, update = await page.evaluate("window.heard")
    assert connected == ["connected", "", {"message": "Connected to leaderboard stream"}]
    assert board[:2] == ["score:update", "1"]
    assert update[:2] == ["score:update", "2"]
    assert update[2]["topUsers"][0]["userId"] == user


async def test_the_api_docs_load_under_their_own_policy_and_list_every_operation(
    start: Start, open_page: OpenPage
) -> None:
    instance = await start()
    page = await open_page(f"{instance.url}/docs")
    await page.wait_for_selector(".opblock")
    shown = await page.locator(".opblock-summary-path").all_inner_texts()
    assert {"/api/actions", "/api/leaderboard", "/api/leaderboard/stream"} <= {
        path.replace("\u200b", "") for path in shown
    }
    assert await page.locator("button.authorize").count() == 1
