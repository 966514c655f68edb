"""Floor 4: speaking to API servers.

Here live kubeconfig and credentials, log-ins to CCI, discovery, paged lists, GET and PATCH. The
port `Cluster` is kept by `client.ApiServer`, and `opening` makes one. What does not belong here:
what an answer means (`rules`), attempts and pace (`engine`). aiohttp's errors never leave this
folder.
"""
