"""Floor 3: pure decisions, in the order in which a target meets them.

`planning` decides what an object needs, `patching` computes what a patch does to a document,
`pacing` and `running` decide when the next request may be sent, and `answers` decides what an
answer means and how a target ends. Every function takes values and returns values. What does not
belong here: a clock, a socket, a file, a log, a random number of its own. Callers pass those values
in, or they stay on the floors above.
"""
