"""Shows a command to Prometheus: as a file, on a port, or by a Pushgateway.

`catalog.py` declares all metrics, `samples.py` computes them from what is known of the command, and
`monitor.py` writes them. Only `prometheus.py` imports `prometheus_client`, an extra.
"""
