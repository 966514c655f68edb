"""Checks that need more than one value of a plan, or that find harmful values.

Each module checks one part of the plain tree, which may contain anything, and yields findings. What
does not belong here: the form of a single value, which the models describe (`plan.schema`).
"""
