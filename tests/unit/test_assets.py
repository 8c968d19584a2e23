"""Names that carry hashes: what changes them and what does not."""

from __future__ import annotations

import gzip

import pytest

from scoreboard.api.assets import Assets, build, join

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
        assert gzip.decompress(asset.gzipped or b"") == asset.body


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
