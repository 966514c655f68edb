"""Floor 4: the embedded API server, for the demo, tests and rehearsal.

`server` starts it and `handler` answers each connection. `apiserver` is what a kube-apiserver
answers for the five kinds of job, `cci` is what CCI adds before it, `chaos` decides and carries out
faults, and `fleet` makes the sample objects from a seed. What does not belong here: anything that
works on a real cluster. Import the modules, not this package.
"""
