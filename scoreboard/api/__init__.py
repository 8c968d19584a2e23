"""The edge: HTTP in, HTTP out. Rate limit, token, schema, then one call inwards.

`routes` is the whole API on one screen; each resource has one handler module. What handlers share:
`asked` (parameters, and who may see a board), `answers` (the encoded board), `streams`. `pages` has
the files of the page, which `assets` makes ready: `documents` with their words, `bundles` of
modules. `http` is what every request passes, `schemas` are the shapes of bodies, `docs` is the
OpenAPI document.

Before it: clients, through aiohttp. After it: `accounts`, `scoring` and `live`. It never decides
anything about scores.
"""
