"""Floor 4: access to API servers.

`client.ApiServer` implements the ports `ListedCluster` and `PatchedCluster`, and `connect` opens
one. `kubeconfig/` and `cci/` each make a `connection.Connection`; `http/` sends one request and
decodes its answer; `retry`, `listing` and `discovery` build reads of several requests on it.
Decisions about an answer belong in `rules`, attempts and pace in `engine`. aiohttp's errors never
leave this folder.
"""
