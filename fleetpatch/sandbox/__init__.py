"""Floor 4: the embedded API server, for the demo, tests and rehearsals.

`server` starts it and `handler` answers HTTP requests. `apiserver` is the API of kube-apiserver for
the five kinds of jobs, `cci` adds the gateway of CCI, `chaos` injects faults, and `fleet` makes the
sample objects from a seed. What does not belong here: anything that works on a real cluster. Import
the modules, not this package.
"""
