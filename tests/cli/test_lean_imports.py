"""What libraries do not load at the start of a verb that sends requests.

Covered: the packages and files that are left out, what is restored afterwards, a library that needs
what is hidden. Left out: that servers and proxies are still verified (tests/kube/test_tls.py).
"""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from fleetpatch.cli import lean_imports, verbs
from tests.e2e.tool import Tool

LOADED = """
import os, sys
from fleetpatch.cli.lean_imports import load_libraries
load_libraries()
import aiohttp, structlog, tenacity
left_out = {"rich", "tornado"} - sys.modules.keys()
variables = os.environ.keys() & {"SSL_CERT_FILE"}
import rich
print(sorted(left_out), sorted(variables), rich.__name__)
"""


def test_libraries_leave_out_what_is_not_used_and_the_process_has_it_afterwards(
    tool: Tool,
) -> None:
    command = [sys.executable, "-c", LOADED]
    ended = subprocess.run(
        command, env=tool.environment, capture_output=True, text=True, check=True
    )

    assert ended.stdout == "['rich', 'tornado'] [] rich\n"


def test_every_verb_that_sends_requests_imports_its_libraries_in_this_way() -> None:
    sources = {path.stem: path.read_text() for path in Path(verbs.__file__).parent.glob("*.py")}
    # Each of them has an option for the time that a request may take.
    sending = {verb for verb, source in sources.items() if "request_timeout: " in source}

    assert {"apply", "label", "plan"} <= sending
    assert [verb for verb in sending if "    load_libraries()\n" not in sources[verb]] == []


def test_a_library_that_needs_what_is_hidden_is_imported_in_the_usual_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needy_library.py").write_text("import hidden_library\n")
    (tmp_path / "hidden_library.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(lean_imports, "_LIBRARIES", ("needy_library",))
    monkeypatch.setattr(lean_imports, "_NOT_USED", ("hidden_library",))

    lean_imports.load_libraries()

    assert import_module("needy_library").hidden_library is import_module("hidden_library")


def test_variables_that_were_set_are_set_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "authorities.pem")
    monkeypatch.setattr(lean_imports, "_LIBRARIES", ())

    lean_imports.load_libraries()

    assert os.environ["SSL_CERT_FILE"] == "authorities.pem"
