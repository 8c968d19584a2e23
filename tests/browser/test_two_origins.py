"""An app of another origin: what `allowed_write_origins` lets its pages do, and what all others
cannot, in a browser that judges by itself.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Console, OpenPage
from tests.browser.fake_server import FakeServer
from tests.eventually import eventually
from tests.instances import Start
from tests.world import add_actions, add_users, grants, sql

PAGE = (Path(__file__).parents[2] / "docs" / "two-origins.md").read_text(encoding="utf-8")
SERVICE = "http://127.0.0.1:8080"
PASSWORD = "a password for this test"
# What an app does with nothing but fetch: each answer's status, and what the stream says first.
WITHOUT_A_CLIENT = """async ([service, other]) => {
    const statuses = [];
    const ask = async (method, path, body, token) => {
        const headers = { Accept: "application/json" };
        if (body) headers["Content-Type"] = "application/json";
        if (token) headers.Authorization = `Bearer ${token}`;
        const text = body && JSON.stringify(body);
        const response = await fetch(service + path, { method, headers, body: text });
        statuses.push([`${method} ${path.replace(other, "{userId}")}`, response.status]);
        return response;
    };
    const password = "a password for this test";
    const account = { username: "ada", email: "ada@example.org", password };
    await ask("POST", "/api/auth/register", account);
    const { refreshToken } = await (await ask("POST", "/api/auth/login", account)).json();
    let tokens = await (await ask("POST", "/api/auth/refresh", { refreshToken })).json();
    const token = tokens.accessToken;
    const stream = await ask("GET", "/api/me/stream", null, token);
    const reader = stream.body.pipeThrough(new TextDecoderStream()).getReader();
    await ask("POST", "/api/actions", { actionId: "run" }, token);
    let heard = "";
    while (!heard.includes("me:granted")) heard += (await reader.read()).value;
    await reader.cancel();
    await ask("GET", "/api/me", null, token);
    await ask("GET", "/api/boards/main/me", null, token);
    await ask("PUT", `/api/me/follows/${other}`, null, token);
    await ask("GET", "/api/me/follows", null, token);
    await ask("DELETE", `/api/me/follows/${other}`, null, token);
    const changed = { currentPassword: password, newPassword: `${password} 2` };
    tokens = await (await ask("POST", "/api/auth/password", changed, token)).json();
    await ask("GET", "/api/me/export", null, tokens.accessToken);
    await ask("POST", "/api/auth/logout", { refreshToken: tokens.refreshToken });
    await ask("POST", "/api/auth/logout-all", null, tokens.accessToken);
    return statuses;
}"""
DONE = [
    ["POST /api/auth/register", 201],
    ["POST /api/auth/login", 200],
    ["POST /api/auth/refresh", 200],
    ["GET /api/me/stream", 200],
    ["POST /api/actions", 200],
    ["GET /api/me", 200],
    ["GET /api/boards/main/me", 200],
    ["PUT /api/me/follows/{userId}", 204],
    ["GET /api/me/follows", 200],
    ["DELETE /api/me/follows/{userId}", 204],
    ["POST /api/auth/password", 200],
    ["GET /api/me/export", 200],
    ["POST /api/auth/logout", 200],
    ["POST /api/auth/logout-all", 200],
]
# All ways by which a page sends a body without asking first. None tells the page what came of it.
UNASKED = """async ([service, token]) => {
    const body = JSON.stringify({ actionId: "run", username: "eve", email: "eve@example.org",
        password: "a password for this test", refreshToken: token });
    for (const path of ["actions", "auth/register", "auth/login", "auth/refresh", "login", "me"]) {
        const to = `${service}/api/${path}`;
        for (const type of ["text/plain", "application/json", ""]) {
            navigator.sendBeacon(to, new Blob([body], { type }));
            const headers = type ? { "Content-Type": type } : {};
            const how = { method: "POST", mode: "no-cors", credentials: "include", headers, body };
            await fetch(to, how).catch(() => {});
        }
        const frame = Object.assign(document.createElement("iframe"), { name: `into-${path}` });
        const form = Object.assign(document.createElement("form"),
            { method: "post", enctype: "text/plain", action: to, target: frame.name });
        const field = Object.assign(document.createElement("input"), { name: body, value: "" });
        form.append(field);
        document.body.append(frame, form);
        form.submit();
    }
}"""
CREDENTIALS = "The value of the 'Access-Control-Allow-Credentials' header in the response is ''"
# Each way to fail that an app may meet, with what the manual has to say of it.
FAILURES = {
    "No 'Access-Control-Allow-Origin' header is present on the requested resource": """service =>
        fetch(`${service}/api/me`, { headers: { Authorization: "Bearer a", "X-App": "1" } })""",
    CREDENTIALS: """service =>
        fetch(`${service}/api/me`, { credentials: "include" })""",
    "violates the following Content Security Policy directive": """service => {
        document.head.insertAdjacentHTML("beforeend",
            `<meta http-equiv="Content-Security-Policy" content="connect-src 'self'">`);
        return fetch(`${service}/api/leaderboard`);
    }""",
}


def origin_of(fake: FakeServer) -> str:
    return fake.url.rstrip("/")


def recipe(name: str) -> str:
    """The code of the manual that stands behind this mark."""
    found = re.search(rf"<!-- recipe: {name} -->\n```\w+\n(.*?)```\n", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


async def test_an_app_of_a_named_origin_does_what_our_own_page_does(
    start: Start, fake: FakeServer, open_page: OpenPage, database_url: str
) -> None:
    instance = await start(allowed_write_origins=[origin_of(fake)])
    [other] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    page = await open_page(fake.url)
    assert await page.evaluate(WITHOUT_A_CLIENT, [instance.url, other]) == DONE


async def test_the_app_of_the_manual_works(
    start: Start, fake: FakeServer, open_page: OpenPage, console: Console, database_url: str
) -> None:
    # The tokens end so soon that the session has to renew them on the way.
    instance = await start(allowed_write_origins=[origin_of(fake)], access_token_seconds=12)
    [first] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50, "jump": 80})
    assert (await instance.submit(first, "jump"))[0] == 200
    icon = "<link rel=icon href=data:,>\n<title>"
    fake.page = recipe("app").replace(SERVICE, instance.url).replace("<title>", icon)
    page = await open_page(fake.url)
    said = page.locator("#said")
    await expect(page.locator("#board li")).to_have_count(1)

    await page.get_by_label("Name").fill("ada")
    await page.get_by_label("E-mail").fill("ada@example.org")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Register").click()
    await expect(said).to_have_text("Hello, ada")
    await expect(page.locator("#place")).to_have_text("You have no place yet")
    await page.get_by_role("button", name="Complete").click()
    await expect(said).to_have_text("It counts")
    await expect(page.locator("#board li")).to_have_text(["player0 80", "ada 50"])
    await expect(page.locator("#place")).to_have_text("You are 2 of 2")
    await page.get_by_role("button", name="Follow").click()
    await expect(said).to_have_text("You follow player0")
    assert sql(database_url, "SELECT count(*) FROM follows") == [(1,)]

    console.expects_network_errors = True  # the refusal of what counts once
    await page.reload()  # the log-in is kept; a new access token is asked for
    await expect(page.locator("#place")).to_have_text("You are 2 of 2")
    await page.get_by_role("button", name="Complete").click()
    await expect(said).not_to_have_text("")
    assert "already" in await said.inner_text()


async def test_what_a_page_sends_unasked_does_nothing(
    start: Start, fake: FakeServer, open_page: OpenPage, console: Console, database_url: str
) -> None:
    """Not even beside a site that may write, and not where somebody is logged in."""
    instance = await start(allowed_write_origins=["https://app.example"])
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    page = await open_page(fake.url)
    await page.evaluate(UNASKED, [instance.url, instance.token(user)])

    def refused() -> list[float]:
        return [
            instance.metric("http_requests_total", method="POST", route=route, status=status)
            for route, status in {
                "/api/actions": "403",  # no page can add a token
                "/api/auth/register": "415",
                "/api/auth/login": "415",
                "/api/auth/refresh": "415",
                "/api/login": "415",
            }.items()
        ]

    # Two beacons, three requests and a form came for each; a beacon of JSON is asked about.
    await eventually(lambda: min(refused()) >= 5, message="the refusals")
    assert grants(database_url) == []
    assert sql(database_url, "SELECT count(*) FROM users") == [(1,)]
    assert sql(database_url, "SELECT count(*) FROM refresh_families") == [(0,)]
    console.complaints.clear()


@pytest.mark.parametrize("said", FAILURES)
async def test_the_manual_knows_what_the_browser_says(
    start: Start, fake: FakeServer, open_page: OpenPage, console: Console, said: str
) -> None:
    instance = await start(allowed_write_origins=[origin_of(fake)])
    page = await open_page(fake.url)
    script = f"service => ({FAILURES[said]})(service).then(() => 'done', e => `${{e}}`)"
    assert await page.evaluate(script, instance.url) == "TypeError: Failed to fetch"

    def complained() -> list[str]:
        return [complaint for complaint in console.complaints if said in complaint]

    await eventually(complained, message=f"{said!r} in the console")
    assert f"`{said}`" in PAGE
    console.complaints.clear()


async def test_a_site_that_may_only_read_cannot_write(
    start: Start, fake: FakeServer, open_page: OpenPage, console: Console, database_url: str
) -> None:
    """Whoever was let in to read with a token may POST to that address without being asked again:
    browsers keep for an address which header fields it takes, and POST needs no word of it.
    """
    instance = await start(
        allowed_origins=[origin_of(fake)], allowed_write_origins=["https://app.example"]
    )
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    page = await open_page(fake.url)
    tried: Any = await page.evaluate(
        """async ([service, token]) => {
            const json = { "Content-Type": "application/json" };
            const headers = { Authorization: `Bearer ${token}` };
            const body = JSON.stringify({ actionId: "run" });
            const post = { method: "POST", body };
            const ask = (path, options) => fetch(service + path, options)
                .then(({ status }) => status, () => "blocked");
            return [
                await ask("/api/actions", { headers }),
                await ask("/api/actions", { ...post, headers }),
                await ask("/api/actions", { headers: { ...headers, ...json } }),
                await ask("/api/actions", { ...post, headers: { ...headers, ...json } }),
                await ask("/api/me", { headers }),
                await ask("/api/me", { method: "DELETE", headers }),
            ];
        }""",
        [instance.url, instance.token(user)],
    )
    assert tried == [200, *["blocked"] * 5]
    assert grants(database_url) == []
    assert sql(database_url, "SELECT count(*) FROM users") == [(1,)]
    console.complaints.clear()
