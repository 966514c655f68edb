"""From the `auth` of a plan to a `Connection` to Huawei Cloud CCI.

A cluster is logged in to by a token, by IAM (`iam`), or by an access key (`access_key`); `connect`
chooses. What CCI's API accepts is not known here, but in `fleetpatch.model.providers`.
"""
