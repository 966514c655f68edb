"""The run file against a model of it made of plain dicts.

Covered: any interleaving of add, then claim, give back, record, close, reopen; reading beside it.
Not covered: crashes and damage.
"""

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fleetpatch.journal import queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.outcome import OUTCOME_OF, Reason, Settlement
from fleetpatch.model.ports import Draft
from fleetpatch.model.run import Standing
from fleetpatch.model.target import Target, TargetId
from tests.journal.makers import JOBS, TFJOBS, draft, make

CLUSTERS = ("north", "south")

drafts = st.lists(
    st.builds(
        draft,
        st.sampled_from("abcdef"),
        cluster=st.sampled_from(CLUSTERS),
        resource=st.sampled_from([JOBS, TFJOBS]),
        namespace=st.sampled_from(["x", "y"]),
        block=st.integers(0, 3),
        ends=st.sampled_from([None, None, None, Reason.ALREADY_SET]),
    ),
    max_size=60,
)


class Run(RuleBasedStateMachine):
    """`standing` is the model: the standing of each target id."""

    @initialize(found=drafts)
    def plan(self, found: list[Draft]) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.run = make(Path(self.folder.name) / "x.run", found)
        first: dict[tuple[str, str], Draft] = {}
        for one in found:
            first.setdefault((one.cluster, one.seen.uid), one)
        order = sorted(first.values(), key=_place)
        self.cluster = {number: one.cluster for number, one in enumerate(order, 1)}
        self.standing = {
            number: Standing.UNCHANGED if one.ends else Standing.PENDING
            for number, one in enumerate(order, 1)
        }
        self.claimed: dict[int, Target] = {}

    @rule(cluster=st.sampled_from(CLUSTERS), limit=st.integers(1, 9))
    def claim(self, cluster: str, limit: int) -> None:
        targets = self.run.claim(cluster, limit=limit)
        assert [t.id for t in targets] == self.those(Standing.PENDING, cluster)[:limit]
        for target in targets:
            self.standing[target.id] = Standing.IN_DOUBT
            self.claimed[target.id] = target

    @precondition(lambda self: self.those(Standing.IN_DOUBT))
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        given = data.draw(st.sets(st.sampled_from(self.those(Standing.IN_DOUBT))))
        self.run.release([self.claimed[number] for number in given])
        self.standing.update(dict.fromkeys(given, Standing.PENDING))

    @precondition(lambda self: self.those(Standing.IN_DOUBT))
    @rule(data=st.data(), reason=st.sampled_from(Reason))
    def record(self, data: st.DataObject, reason: Reason) -> None:
        ended = data.draw(st.sets(st.sampled_from(self.those(Standing.IN_DOUBT))))
        self.run.record([Settlement(TargetId(number), reason) for number in ended])
        self.standing.update(dict.fromkeys(ended, Standing(OUTCOME_OF[reason].value)))

    @rule()
    def reopen(self) -> None:
        self.run.close()
        self.run = RunFile.open(self.run.path, write=True)

    @invariant()
    def the_file_tells_what_the_model_knows(self) -> None:
        listed = {row.target.id: row.standing for row in queries.targets(self.run)}
        assert listed == self.standing
        assert list(listed) == sorted(listed)
        for cluster in CLUSTERS:
            doubtful = self.run.in_doubt(cluster, after=0, limit=100)
            assert [t.id for t in doubtful] == self.those(Standing.IN_DOUBT, cluster)
        with RunFile.open(self.run.path) as reader:
            assert queries.summary(reader) == queries.summary(self.run)

    def teardown(self) -> None:
        self.run.close()
        self.folder.cleanup()

    def those(self, standing: Standing, cluster: str = "") -> list[int]:
        return [
            number
            for number, one in self.standing.items()
            if one is standing and cluster in ("", self.cluster[number])
        ]


def _place(one: Draft) -> tuple[int, str, str, str]:
    return (
        CLUSTERS.index(one.cluster),
        one.resource.name,
        one.seen.namespace,
        one.seen.name,
    )


TestRun = Run.TestCase
TestRun.settings = settings(
    max_examples=25,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
