"""Sends traces by OpenTelemetry; only `otel.py` imports it, which is an extra."""
