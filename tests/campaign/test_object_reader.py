"""How the objects of a run are read again: lists first, then what they do not show.

Covered: servers that leave lists without an answer. Left out: what is done with the objects
(tests/e2e/test_verification.py, tests/e2e/test_undo.py).
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fleetpatch.campaign.object_reader import Found, NotRead, ObjectReader
from fleetpatch.engine.writer import JournalWriter
from fleetpatch.errors import ClusterError, UnreachableError
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.unread import UnreadTargets
from fleetpatch.kube.http.decoding import ListPage
from tests.report_runs import a_plan, an_info, made_run

PLACES = 12
APPLIED = 1400


class Server:
    """A cluster whose list of this number and the next ones has no answer."""

    name = "prod-0"

    def __init__(self, silent: range) -> None:
        self.silent = silent
        self.lists = 0

    async def pages(self, *_words: object, **_more: object) -> AsyncIterator[ListPage]:
        self.lists += 1
        if self.lists in self.silent:
            raise UnreachableError("prod-0: gave up after 6 tries (timeout)")
        raise ClusterError("prod-0: 403 Forbidden")
        yield

    async def get_with_retries(self, *_words: object, **_more: object) -> Any:
        raise ClusterError("prod-0: cannot be reached")


async def read(folder: Path, server: Any) -> list[str]:
    """Read all objects; return why each of them could not be read."""
    info = an_info(a_plan(), clusters=1)
    reasons: list[str] = []

    async def found(some: Found) -> None:
        reasons.extend(one.why for _, one in some if isinstance(one, NotRead))

    path = made_run(folder / "x.run", 1560, info=info, namespaces=4)
    with RunFile.open(path, write=True) as run:
        reader = ObjectReader(UnreadTargets(run, run.ids), JournalWriter(run), found, whole=False)
        failed = await reader.run([server], [server.name], 4)
    assert [str(error) for error in failed] == ["prod-0: cannot be reached"]
    assert len(reasons) > APPLIED
    return reasons


async def test_after_two_lists_without_an_answer_no_further_ones_are_requested(
    tmp_path: Path,
) -> None:
    server = Server(range(1, 100))

    assert set(await read(tmp_path, server)) == {"prod-0: cannot be reached"}
    assert server.lists == 2


async def test_a_single_list_without_an_answer_does_not_keep_others_from_being_read(
    tmp_path: Path,
) -> None:
    server = Server(range(3, 4))

    await read(tmp_path, server)
    assert server.lists == PLACES


async def test_lists_that_are_refused_are_all_requested(tmp_path: Path) -> None:
    server = Server(range(0))

    await read(tmp_path, server)
    assert server.lists == PLACES
