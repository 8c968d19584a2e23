"""The copy of each board in Redis, and whether it may be believed.

    boards       which boards there are, how each is defined, and its copy
    board        what a read shows: the copy, or the ledger's answer, or the newest that is at hand
    comparison   brings a copy up to the ledger's board, once a second
    trust        whether the copy may be believed: it has missed no board that somebody was told of
    delivery     what Redis has to have before somebody is told, and until when that is waited for
    questions    what the ledger was asked and has not answered
    copy         the copy itself: signed, stored if newer, read

Before it: the edge, which reads, `scoring`, which stores, and the relay, which compares. After it:
`ledger`. It never decides what a score is.
"""
