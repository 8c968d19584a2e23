"""The shapes of all bodies, by resource.

Before it: the handlers, which validate requests with them, and `docs`, which makes components of
them. After it: the rules of names, and the model. It never sees a request or a handler.
"""
