"""The capabilities of providers: which kinds each has, and what a PATCH of them may contain.

`tables` contains one literal table for each provider; `capability` has their types. What does not
belong here: how a provider is reached (`kube`), and checks of plans (`plan.checks`).
"""
