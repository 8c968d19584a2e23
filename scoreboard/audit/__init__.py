"""What operators and server keys have done, row by row, and whether it is still as it was written.

Before it: the routes and commands that show it. After it: `connections`. Rows are written by
`ledger`, in the transaction of what they tell of; a trigger gives each of them its number, its time
and its digest (migrations/0014.trust.sql). Here they are read and compared, and never written.
"""
