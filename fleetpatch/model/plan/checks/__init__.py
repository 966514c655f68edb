"""What the shape of a plan does not tell: values that do not go together, or that do harm.

Each module looks at one part of the plain tree, whatever is in it, and yields findings. What does
not belong here: what one value alone must look like, which the models say (`plan.schema`).
"""
