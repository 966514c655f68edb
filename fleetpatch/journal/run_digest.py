"""The digest of a run: what a reviewer of a preview has read.

It is computed from the digest of the plan, the servers, and the targets with their values before
and after the change. Neither the order of a list nor the versions of the objects change it, so two
previews of one plan on an unchanged fleet have the same digest. It is computed from what the run
file holds, whenever it is needed, and is not stored.
"""

import hashlib
import json
from functools import lru_cache
from typing import Final

from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.addresses import normalized

_TARGETS: Final = """
SELECT t.cluster, r.api_group, r.plural, t.namespace, t.name, t.uid, t.before, t.wanted
FROM targets t JOIN resources r ON r.id = t.resource ORDER BY 1, 2, 3, 4, 5, 6
"""


def run_digest(run: RunFile) -> str:
    """Return the digest of a run: `sha256:` and 64 hexadecimal digits. Reads all targets."""
    # With other names of contexts the servers are the same.
    servers = [[normalized(one.server), one.route] for one in run.info.clusters]
    digest = hashlib.sha256(_text([run.info.plan_digest, servers]))
    with run.database.decoding():
        for *identity, before, wanted in run.database.rows(_TARGETS):
            digest.update(_text([*identity, _sorted(before), wanted and _sorted(wanted)]))
    return f"sha256:{digest.hexdigest()}"


@lru_cache(maxsize=1024)
def _sorted(fields: str) -> list[list[object]]:
    """Sort fields by their paths: their order follows that of the keys in the plan file."""
    return sorted(json.loads(fields), key=lambda field: _text(field[0]))


def _text(value: object) -> bytes:
    # With a line end, so that the texts of two values cannot be divided in another way.
    return f"{json.dumps(value, sort_keys=True)}\n".encode()
