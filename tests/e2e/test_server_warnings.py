"""What servers warn of is in the log once, and in the summary with its count.

Left out: how headers are read, bounded and masked (tests/kube/http/test_server_warnings.py).
"""

from typing import Any

from tests.e2e.stubs import KIND, configure, stub
from tests.e2e.tool import Tool, plan

BLOCK = {"kinds": [KIND], "selector": "app=x", "namespaces": ["ns"]}
OLD = "v1 Training is deprecated"
NAMES = ("a", "b", "c")


def logged(tool: Tool, run_file: str) -> list[dict[str, Any]]:
    return [line for line in tool.log(run_file) if line["event"] == "server.warning"]


def test_a_warning_is_logged_once_and_counted_over_all_sessions(tool: Tool) -> None:
    with stub({name: {"spec": {}} for name in NAMES}) as server:
        configure(tool, server)
        server.headers = [("Warning", f'299 - "{OLD}"')]
        file = tool.write("plan.yaml", plan("warned", BLOCK, patch={"labels": {"team": "red"}}))
        shown = tool.run("plan", file).out
        asked = len(server.sent)
        assert f"Warnings from the servers:\n{asked:>20}  {OLD}\n" in shown
        planned = tool.run("status", "warned", "-o", "json").json["warnings"]
        assert planned == [{"text": OLD, "count": asked}]

        applied = tool.run("apply", "warned", "--yes", "-o", "json")

    assert applied.code == 0, applied.err
    [warning] = applied.json["warnings"]
    assert warning == {"text": OLD, "count": len(server.sent)}
    [line] = logged(tool, applied.json["runFile"])
    assert (line["cluster"], line["detail"], line["level"]) == ("c0", OLD, "warning")
    shown = tool.run("status", "warned").out
    assert f"Warnings from the servers:\n{len(server.sent):>20}  {OLD}\n" in shown


def test_a_warning_that_comes_only_later_is_logged_then(tool: Tool) -> None:
    with stub({name: {"spec": {}} for name in NAMES}) as server:
        configure(tool, server)
        file = tool.write("plan.yaml", plan("warned", BLOCK, patch={"labels": {"team": "red"}}))
        assert tool.run("plan", file).code == 0
        server.headers = [("Warning", '299 - "unknown field \\"spec.x\\""'), ("Warning", "junk")]
        applied = tool.run("apply", "warned", "--yes", "-o", "json")

    assert applied.json["warnings"] == [{"text": 'unknown field "spec.x"', "count": len(NAMES)}]
    assert len(logged(tool, applied.json["runFile"])) == 1


def test_a_verification_counts_its_warnings_too(tool: Tool) -> None:
    with stub({name: {"spec": {}} for name in NAMES}) as server:
        configure(tool, server)
        file = tool.write("plan.yaml", plan("warned", BLOCK, patch={"labels": {"team": "red"}}))
        assert tool.run("apply", file, "--yes").code == 0
        sent = len(server.sent)
        server.headers = [("Warning", f'299 - "{OLD}"')]

        verified = tool.run("verify", "warned", "-o", "json")

    assert verified.code == 0, verified.err
    warnings = tool.run("status", "warned", "-o", "json").json["warnings"]
    assert warnings == [{"text": OLD, "count": len(server.sent) - sent}]


def test_a_run_without_warnings_does_not_mention_them(tool: Tool) -> None:
    with stub({"a": {"spec": {}}}) as server:
        configure(tool, server)
        file = tool.write("plan.yaml", plan("warned", BLOCK, patch={"labels": {"team": "red"}}))
        applied = tool.run("apply", file, "--yes", "-o", "json")

    assert applied.json["warnings"] == []
    assert "Warnings from the servers" not in tool.run("status", "warned").out
