"""`kubectl_complete-fleetpatch`: completes `kubectl fleetpatch`.

kubectl calls it with the words after `kubectl fleetpatch`, of which the last one is to be completed
and may be empty. It prints a candidate a line, and a directive of cobra at the end.
"""

import sys
from typing import NoReturn

from fleetpatch.cli.app import VERBS, exit_with, refuse_undecodable, reporting
from fleetpatch.cli.completion import candidates, described

_DEFAULT = 0
"""The shell completes files."""
_NO_SPACE = 2
_NO_FILES = 4


def main() -> NoReturn:
    """Print the candidates for the command line in `sys.argv`, and exit."""
    exit_with(lambda: reporting(_answer))


def _answer() -> int:
    refuse_undecodable(sys.argv[1:])
    *words, incomplete = sys.argv[1:] or [""]
    found = candidates(VERBS, words, incomplete)
    directive = _NO_FILES if found else _DEFAULT
    if any(one.value.endswith(("/", "=")) for one in found):
        directive |= _NO_SPACE
    sys.stdout.writelines(f"{line}\n" for line in [*described(found), f":{directive}"])
    return 0
