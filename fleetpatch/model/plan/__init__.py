"""The plan file: from YAML text to a checked, immutable `Plan`, and to its digest.

text -> nodes (`nodes`) -> plain tree with places (`document`) -> findings (`shape`, `checks`, ...)
-> problems, all at once, or a `Plan` (`schema`). `load` joins them and is what others import. What
does not belong here: anything that asks a cluster, and what a plan expands to. Importing the
modules loads pydantic and ruamel.yaml, which takes a while; this file imports nothing.
"""
