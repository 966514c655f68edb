"""The plan file: from YAML text to a checked, immutable `Plan`, and to its digest.

text -> nodes -> plain tree with places (`yaml`) -> findings (`section`, `checks`) -> all problems
at once, or a `Plan` (`schema`, with a module for each larger section). Other folders import `load`,
which joins these steps, and `schema`. What does not belong here: anything that asks a cluster, and
what a plan expands to. This file imports nothing, since loading ruamel.yaml is slow.
"""
