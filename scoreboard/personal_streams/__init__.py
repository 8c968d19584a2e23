"""What streams tell users of themselves: their place, who overtakes them, what they are granted.

Before it: the edge (`api`), which lets a user in; `ranks`, which tells what has moved. After it:
`scoring.places`, which says where somebody stands, and `live`, whose crowd the streams are.

    entrance    what has to be known of a user before their stream begins
    room        the crowd of these streams, and its turns: what moved ─▶ who is concerned ─▶ told
    noticing    who is concerned, by what was heard (`heard`) and who follows whom (`followers`)
    overtaking  who has overtaken whom, of those who moved
    watching    the boards that somebody here watches, and which places are read next
    serving     reads places, and notes what has changed
    pace        how many places are read in a turn, by how long the last ones took
    grants      what users were granted, each told once
    slots       a slot for each user on each board, and the streams that show it
    telling     what is told, as bytes
    reading     the statements

It never decides who stands where, and it never waits for a subscriber.
"""
