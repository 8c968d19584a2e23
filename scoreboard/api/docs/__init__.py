"""What the API says of itself: descriptions of the handlers, the OpenAPI document, Swagger UI.

Before it: the handlers, each below its description. After it: `schemas` and `http`. It never
decides anything: what it tells is what they do.
"""
