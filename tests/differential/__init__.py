"""Compare the sandbox with a real API server: the same requests must get the same answers."""
