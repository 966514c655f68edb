"""Label and field selectors: values that parse, render and match as the API server does."""
