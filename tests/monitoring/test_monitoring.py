"""Live runs, seen by the real Prometheus, node_exporter, Pushgateway and promtool.

Covered: a file, a push and a port; queries return the figures of the run file; a run that a signal
ends; every query of the dashboard; every alert. Left out: options (tests/cli).
"""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import needs
from tests.cli.conftest import marking
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool, end, eventually
from tests.monitoring.programs import RULES, Monitoring, monitoring
from tests.monitoring.queries import alert_queries, dashboard_queries

JOBS = 40


@pytest.fixture(scope="module")
def programs() -> Path:
    """Find the programs; without them the tests are skipped, or fail in CI."""
    return Path(needs.found_by("monitoring"))


@pytest.fixture(scope="module")
def seen(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitoring]:
    """The programs, which all tests of this module share; each has a plan of its own."""
    with monitoring(programs, tmp_path_factory.mktemp("monitoring")) as started:
        yield started


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    with sandbox(Tool(tmp_path_factory.mktemp("server")), jobs=5 * JOBS) as served:
        yield served


@pytest.fixture
def tool(tmp_path: Path, server: SandboxServer) -> Tool:
    return Tool(tmp_path, server.kubeconfig)


def same_as_the_run_file(seen: Monitoring, plan: str, run: Any) -> None:
    """Compare what Prometheus has of a plan with the summary of its run."""
    of_plan = f'{{plan="{plan}"}}'
    outcomes = seen.query(f"sum by (state) (fleetpatch_targets{of_plan})")
    in_doubt = outcomes.pop("in-doubt")
    outcomes["pending"] += in_doubt
    assert outcomes == run["outcomes"]
    reasons = seen.query(f"fleetpatch_ended_targets{of_plan}")
    assert reasons == {
        f"{outcome} {reason}": count
        for outcome, counts in run["reasons"].items()
        for reason, count in counts.items()
    }
    requests = seen.query(f"sum by (verb) (fleetpatch_requests_total{of_plan})")
    assert requests["patch"] == run["requests"]["patch"]
    [count] = seen.query(f"sum(fleetpatch_patch_duration_seconds_count{of_plan})").values()
    assert count == run["requests"]["patch"]


def test_node_exporter_collects_the_file_of_each_plan(seen: Monitoring, tool: Tool) -> None:
    runs = {}
    for name in ("textfile-one", "textfile-two"):
        plan = tool.write(f"{name}.yaml", marking(name))
        ended = tool.run("apply", plan, "--yes", "-o", "json", "--metrics-file", seen.textfiles)
        assert ended.code == 0, ended.err
        runs[name] = ended.json

    for name, run in runs.items():
        ended_with = seen.wait_for(f'fleetpatch_last_exit_code{{plan="{name}"}}')
        assert list(ended_with.values()) == [0]
        same_as_the_run_file(seen, name, run)
    assert seen.query("node_textfile_scrape_error") == {"": 0}


def test_the_pushgateway_keeps_the_last_figures_of_a_plan(seen: Monitoring, tool: Tool) -> None:
    plan = tool.write("pushed.yaml", marking("pushed"))

    ended = tool.run("apply", plan, "--yes", "-o", "json", "--metrics-push", seen.gateway)

    assert ended.code == 0, ended.err
    of_plan = '{plan="pushed", job="fleetpatch"}'
    seen.wait_for(f"fleetpatch_last_exit_code{of_plan} == 0")
    same_as_the_run_file(seen, "pushed", ended.json)
    success = seen.query(f"fleetpatch_last_success_timestamp_seconds{of_plan}")

    broken = tool.write("pushed.yaml", "kind: Plan\n")
    assert tool.run("apply", broken, "--yes", "--metrics-push", seen.gateway).code == 2

    assert seen.wait_for(f"fleetpatch_last_exit_code{of_plan} == 2")
    assert seen.wait_for(f"fleetpatch_last_cause{of_plan}") == {"usage": 1}
    # What the refused command did not know is kept.
    assert seen.query(f"fleetpatch_last_success_timestamp_seconds{of_plan}") == success
    same_as_the_run_file(seen, "pushed", ended.json)


def test_a_live_run_is_scraped_and_its_end_by_a_signal_is_shown(
    seen: Monitoring, tool: Tool
) -> None:
    plan = tool.write("live.yaml", marking("live", pace={"rate": "12/m", "burst": 1}))
    process = tool.start(
        *("apply", plan, "--yes", "-o", "json"),
        *("--metrics-listen", f"127.0.0.1:{seen.listen}", "--metrics-file", seen.textfiles),
    )
    try:
        scraped = '{plan="live", job="listen"}'
        seen.wait_for(f"fleetpatch_running{scraped} == 1")
        seen.wait_for('fleetpatch_requests_total{plan="live", job="listen", verb="patch"} > 1')
        assert seen.wait_for(f"fleetpatch_pace_limit_requests_per_second{scraped}") == {"": 0.2}
        causes = seen.wait_for(f"fleetpatch_pace_cause{scraped} == 1")
        assert list(causes) == ["rate"]
        pending = seen.wait_for('fleetpatch_targets{plan="live", job="listen", state="pending"}')
        assert pending["pending"] > 0
        for query in dashboard_queries():
            seen.get("query", query=query.replace('plan=~".*"', 'plan="live"'))
        process.send_signal(signal.SIGTERM)
    finally:
        ended = end(process)

    assert ended.code == 5, ended.err
    written = '{plan="live", job="node"}'
    seen.wait_for(f"fleetpatch_last_exit_code{written} == 5")
    assert seen.wait_for(f"fleetpatch_last_cause{written}") == {"interrupted": 1}
    eventually(lambda: not seen.query(f"fleetpatch_running{scraped}"), "the port is closed")


def test_a_second_signal_is_shown_too(seen: Monitoring, tool: Tool) -> None:
    plan = tool.write("killed.yaml", marking("killed", pace={"rate": "12/m", "burst": 1}))
    process = tool.start("apply", plan, "--yes", "--metrics-file", seen.textfiles)
    file = seen.textfiles / "fleetpatch_killed.prom"
    try:
        eventually(file.exists, "the command has begun")
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
    finally:
        ended = end(process)

    assert ended.code == 5, ended.err
    of_plan = '{plan="killed"}'
    seen.wait_for(f"fleetpatch_last_exit_code{of_plan} == 5")
    assert seen.wait_for(f"fleetpatch_last_cause{of_plan}") == {"interrupted": 1}


def test_every_query_of_the_dashboard_is_valid(seen: Monitoring) -> None:
    for query in dashboard_queries():
        seen.get("query", query=query)


def test_every_alert_is_loaded_and_evaluated(seen: Monitoring) -> None:
    def rules() -> Any:
        [group] = seen.get("rules")["groups"]
        return group["rules"]

    eventually(lambda: all(one["health"] == "ok" for one in rules()), "all alerts are evaluated")

    assert {one["name"] for one in rules()} == set(alert_queries())


def test_the_alerts_pass_their_own_tests(programs: Path) -> None:
    tests = RULES.with_name("fleetpatch.rules.test.yml")

    run = subprocess.run(
        [programs / "promtool", "test", "rules", tests.name],
        cwd=tests.parent,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    untested = [name for name in alert_queries() if f"alertname: {name}" not in tests.read_text()]
    assert untested == []


def test_names_and_types_follow_the_conventions(programs: Path, seen: Monitoring) -> None:
    file = seen.textfiles / "fleetpatch_textfile-one.prom"

    run = subprocess.run(
        [programs / "promtool", "check", "metrics"],
        input=file.read_bytes(),
        capture_output=True,
        check=False,
    )

    assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")
