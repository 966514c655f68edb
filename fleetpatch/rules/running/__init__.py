"""When a run may send, how long it waits, and what ends it.

This folder has the maintenance window, the waves, the backoff between attempts, the token bucket of
a rate, the limits on failures and retries, and the state in which a run ends. How fast a run sends
is in `fleetpatch.rules.pacing`.
"""
