"""Logging in to Huawei Cloud CCI: a token (`token`), IAM (`iam`), or an access key (`access_key`).

`connecting` joins them: from what a plan says to a `Connection`. Nothing here knows what CCI's API
takes; that stands in `fleetpatch.model.providers`.
"""
