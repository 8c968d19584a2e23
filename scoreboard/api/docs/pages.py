"""/docs: the OpenAPI document, and Swagger UI to browse it.

Swagger UI comes out of the aiohttp-apigami package and nothing comes from elsewhere. Its page has
one inline script; the page's Content-Security-Policy allows that one, by its hash, and no other.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any, Final

import aiohttp_apigami
import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from scoreboard.api.docs import openapi
from scoreboard.api.docs.descriptions import operation_of
from scoreboard.api.http.files import File, policy_of_page, send
from scoreboard.api.http.replies import JSON
from scoreboard.errors import NotFound

DOCUMENT: Final[web.AppKey[Mapping[str, Any]]] = web.AppKey("document")

_PAGE_PATH: Final = "/docs"
_DOCUMENT_PATH: Final = "/docs/openapi.json"
_SWAGGER_UI: Final = Path(str(resources.files(aiohttp_apigami))) / "swagger_ui"
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
}
_NO_CONTENT_ALLOWED: Final = {"Content-Security-Policy": "default-src 'none'"}
_REVALIDATE: Final = {"Cache-Control": "public, no-cache"}
_KEEP_FOR_A_YEAR: Final = {"Cache-Control": "public, max-age=31536000, immutable"}


def add_docs(app: web.Application) -> None:
    """Describe the routes that the application has now, and serve the description."""
    app[DOCUMENT] = _document(
        tuple(
            (route.method, route.resource.canonical, route.handler)
            for route in app.router.routes()
            if route.resource is not None and operation_of(route.handler) is not None
        )
    )
    pages = _Pages(app[DOCUMENT])
    app.router.add_get(_PAGE_PATH, pages.page)
    app.router.add_get(f"{_PAGE_PATH}/", pages.page)
    app.router.add_get(_DOCUMENT_PATH, pages.document)
    app.router.add_get(f"{pages.assets_path}/{{name}}", pages.asset)


@lru_cache(maxsize=8)  # a process has one role, and tests have all of them
def _document(routes: tuple[tuple[str, str, Handler], ...]) -> Mapping[str, Any]:
    """Describe these routes, once in a process: it takes most of what an application takes to be
    made.
    """
    described = web.Application()
    for method, path, handler in routes:
        described.router.add_route(method, path, handler)
    return openapi.build(described)


class _Pages:
    """The handlers, with what they send in memory: the document, Swagger UI's page, and the files
    that the page names.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = File.of(JSON, orjson.dumps(document))
        version = (_SWAGGER_UI / "VERSION").read_text(encoding="utf-8").strip()
        # The version is in the path, so that caches may keep the files for good.
        self.assets_path = f"{_PAGE_PATH}/swagger-ui-{version}"
        html = _swagger_ui(self.assets_path)
        self._page = File.of(_TYPES[".html"], html.encode())
        self._policy = _policy(html)
        names = re.findall(rf'"{re.escape(self.assets_path)}/([\w.-]+)"', html)
        self._assets = {name: _shipped(_SWAGGER_UI / name) for name in names}

    async def document(self, request: web.Request) -> web.StreamResponse:
        """The OpenAPI document of this process's role."""
        return await send(request, self._document, {**_REVALIDATE, **_NO_CONTENT_ALLOWED})

    async def page(self, request: web.Request) -> web.StreamResponse:
        """Swagger UI."""
        headers = {"Content-Security-Policy": self._policy, **_REVALIDATE}
        return await send(request, self._page, headers)

    async def asset(self, request: web.Request) -> web.StreamResponse:
        """A file that the page names. The package has others, which are not for the public. Raises
        NotFound.
        """
        name = request.match_info["name"]
        if name not in self._assets:
            raise NotFound
        headers = {**_KEEP_FOR_A_YEAR, **_NO_CONTENT_ALLOWED}
        return await send(request, self._assets[name], headers, in_parts=True)


def _swagger_ui(assets_path: str) -> str:
    html = Template((_SWAGGER_UI / "index.html").read_text(encoding="utf-8")).substitute(
        path=_DOCUMENT_PATH,
        static=assets_path,
        layout="BaseLayout",  # without the field that loads any other document
    )
    return html.replace("<title>Swagger UI</title>", "<title>Scoreboard API</title>")


@cache
def _shipped(path: Path) -> File:
    """A file of the package, read and tagged once in a process: the largest has 1.5 MB."""
    return File.of(_TYPES[path.suffix], path.read_bytes())


def _policy(html: str) -> str:
    """Allow the inline scripts of this page by their hashes."""
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    hashes = (hashlib.sha256(script.encode()).digest() for script in scripts)
    inline = "".join(f" 'sha256-{base64.b64encode(digest).decode()}'" for digest in hashes)
    return policy_of_page(scripts=f"'self'{inline}", forms="'none'")
