"""The seal of a run file: a checksum over what is fixed once the run is planned.

`meta.sealed` is computed when the survey ends, over the run's facts, clusters, resources, waves and
targets. It is computed again before the run is applied or resumed, and a run whose checksum differs
is refused: what was reviewed must be what is patched. Run files of the versions in `_UNSEALED` may
have no checksum.
"""

import hashlib
from typing import Final

from fleetpatch.journal.database import Database

_KEY: Final = "sealed"
_UNSEALED: Final = frozenset({"0.1.0"})
"""The versions of fleetpatch (`meta.tool_version`) of which some builds wrote no checksum."""
_ROWS: Final = 500
_FACTS: Final = """
SELECT key, value FROM meta WHERE key IN ('run', 'plan_name', 'plan', 'created_at', 'created_by',
    'tool_version', 'dry_run', 'undo_of', 'waves', 'releases', 'schemas', 'description',
    'annotations', 'missing', 'plan_folder')
ORDER BY key
"""
_FIXED: Final = (
    _FACTS,
    "SELECT id, name, server, context, first, last FROM clusters ORDER BY id",
    "SELECT * FROM resources ORDER BY id",
    "SELECT * FROM targets ORDER BY id",
    "SELECT * FROM computed ORDER BY target",
    "SELECT * FROM dependents ORDER BY target",
    "SELECT * FROM tables",
)
"""What never changes after the seal. `plan_digest` is left out, since that of an undo is computed
from the seal."""


def compute(database: Database) -> str:
    """Compute the checksum over what the file holds now, as hexadecimal digits."""
    checksum = hashlib.sha256()
    for query in _FIXED:
        # Many at a time: a call for each row would take as long as reading it.
        for some in database.batches(query, _ROWS):
            # repr keeps types apart: the text '1' and the number 1 must differ.
            checksum.update("".join(map(repr, some)).encode("utf-8", "surrogatepass"))
    return checksum.hexdigest()


def store(database: Database) -> str:
    """Store the checksum, within the transaction that fixes what it covers; return it."""
    checksum = compute(database)
    database.put([(_KEY, checksum)])
    return checksum


def stored(database: Database) -> str:
    """Read the checksum; empty in a run file that has none."""
    return str(database.meta().get(_KEY, ""))


def is_intact(database: Database, tool_version: str) -> bool:
    """Return whether a file that this version planned has the checksum of what it holds now."""
    if checksum := stored(database):
        return checksum == compute(database)
    # A file without a checksum is accepted only from versions that did not write one.
    return tool_version in _UNSEALED
