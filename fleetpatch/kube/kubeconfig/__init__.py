"""Makes a `Connection` from a kubeconfig, or from the service account of a pod.

`file` reads one file, `context` merges files and selects one context, and `keys` checks it. Its
user logs in by `static_auth` or `exec_auth`; `connect` joins these steps. Modules here send no
request to an API server, and do not read plans.
"""
