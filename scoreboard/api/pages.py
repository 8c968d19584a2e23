"""Serves the page at /, the board alone at /embed, their files, what stands around the page (icon,
manifest, code to join by), and the JavaScript client and the element for other people's pages.

Everything comes from this origin and is allowed by a Content-Security-Policy without exceptions.
The page itself holds no data. It is the same for everybody, so caches may have it; it comes up at
once, also while the board cannot be read; and nobody's name is ever written into HTML.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiohttp import web
from aiohttp.hdrs import ACCEPT_ENCODING, ACCEPT_LANGUAGE

from scoreboard import languages
from scoreboard.api import assets
from scoreboard.api.assets import Asset
from scoreboard.api.documents import LogIns
from scoreboard.api.http.files import File, policy_of_page, send
from scoreboard.api.http.replies import query_pairs
from scoreboard.api.join_codes import JoinCodes
from scoreboard.branding import branding
from scoreboard.configuration.settings import Settings
from scoreboard.errors import NotFound

# Browsers name five codings, in 30 characters; a field of 8 KiB has room for thousands.
_ACCEPTED_CHARS_MAX: Final = 512
_CODINGS_MAX: Final = 32
_PAGE_HEADERS: Final = {
    "Cache-Control": "public, no-cache",
    "Content-Security-Policy": policy_of_page(scripts="'self'", forms="'self'"),
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_ASSET_HEADERS: Final = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Content-Security-Policy": "default-src 'none'",
}
# A picture may be the operator's: it may hold styles, and scripts that must not run.
_PICTURE_HEADERS: Final = {
    **_ASSET_HEADERS,
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
}
_SVG: Final = "image/svg+xml"
# During a deployment a page of one version may ask an instance of another for its files. Its own
# are better than none; kept under that name they would be wrong for a year.
_OTHER_VERSION_HEADERS: Final = {**_ASSET_HEADERS, "Cache-Control": "no-store"}
# Anybody may import them; one major version stays compatible, so an hour's delay harms nobody.
_CLIENT_HEADERS: Final = {
    **_ASSET_HEADERS,
    "Cache-Control": "public, max-age=3600",
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


def add_pages(router: web.UrlDispatcher, settings: Settings) -> None:
    """Add the page and its files."""
    pages = _Pages(settings)
    router.add_get("/", pages.page)
    router.add_get("/embed", pages.embed)
    router.add_get("/favicon.ico", pages.favicon)
    router.add_get("/manifest.webmanifest", pages.manifest)
    router.add_get("/join.svg", JoinCodes(settings).show)
    router.add_get("/assets/{name}", pages.asset)
    router.add_get("/client/v1/{name}", pages.client)
    router.add_get("/client/{name}", pages.client)  # the newest


def log_ins(settings: Settings) -> LogIns:
    """How one can log in on the page. The page is written by it once, so it shows the right form at
    once, and asks nobody.
    """
    providers = {name: one.title for name, one in settings.page_providers.items()}
    return LogIns(providers, settings.accounts != "off")


class _Pages:
    """The handlers, with the files in memory."""

    def __init__(self, settings: Settings) -> None:
        brand = branding.load(settings)
        self._assets = assets.load(log_ins(settings), brand)
        self._favicon = assets.favicon_of(self._assets, brand)
        ancestors = " ".join(settings.frame_ancestors)
        self._embed_headers = {
            "Cache-Control": _PAGE_HEADERS["Cache-Control"],
            "Content-Security-Policy": policy_of_page(
                scripts="'self'", forms="'none'", ancestors=ancestors or "'none'"
            ),
            "Referrer-Policy": "no-referrer",
        }

    async def page(self, request: web.Request) -> web.StreamResponse:
        """The live board, in the language that the address (`?lang=`) or the client asks for."""
        return await _translated(request, self._assets.pages, _PAGE_HEADERS)

    async def embed(self, request: web.Request) -> web.StreamResponse:
        """The board alone, which sites may frame that `frame_ancestors` names."""
        return await _translated(request, self._assets.embeds, self._embed_headers)

    async def manifest(self, request: web.Request) -> web.StreamResponse:
        """How the page stands on a home screen, in a language as the page is."""
        headers = {"Cache-Control": _PAGE_HEADERS["Cache-Control"]}
        return await _translated(request, self._assets.manifests, headers)

    async def favicon(self, request: web.Request) -> web.StreamResponse:
        """The icon, for who asks for it by its old name: bookmarks, and readers of links."""
        headers = {**_PICTURE_HEADERS, "Cache-Control": "public, max-age=86400"}
        return await _answer(request, self._favicon, headers)

    async def asset(self, request: web.Request) -> web.StreamResponse:
        """A file of the page, under the name that carries its hash."""
        name = request.match_info["name"]
        if asset := self._assets.hashed.get(name):
            is_svg = asset.content_type.startswith(_SVG)
            headers = _PICTURE_HEADERS if is_svg else _ASSET_HEADERS  # guard: logo-runs-nothing
            return await _answer(request, asset, headers, in_parts=True)
        if asset := self._assets.of_another_version(name):
            return await _answer(request, asset, _OTHER_VERSION_HEADERS)
        raise NotFound

    async def client(self, request: web.Request) -> web.StreamResponse:
        """The client, the element or their types, under a name that stays."""
        asset = self._assets.public.get(request.match_info["name"])
        if asset is None:
            raise NotFound
        return await _answer(request, asset, _CLIENT_HEADERS, in_parts=True)


async def _translated(
    request: web.Request, documents: Mapping[str, Asset], headers: Mapping[str, str]
) -> web.StreamResponse:
    """Answer with the document of one language. A cache keeps one of each, and each has a tag."""
    accepted = ",".join(request.headers.getall(ACCEPT_LANGUAGE, ()))
    asked = dict(query_pairs(request)).get("lang")
    language = languages.chosen(asked, accepted, tuple(documents))
    vary = "Accept-Encoding, Accept-Language"  # guard: languages-kept-apart
    headers = {**headers, "Content-Language": language, "Vary": vary}
    return await _answer(request, documents[language], headers)


async def _answer(
    request: web.Request, asset: Asset, headers: Mapping[str, str], *, in_parts: bool = False
) -> web.StreamResponse:
    """Answer with the encoding that the client takes, or that it has this already.

    Each encoding is a representation of its own, with its own tag (RFC 9110, 8.8.3.3), whose ending
    no proxy writes.
    """
    if asset.gzipped is not None and _takes_gzip(request):
        # guard: compressed-tag-no
        file = File(asset.content_type, asset.gzipped, f"{asset.digest}.gzip", "gzip")
    else:
        file = File(asset.content_type, asset.body, asset.digest)
    return await send(request, file, {"Vary": "Accept-Encoding", **headers}, in_parts=in_parts)


def _takes_gzip(request: web.Request) -> bool:
    """Whether the client takes gzip: what it says of gzip goes before what it says of `*`."""
    qualities: dict[str, str] = {}
    accepted = ",".join(request.headers.getall(ACCEPT_ENCODING, ()))[:_ACCEPTED_CHARS_MAX]
    for coding in accepted.lower().split(",", _CODINGS_MAX)[:_CODINGS_MAX]:
        name, _, quality = coding.partition(";")
        qualities[name.strip()] = quality.replace(" ", "")
    quality = qualities.get("gzip", qualities.get("*", "q=0"))
    return quality not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
