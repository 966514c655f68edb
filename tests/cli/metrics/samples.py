"""Samples in the text format of Prometheus, as tests compare them."""

from fleetpatch.metrics import prometheus


def figures(text: str) -> dict[str, float]:
    """Return samples by their series, such as `last_exit_code` and `targets applied`."""
    shown = {}
    for one in prometheus.parse(text):
        labels = [value for key, value in one.labels.items() if key not in ("plan", "cluster")]
        shown[" ".join([one.name.removeprefix("fleetpatch_"), *labels])] = one.value
    return shown


def plans(text: str) -> set[str]:
    return {one.labels["plan"] for one in prometheus.parse(text)}
