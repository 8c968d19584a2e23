"""/docs: the OpenAPI document, and Swagger UI to browse it.

Swagger UI comes out of the aiohttp-apigami package and nothing comes from elsewhere. The page
around it is ours (`page`): no script and no style is inline, so its Content-Security-Policy allows
none.
"""

from __future__ import annotations

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
from scoreboard.api.http.prepared import JSON
from scoreboard.errors import NotFound

DOCUMENT: Final[web.AppKey[Mapping[str, Any]]] = web.AppKey("document")

_PAGE_PATH: Final = "/docs"
_DOCUMENT_PATH: Final = "/docs/openapi.json"
_SWAGGER_UI: Final = Path(str(resources.files(aiohttp_apigami))) / "swagger_ui"
_OWN: Final = Path(__file__).with_name("page")
_OWN_FILES: Final = ("docs.css", "docs.js")
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
}
_NO_CONTENT_ALLOWED: Final = {"Content-Security-Policy": "default-src 'none'"}
_PAGE_HEADERS: Final = {
    "Content-Security-Policy": policy_of_page(scripts="'self'", forms="'none'"),
    "Cache-Control": "public, no-cache",
}
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
    app.router.add_get(f"{pages.swagger_ui_path}/{{name}}", pages.asset)
    app.router.add_get(f"{pages.own_path}/{{name}}", pages.asset)


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
    """The handlers, with what they send in memory: the document, the page, and the files that the
    page names.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = File.of(JSON, orjson.dumps(document))
        version = (_SWAGGER_UI / "VERSION").read_text(encoding="utf-8").strip()
        # The version is in the path, so that caches may keep the files for good; of our files it is
        # what is in them.
        self.swagger_ui_path = f"{_PAGE_PATH}/swagger-ui-{version}"
        self.own_path = f"{_PAGE_PATH}/page-{_digest_of_own()}"
        html = Template((_OWN / "index.html").read_text(encoding="utf-8")).substitute(
            document=_DOCUMENT_PATH, swagger_ui=self.swagger_ui_path, own=self.own_path
        )
        self._page = File.of(_TYPES[".html"], html.encode())
        named = re.findall(rf'"({re.escape(self.swagger_ui_path)})/([\w.-]+)"', html)
        self._assets = {
            **{f"{path}/{name}": _shipped(_SWAGGER_UI / name) for path, name in named},
            **{f"{self.own_path}/{name}": _shipped(_OWN / name) for name in _OWN_FILES},
        }

    async def document(self, request: web.Request) -> web.StreamResponse:
        """The OpenAPI document of this process's role."""
        return await send(request, self._document, {**_REVALIDATE, **_NO_CONTENT_ALLOWED})

    async def page(self, request: web.Request) -> web.StreamResponse:
        """Swagger UI."""
        return await send(request, self._page, _PAGE_HEADERS)

    async def asset(self, request: web.Request) -> web.StreamResponse:
        """A file that the page names. The package has others, which are not for the public. Raises
        NotFound.
        """
        asset = self._assets.get(request.path)
        if asset is None:
            raise NotFound
        headers = {**_KEEP_FOR_A_YEAR, **_NO_CONTENT_ALLOWED}
        return await send(request, asset, headers, in_parts=True)


@cache
def _shipped(path: Path) -> File:
    """A file, read and tagged once in a process: the largest has 1.5 MB."""
    return File.of(_TYPES[path.suffix], path.read_bytes())


def _digest_of_own() -> str:
    together = b"".join((_OWN / name).read_bytes() for name in _OWN_FILES)
    return hashlib.sha256(together).hexdigest()[:16]
