"""What the page says and how it looks, where the operator has a say: title, logo, colours, words.

Before it: the settings, which name these. After it: `api/assets`, which makes the files of the page
of them. It never meets a request: all is read and checked once, at the start.
"""
