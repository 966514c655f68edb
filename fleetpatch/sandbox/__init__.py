"""Floor 4: the embedded API server, for the demo, tests and rehearsal.

Here live what a kube-apiserver answers for the five kinds of job, a seeded sample fleet, and the
ways in which it can be told to misbehave. What does not belong here: anything that a real cluster
is worked on with. Import the modules, not this package.
"""
