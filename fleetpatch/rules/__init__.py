"""Floor 3: pure decisions.

Here is decided what an object needs, what an answer means, how long to wait and whether a plan may
go on. Every function here takes values and gives values. What does not belong here: a clock, a
socket, a log, a random number of its own; those arrive as arguments or stay on the floors above.
"""
