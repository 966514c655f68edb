"""The sandbox as Huawei Cloud CCI: what stands before the API there, and what it allows less of.

Here live the gateway, which asks who somebody is and answers errors of its own; IAM, which hands
out tokens; signatures by access keys; and the limits of a PATCH. The objects, and what a server
makes of a request that comes through, are those of the sandbox at large.
"""
