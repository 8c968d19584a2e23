"""The edge: HTTP in, HTTP out. Rate limit, token, schema, then one call inwards.

`routes` is the whole API on one screen; each resource has one handler module; `middleware` gives
every refusal the same envelope. After it come `accounts`, `scoring` and `live`. It decides nothing
about scores.
"""
