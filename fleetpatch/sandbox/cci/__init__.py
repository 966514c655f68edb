"""The sandbox as Huawei Cloud CCI: the gateway before the API, and the limits of a PATCH.

This folder has the gateway, which authenticates requests and answers with its own errors; IAM,
which issues tokens; the verification of signatures by access keys; and the limits of a PATCH. A
request that passes is answered by the same API as for Kubernetes (`fleetpatch.sandbox.apiserver`).
"""
