"""The samples of all metrics, from values: what they are, and that their labels are bounded."""

from collections import Counter
from math import inf
from typing import Any

import pytest

from fleetpatch.metrics import catalog, prometheus
from fleetpatch.metrics.samples import MAX_CLUSTERS, OTHER, Last, Sample, Snapshot, samples_of
from fleetpatch.model.live import ClusterLoad, Live, Wave, WorkerLoad
from fleetpatch.model.outcome import Outcome, Reason
from fleetpatch.model.pace import Pace, PaceCause
from fleetpatch.model.run import RunState, Tally, WaveProgress
from fleetpatch.model.traffic import BOUNDS, Traffic, bucket_of
from fleetpatch.model.verification import Verification, VerifyResult
from fleetpatch.model.window import Window
from tests.plans import plan_from
from tests.report.samples import a_summary
from tests.values import replace

MONDAY = 1_772_409_600.0  # 2 March 2026, 00:00 UTC
HOUR = 3600.0
TRAFFIC = Traffic(
    {("patch", "200"): 7, ("patch", "409"): 2, ("patch", "timeout"): 1, ("get", "404"): 3},
    {bucket_of(0.02): 9, bucket_of(70.0): 1},
    70.18,
)
LOAD = ClusterLoad(3, Pace(8, 50.0, PaceCause.REFUSALS), TRAFFIC, {"retry": 4, "in doubt": 1})


def a_window() -> Window:
    plan = plan_from(
        {
            "metadata": {"name": "x"},
            "targets": [{"kinds": ["jobs.batch"]}],
            "patch": {"labels": {"a": "1"}},
            "window": {"opens": "0 2 * * *", "lasts": "1h", "timezone": "UTC", "drain": "5m"},
        }
    )
    assert plan.window is not None
    return plan.window.window()


def a_snapshot(**more: Any) -> Snapshot:
    tally = Tally(pending=5, in_doubt=1, applied=20, failed=2)
    summary = a_summary(
        RunState.RUNNING,
        tally,
        {Outcome.APPLIED: {Reason.PATCHED: 20}, Outcome.FAILED: {Reason.REJECTED: 2}},
    )
    results = {"a": {VerifyResult.HOLDS: 18, VerifyResult.REVERTED: 2}}
    summary = replace(
        summary,
        by_cluster={"a": tally},
        waves=(WaveProgress(1, 0, 1),) * 3,
        verification=Verification(MONDAY - 9, MONDAY - 8, "me@here", results),
    )
    live = Live(1.0, 1.0, 3, {}, wave=Wave(2, 3), ends_at=MONDAY + 60, workers={"0": WorkerLoad()})
    known = Snapshot(
        "nightly", "apply", MONDAY - 5, MONDAY, summary=summary, live=live, loads={"a": LOAD}
    )
    return replace(known, **more)


def values(snapshot: Snapshot) -> dict[str, float]:
    """Return the values by metric and label values, without plan and without buckets."""
    found = {}
    for _, samples in samples_of(snapshot):
        for one in samples:
            labels = [value for key, value in one.labels.items() if key != "plan"]
            found[" ".join([one.name.removeprefix("fleetpatch_"), *labels])] = one.value
    return found


def test_all_metrics_are_computed_of_a_run_under_way() -> None:
    assert (
        values(a_snapshot(last=Last(1.0, 7, "unreachable", 2.0))).items()
        >= {
            "running apply": 1,
            "last_start_timestamp_seconds": MONDAY - 5,
            "last_report_timestamp_seconds": MONDAY,
            "last_end_timestamp_seconds": 1.0,
            "last_success_timestamp_seconds": 2.0,
            "last_exit_code": 7,
            "last_cause unreachable": 1,
            "targets a pending": 5,
            "targets a in-doubt": 1,
            "targets a applied": 20,
            "targets a unchanged": 0,
            "targets a skipped": 0,
            "targets a failed": 2,
            "ended_targets applied patched": 20,
            "ended_targets failed rejected": 2,
            "verified_targets a holds": 18,
            "verified_targets a reverted": 2,
            "verified_targets a gone": 0,
            "last_verification_timestamp_seconds": MONDAY - 8,
            "waves": 3,
            "wave": 2,
            "workers": 1,
            "expected_end_timestamp_seconds": MONDAY + 60,
            "window_open": 1,
            "window_opens_timestamp_seconds": 0,
            "window_closes_timestamp_seconds": 0,
            "requests_total a patch 200": 7,
            "requests_total a patch 409": 2,
            "requests_total a patch timeout": 1,
            "requests_total a get 404": 3,
            "conflicts_total a": 2,
            "retries_total a retry": 4,
            "retries_total a in-doubt": 1,
            "requests_in_flight a": 3,
            "pace_limit_requests_in_flight a": 8,
            "pace_limit_requests_per_second a": 50.0,
            "pace_cause a refusals": 1,
            "pace_cause a work": 0,
            "patch_duration_seconds_count a": 10,
            "patch_duration_seconds_sum a": 70.18,
            "patch_duration_seconds_bucket a 0.015": 0,
            "patch_duration_seconds_bucket a 0.025": 9,
            "patch_duration_seconds_bucket a 60.0": 9,
            "patch_duration_seconds_bucket a +Inf": 10,
        }.items()
    )


def test_each_metric_of_the_catalog_has_samples_with_its_labels() -> None:
    found = dict(samples_of(a_snapshot(last=Last(1.0, 0, "", 2.0))))

    assert tuple(found) == catalog.METRICS
    for metric, samples in found.items():
        for one in samples:
            assert one.name in metric.series
            assert set(one.labels) - {"le"} == {"plan", *metric.labels}
            assert one.labels["plan"] == "nightly"
    assert len({metric.name for metric in catalog.METRICS}) == len(catalog.METRICS)


def test_after_the_end_nothing_is_in_flight_and_nothing_limits_the_pace() -> None:
    shown = values(a_snapshot(is_running=False))

    assert shown["running apply"] == shown["requests_in_flight a"] == 0
    assert shown["wave"] == shown["workers"] == shown["expected_end_timestamp_seconds"] == 0
    assert not any(shown[f"pace_cause a {cause}"] for cause in PaceCause)
    assert shown["requests_total a patch 200"] == 7


def test_without_a_run_only_the_command_is_shown() -> None:
    snapshot = Snapshot("nightly", "apply", MONDAY, MONDAY)

    names = {name.partition(" ")[0] for name in values(snapshot)}

    assert "targets" not in names
    assert "last_exit_code" not in names
    assert {"running", "window_open", "build_info"} <= names


@pytest.mark.parametrize(
    ("at", "is_open", "opens", "closes"),
    [
        pytest.param(MONDAY, 0, MONDAY + 2 * HOUR, 0, id="before"),
        pytest.param(MONDAY + 2.5 * HOUR, 1, MONDAY + 26 * HOUR, MONDAY + 3 * HOUR, id="open"),
        pytest.param(MONDAY + 2.95 * HOUR, 0, MONDAY + 26 * HOUR, MONDAY + 3 * HOUR, id="drain"),
        pytest.param(MONDAY + 3 * HOUR, 0, MONDAY + 26 * HOUR, 0, id="after"),
    ],
)
def test_the_window_is_shown_as_it_is_now(
    at: float, is_open: int, opens: float, closes: float
) -> None:
    shown = values(a_snapshot(window=a_window(), at=at))

    assert shown["window_open"] == is_open
    assert shown["window_opens_timestamp_seconds"] == opens
    assert shown["window_closes_timestamp_seconds"] == closes


def test_clusters_beyond_the_limit_are_added_up() -> None:
    names = [f"c{number:03}" for number in range(MAX_CLUSTERS + 3)]
    summary = replace(a_snapshot().summary, by_cluster=dict.fromkeys(names, Tally(applied=1)))
    unlimited = replace(LOAD, pace=Pace(4, None, PaceCause.WORK))
    loads = dict.fromkeys(names, LOAD) | {names[-1]: unlimited}

    shown = values(a_snapshot(summary=summary, loads=loads))

    clusters = {key.split(" ")[1] for key in shown if key.startswith("targets ")}
    assert clusters == {*names[:MAX_CLUSTERS], OTHER}
    assert shown[f"targets {OTHER} applied"] == 3
    assert shown[f"requests_total {OTHER} patch 200"] == 21
    assert shown[f"patch_duration_seconds_count {OTHER}"] == 30
    assert shown[f"requests_in_flight {OTHER}"] == 9
    assert shown[f"pace_limit_requests_in_flight {OTHER}"] == 20
    assert shown[f"pace_limit_requests_per_second {OTHER}"] == inf
    assert shown[f"pace_cause {OTHER} refusals"] == 2
    assert shown[f"retries_total {OTHER} retry"] == 12


def test_a_server_cannot_make_ever_more_series_by_its_statuses() -> None:
    answers = {("patch", str(status)): 1 for status in range(1000)}
    load = replace(LOAD, traffic=Traffic(answers))

    samples = dict(samples_of(a_snapshot(loads={"a": load})))[catalog.REQUESTS]

    statuses = {one.labels["status"] for one in samples}
    assert {"200", "409", "422", "429", "503", "1xx", "5xx", OTHER} <= statuses
    assert len(statuses) < 30
    assert sum(one.value for one in samples) == 1000


def test_a_hostile_name_of_a_cluster_stays_within_its_label() -> None:
    name = 'a"} 1\n# TYPE evil counter\nevil\\n{x="\n'
    snapshot = a_snapshot(loads={name: LOAD})

    text = prometheus.text_of(lambda: samples_of(snapshot)).decode()

    read = Counter(one.name for one in prometheus.parse(text))
    written = Counter(one.name for _, samples in samples_of(snapshot) for one in samples)
    assert read == written
    assert any(one.labels.get("cluster") == name for one in prometheus.parse(text))


def test_what_is_written_is_read_again() -> None:
    snapshot = a_snapshot(last=Last(1.0, 0, "", 2.0))

    text = prometheus.text_of(lambda: samples_of(snapshot)).decode()

    written = [one for _, samples in samples_of(snapshot) for one in samples]
    assert list(prometheus.parse(text)) == [
        Sample(o.name, dict(o.labels), o.value) for o in written
    ]
    assert text.count("# TYPE fleetpatch_patch_duration_seconds histogram") == 1
    assert text.count("# TYPE fleetpatch_requests_total counter") == 1


def test_there_are_as_many_buckets_as_bounds_and_one_more() -> None:
    [*buckets] = dict(samples_of(a_snapshot()))[catalog.DURATION]

    assert len(buckets) == len(BOUNDS) + 1 + 2
