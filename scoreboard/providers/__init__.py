"""Identity providers (OpenID Connect): whose keys sign which tokens.

Before it: `accounts`, which asks who signed a token and decides what its claims are worth. After
it: the provider's own server, which is asked for its keys. It never speaks HTTP with our clients,
never touches the database, and never asks an address that only a token names.

    providers   all of them: who signed a token, and whose keys are asked for anew when
    issuer      one of them: the keys that are known of it, renewed by one request that all share
    documents   what a provider publishes, fetched within bounds and from nowhere it should not be
    code_flow   a log-in there: where a browser is sent, and what its code is exchanged for
    keys        which of the keys that it publishes may sign
"""
