"""Pages of other sites, and text of strangers, in a real browser."""

from __future__ import annotations

from urllib.parse import quote

from playwright.async_api import Page, expect

from tests.browser.conftest import Console, OpenPage
from tests.browser.fake_server import FakeServer
from tests.eventually import eventually
from tests.instances import Start
from tests.world import add_actions, add_users, sql

FOLLOW = """async origin => {
    window.boards = [];
    window.states = [];
    const { ScoreboardClient } = await import(`${origin}/client/v1/scoreboard-client.js`);
    const client = new ScoreboardClient({ url: `${origin}/api/leaderboard` });
    client.addEventListener("board", ({ detail }) => window.boards.push(detail.version));
    client.addEventListener("state", ({ detail }) => window.states.push(detail.status));
    client.start();
}"""
LISTEN = """origin => {
    window.heard = [];
    const source = new EventSource(`${origin}/api/leaderboard/stream`);
    source.addEventListener("score:update", event => window.heard.push(event.lastEventId));
}"""
COME_BACK = """origin => Promise.all(["leaderboard", "scoreboard"].map(async (name) => {
    const headers = { "Cache-Control": "no-cache", "Last-Event-ID": "7" };
    const response = await fetch(`${origin}/api/${name}/stream`, { headers, cache: "no-store" });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let seen = "";
    while (!seen.includes("data:")) seen += (await reader.read()).value;
    await reader.cancel();
    return seen.split("\\n")[1];
}))"""
TRY_ALL = """async ([origin, token]) => {
    const headers = { Authorization: `Bearer ${token}` };
    const json = { ...headers, "Content-Type": "application/json" };
    const body = JSON.stringify({ actionId: "run" });
    const tries = [
        ["/api/leaderboard", {}],
        ["/api/me", { headers }],
        ["/api/actions", { method: "POST", headers: json, body }],
        ["/api/auth/login", { method: "POST", headers: json, body }],
        ["/api/leaderboard", { credentials: "include" }],
    ];
    return Promise.all(tries.map(([path, options]) => fetch(origin + path, options)
        .then(response => response.status, () => "blocked")));
}"""


async def test_the_client_follows_the_board_from_a_page_of_an_allowed_origin(
    start: Start, fake: FakeServer, open_page: OpenPage, database_url: str
) -> None:
    instance = await start(allowed_origins=[fake.url.rstrip("/")])
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    page = await open_page(fake.url)
    await page.evaluate(FOLLOW, instance.url)
    await page.evaluate(LISTEN, instance.url)
    await eventually(lambda: _says(page, "states.includes('live') && heard.length > 0"))
    assert (await instance.submit(user, "run"))[0] == 200
    await eventually(lambda: _says(page, "boards.at(-1) === 2 && heard.at(-1) === '2'"))


async def test_clients_of_streams_come_back_from_a_page_of_an_allowed_origin(
    start: Start, fake: FakeServer, open_page: OpenPage
) -> None:
    """They send the id that they saw last, which a browser asks about before it sends it."""
    instance = await start(allowed_origins=[fake.url.rstrip("/")])
    page = await open_page(fake.url)
    assert await page.evaluate(COME_BACK, instance.url) == ["event: connected"] * 2


async def test_a_page_of_another_origin_gets_nothing_even_with_a_users_token(
    start: Start, fake: FakeServer, open_page: OpenPage, console: Console, database_url: str
) -> None:
    instance = await start(allowed_origins=["https://guest.example"])
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    page = await open_page(fake.url)
    found = await page.evaluate(TRY_ALL, [instance.url, instance.token(user)])
    assert found == ["blocked"] * 5
    assert sql(database_url, "SELECT count(*) FROM ledger") == [(0,)]
    assert all("CORS" in said or "ERR_FAILED" in said for said in console.complaints)
    console.complaints.clear()


HOSTILE = (
    '<img src=x onerror="window.run=1">',
    "<script>window.run=1</script>",
    "</ol><iframe src='javascript:parent.run=1'>",
    "javascript:window.run=1",
    "{{constructor.constructor('run=1')()}}",
)


async def test_no_text_of_a_stranger_is_run(
    start: Start, open_page: OpenPage, database_url: str
) -> None:
    """Names as an operator may give them (clients have fewer letters), and the catalogue."""
    instance = await start()
    users = add_users(database_url, len(HOSTILE))
    for user, name in zip(users, HOSTILE, strict=True):
        sql(database_url, "UPDATE users SET username = %s WHERE user_id = %s", (name, user))
    add_actions(database_url, dict.fromkeys(HOSTILE, 5))
    for user in users:
        assert (await instance.submit(user, HOSTILE[0]))[0] == 200
    page = await open_page(instance.url)
    await expect(page.locator(".row:not(.empty) .name")).to_have_count(len(HOSTILE))
    shown = await page.locator("#rows").inner_text()
    assert all(text in shown for text in HOSTILE)
    assert await page.locator("#rows :is(img, script, iframe)").count() == 0
    assert not await _says(page, "'run' in window")


async def test_the_docs_show_no_document_but_ours(start: Start, open_page: OpenPage) -> None:
    """Swagger UI can be told by its address to load another one, which then asks for passwords."""
    instance = await start()
    other = quote('data:application/json,{"openapi":"3.0.3","info":{"title":"Theirs"},"paths":{}}')
    page = await open_page(f"{instance.url}/docs?url={other}&configUrl={other}&urls={other}")
    await expect(page.locator(".info .title")).to_contain_text("Scoreboard")
    assert "Theirs" not in await page.content()


async def _says(page: Page, condition: str) -> bool:
    return bool(await page.evaluate(condition))
