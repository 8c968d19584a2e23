"""Names that carry hashes: what changes them and what does not."""

from __future__ import annotations

import gzip

import pytest

from scoreboard.api.assets import Assets, build
from scoreboard.api.bundles import bare, in_one, join

PAGES = {"en": '<script src="./page.js"></script><link href="./style.css"><a href="./docs">'}
SOURCES = {
    "page.js": 'import "./client.js";',
    "client.js": "export {};",
    "style.css": "body {}",
}


def name_of(assets: Assets, stem: str) -> str:
    [name] = [name for name in assets.hashed if name.startswith(f"{stem}.")]
    return name


def test_references_carry_the_names_that_are_served() -> None:
    assets = build(SOURCES, PAGES)
    page = assets.page.body.decode()
    assert f'"./assets/{name_of(assets, "page")}"' in page
    assert f'"./assets/{name_of(assets, "style")}"' in page
    assert f'"./{name_of(assets, "client")}"' in assets.plain["page.js"].body.decode()
    assert 'href="./docs"' in page


def test_a_change_reaches_the_names_of_all_that_refer_to_it_and_no_others() -> None:
    before = build(SOURCES, PAGES)
    after = build(SOURCES | {"client.js": "export const changed = 1;"}, PAGES)
    for stem in ("client", "page"):
        assert name_of(before, stem) != name_of(after, stem)
    assert name_of(before, "style") == name_of(after, "style")
    assert before.page.digest != after.page.digest


def test_every_instance_makes_the_same_bytes() -> None:
    assert build(SOURCES, PAGES) == build(dict(reversed(SOURCES.items())), PAGES)


def test_the_compressed_form_is_the_same_content() -> None:
    for asset in build(SOURCES, PAGES).hashed.values():
        assert gzip.decompress(asset.gzipped) == asset.body


def test_a_reference_to_nothing_is_found_at_the_start() -> None:
    with pytest.raises(KeyError, match=r"gone\.js"):
        build(SOURCES | {"page.js": 'import "./gone.js";'}, PAGES)


def test_only_names_with_a_hash_have_another_version() -> None:
    assets = build(SOURCES, PAGES)
    assert assets.of_another_version("page.0123456789.js") == assets.plain["page.js"]
    assert assets.of_another_version("page.js") is None
    assert assets.of_another_version("gone.0123456789.js") is None


MODULES = {
    "entry.js": '// Zero.\nimport { a } from "./a.js";\nimport { b, c } from "./b.js";\n'
    "export class D {}\n",
    "a.js": 'import { b } from "./b.js";\n\nexport const a = b;\n',
    "b.js": "/** One.\n * Two.\n */\nexport function b() {\n  // Three.\n}\n"
    "export const c = '// export const'; // four\n",
    "other.js": "export const e = 5;\n",
}


def test_modules_are_joined_with_the_exports_and_comments_of_one_alone() -> None:
    assert [line for line in join(MODULES, "entry.js").splitlines() if line] == [
        "function b() {",
        "}",
        "const c = '// export const'; // four",
        "const a = b;",
        "// Zero.",
        "export class D {}",
    ]


def test_an_import_of_a_module_that_is_not_there_is_found_at_the_start() -> None:
    with pytest.raises(KeyError, match=r"b\.js"):
        join({name: text for name, text in MODULES.items() if name != "b.js"}, "entry.js")


def test_a_module_that_is_external_is_imported_once_by_all_who_need_it() -> None:
    modules = {
        "web/entry.js": 'import "../out/side.js";\nimport { a } from "./a.js";\n'
        'import { x, z } from "../out/x.js";\n',
        "web/a.js": 'import { y, x } from "../out/x.js";\nimport words from "./words/en.js";\n'
        "export const a = [x, y, words];\n",
        "web/words/en.js": '/** Words. */\n\nexport default { "a": "b" };\n',
        "out/x.js": "export const x = 1, y = 2, z = 3;\n",
        "out/side.js": "x;\n",
    }
    joined = join(modules, "web/entry.js", external={"out/x.js", "out/side.js"})
    assert [line for line in joined.splitlines() if line] == [
        'import "./side.js";',
        'import { x, y, z } from "./x.js";',
        'const words = { "a": "b" };',
        "const a = [x, y, words];",
    ]


def test_what_the_page_alone_imports_becomes_one_with_it() -> None:
    sources = {
        "page.js": 'import { a } from "./a.js";\nimport { b } from "./b.js";\n',
        "a.js": 'import { c } from "./c.js";\nexport const a = () => import("./later.js");\n',
        "b.js": "export const b = 1;\n",
        "c.js": "export const c = 1;\n",
        "later.js": 'import { b } from "./b.js";\n',
        "style.css": "",
    }
    made = in_one(sources, "page.js")
    assert set(made) == {"page.js", "b.js", "later.js", "style.css"}
    assert [line for line in made["page.js"].splitlines() if line] == [
        'import { b } from "./b.js";',
        "const c = 1;",
        'const a = () => import("./later.js");',
    ]


def test_comments_and_indentation_are_for_those_who_read_the_source() -> None:
    text = "/* One\n * two. */\na {\n  // three\n  b: c; /* four */\n}\n"
    assert bare(text) == "a {\nb: c; /* four */\n}\n"
