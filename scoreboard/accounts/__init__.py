"""Who is it: passwords, access tokens and refresh families.

Before it: the edge (`api`), which brings a password or a token, and the operator's `cli`. After it:
`scoring`, which is told a user_id and asks no more. It never speaks HTTP; never touches a score, so
it deletes no user (then scores fall, which is the ledger's to do); never stores a password or a
refresh token but as a hash, and never logs one, nor an access token or an e-mail address.

    registry      the accounts themselves: register, log in, change the password, log out
    listing       all of them, for operators, with what there is to mend
    users         who is registered: added, found under any spelling, given another address
    newcomers     keys for users whom an older version registers while this one is rolled out
    names         which names and addresses are good, and the keys that users are found by
    ids           what the id of a user looks like
    families      log-ins: refresh tokens that replace each other, and when it ends with them
    access        short-lived tokens that any instance verifies without asking anybody
    introductions what an identity provider says of somebody, and the user that it means
    first_sight   users of identity providers, made when they are first seen
    claims        what such a token says
    revocations   whose access tokens ended before their time
    passwords     argon2id, off the event loop
    blocklist     passwords that nobody may choose
    refresh       how refresh tokens are made, and how a token's successor follows from it
"""
