"""Commands that write metrics."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.calling import Caller, Ended
from tests.cli.conftest import marking
from tests.e2e.tool import Tool


@pytest.fixture
def apply(call: Caller, tool: Tool) -> Callable[..., Ended]:
    """Apply a plan of this name with metrics in `m.prom`."""

    def apply(name: str, *words: object, **more: Any) -> Ended:
        plan = tool.write(f"{name}.yaml", marking(name, **more))
        return call("apply", plan, "-y", "-o", "json", "--metrics-file", "m.prom", *words)

    return apply
