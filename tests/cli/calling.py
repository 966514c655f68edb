"""The command line, called within this process: as fast as it gets, for the many small cases."""

import sys
from dataclasses import dataclass

import pytest

from fleetpatch.cli import app
from tests.e2e.tool import Ended


@dataclass(frozen=True)
class Caller:
    """Calls `main` with other arguments, and takes what it prints and its exit code."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *words: object) -> Ended:
        self.capsys.readouterr()
        self.monkeypatch.setattr(sys, "argv", ["fleetpatch", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            app.main()
        printed = self.capsys.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return Ended(code, printed.out, printed.err)
