"""Every query of the dashboard and of the alerts names metrics and labels that exist."""

import pytest

from fleetpatch.metrics import catalog
from fleetpatch.metrics.catalog import METRICS, Kind
from tests.monitoring.queries import alert_queries, dashboard, dashboard_queries, named

LABELS = {
    series: {"plan", *metric.labels, *({"le"} if metric.kind is Kind.HISTOGRAM else ())}
    for metric in METRICS
    for series in metric.series
}
OF_PROMETHEUS = {"job", "instance"}
QUERIES = [*dashboard_queries(), *alert_queries().values()]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_names_what_exists(query: str) -> None:
    found = list(named(query))
    series = {name for name, _ in found if name}
    known = {label for name in series for label in LABELS[name]} | OF_PROMETHEUS

    assert series
    for name, labels in found:
        assert labels <= (LABELS[name] if name else known), f"{name or 'by, on'}: {labels}"


def test_a_query_that_names_a_metric_or_a_label_that_is_not_there_is_noticed() -> None:
    assert list(named('sum by (plan) (rate(a{x="1", y=~".*"}[1m])) > 0 and b')) == [
        ("", {"plan"}),
        ("a", {"x", "y"}),
        ("b", set()),
    ]


def test_the_dashboard_shows_every_metric() -> None:
    shown = {name for query in dashboard_queries() for name, _ in named(query)}

    missing = {metric.name for metric in METRICS if not shown.intersection(metric.series)}
    # It is for the alert on a process that has died.
    assert missing == {catalog.LAST_REPORT.name}


def test_the_variables_of_the_dashboard_are_labels_of_metrics() -> None:
    variables = {one["name"]: one for one in dashboard()["templating"]["list"]}

    assert variables["plan"]["definition"] == "label_values(fleetpatch_running, plan)"
    cluster = 'label_values(fleetpatch_targets{plan=~"$plan"}, cluster)'
    assert variables["cluster"]["definition"] == cluster
    assert "cluster" in LABELS["fleetpatch_targets"]


def test_panels_do_not_overlap() -> None:
    places = [
        {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        for at in (panel["gridPos"] for panel in dashboard()["panels"])
    ]

    assert sum(map(len, places)) == len(set().union(*places))
    assert all(x < 24 for place in places for x, _ in place)
