"""A plan file's text: from bytes to a plain tree that knows the line and column of each value."""
