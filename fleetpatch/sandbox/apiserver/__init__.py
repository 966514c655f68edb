"""The API of the sandbox as functions over a store, without a socket.

`api` answers a request: `routes` and `discovery` know the paths, `lists` and `writes` carry out the
verbs, `objects` decodes and validates what is written, and `statuses` has the replies. Answers and
their texts are those of kube-apiserver 1.20. HTTP and faults are outside of this folder.
"""
