"""Faults on purpose: which request meets which one, and how it is carried out.

`profiles` decides from a seed, `faults` carries out what concerns objects and answers, and
`capacity` limits the load that the sandbox accepts. Breaking a connection is left to
`fleetpatch.sandbox.handler`, which has one.
"""
