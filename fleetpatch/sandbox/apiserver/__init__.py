"""The API of the sandbox as functions over a store, without a socket.

`api` answers a request: `routes` and `discovery` resolve the path, `lists` and `writes` carry out
the verb, `objects` decodes and validates what is written, and `statuses` has the replies. The
answers are those of the kube-apiserver of a `release`. HTTP and faults do not belong here.
"""
