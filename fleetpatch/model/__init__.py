"""Floor 2: the nouns and the promises.

Here live values (selector, plan file, target, answer, outcome) and the ports (Protocols) through
which the engine meets the world. What does not belong here: a decision (`rules`), and anything
that touches a socket, a clock, a log or a disk. Import the modules, not this package.
"""
