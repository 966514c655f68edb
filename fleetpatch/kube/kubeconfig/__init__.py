"""From a kubeconfig, or the service account of a pod, to a `Connection`.

`file` reads one file, `context` merges files and cuts out one context, and `keys` checks it. Its
user logs in by `static_auth` or `exec_auth`; `connect` joins these steps. No request to an API
server is sent here, and nothing is known of a plan.
"""
