"""Runs that the tests of steering plan, and what `status` says of them."""

from typing import Any

from tests.e2e.tool import Tool, plan


def paint(rate: str = "1000/s", **more: Any) -> dict[str, Any]:
    return plan(
        "paint",
        {"kinds": ["jobs.batch"], "selector": "app"},
        patch={"labels": {"colour": "red"}},
        pace={"rate": rate, "burst": 1, "concurrency": 4},
        **more,
    )


def planned(tool: Tool) -> str:
    result = tool.run("plan", tool.write("plan.yaml", paint()), "-o", "json")
    assert result.code == 0, result.err
    run: str = result.json["run"]
    return run


def status(tool: Tool, run: object = "paint") -> Any:
    return tool.run("status", run, "-o", "json").json
