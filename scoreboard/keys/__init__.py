"""Server keys: what a game server or a back office signs its requests with, and what each may do.

Before it: the edge (`api`), which has a request, and the operator's `cli`. After it: what the
request asks for, which is told the key and asks no more. It verifies from memory, without asking
anybody. It never stores a secret but sealed, and never logs one.

    registry    the keys in PostgreSQL: added, listed, rotated, revoked, sealed anew
    verifying   may this request do that? A pure function of what is in memory
    heads       what a signed request says in its header, bounded and cheap to refuse
    keyring     the keys that an instance knows, and how it reads them
    sealing     secrets as PostgreSQL keeps them
    server_key  one key: its scopes, boards, rate and secrets
"""
