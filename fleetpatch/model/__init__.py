"""Floor 2: values and ports.

What belongs here: the values that all other floors share (selectors, plan file, target, answer,
outcome), and the ports (Protocols) through which the engine reaches servers, files, clock and log.
What does not: decisions (`rules`), and anything that opens a socket or a file, reads a clock or
writes a log; the one exception is `plan.load`, which reads plan files. Import the modules.
"""
