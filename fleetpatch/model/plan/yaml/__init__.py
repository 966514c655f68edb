"""The text of a plan file: from bytes to a plain tree that knows line and column of each value.

bytes -> tokens (`scanner`) -> nodes (`nodes`, `scalars`) -> tree (`document`); `syntax` words the
errors of ruamel.yaml. What does not belong here: what the keys mean.
"""
