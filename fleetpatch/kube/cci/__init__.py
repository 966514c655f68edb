"""Makes a `Connection` to Huawei Cloud CCI from the `auth` of a plan.

`connect` logs in with a token, with IAM (`iam`), or with an access key (`access_key`). The tables
of what CCI's API accepts are not here, but in `fleetpatch.model.providers`.
"""
