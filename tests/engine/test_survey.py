"""The survey: lists in, drafts out.

Covered: pages of several list queries, what each object ends as, inconsistent lists, `maxTargets`,
errors of a cluster and of the run file, the bound on lists under way.
Left out: duplicates (the journal's business), how pages come about (tests/kube).
"""

from collections import Counter

import pytest

from fleetpatch.engine.survey import CONCURRENT_LISTS, ListQuery, Survey
from fleetpatch.engine.writer import JournalWriter
from fleetpatch.errors import ClusterError, Refused
from fleetpatch.model.change import BodyPatch, MetadataChange, PatchType, PlanChange
from fleetpatch.model.fields import ABSENT, label
from fleetpatch.model.outcome import Reason
from fleetpatch.model.ports import Draft, Page
from fleetpatch.model.resource import Resource
from fleetpatch.rules.patching.merge_rules import MergeRules, merge_rules
from fleetpatch.rules.patching.merging import ServerMerging
from tests.fakes import JOBS, FakeCluster, FakeJournal, FakeProgress, VirtualClock, seen_job
from tests.values import replace

CHANGE = MetadataChange(labels={"team": "red"}, rename_labels={"owner": "team-owner"})
TO_PATCH = seen_job({"team": "blue"}, name="to-patch", uid="1")
DONE = seen_job({"team": "red"}, name="done", uid="2")
CLASHING = seen_job({"owner": "ann", "team-owner": "bob"}, name="clashing", uid="3")


class Expedition:
    """A survey over one cluster whose lists are given by selector."""

    def __init__(
        self, listing: dict[str, list[Page | Exception]], *, max_targets: int | None = None
    ) -> None:
        self.clock = VirtualClock()
        self.cluster = FakeCluster(self.clock, listing=listing)
        self.journal = FakeJournal()
        self.progress = FakeProgress()
        self.survey = Survey(
            CHANGE, JournalWriter(self.journal), self.progress, max_targets=max_targets
        )

    async def run(self) -> None:
        await self.survey.run(
            [
                ListQuery(self.cluster, block, JOBS, None, selector, "")
                for block, selector in enumerate(self.cluster.listing)
            ]
        )


async def test_each_object_becomes_a_draft_with_what_it_needs() -> None:
    expedition = Expedition({"app=etl": [Page([TO_PATCH, DONE]), Page([CLASHING])]})

    await expedition.run()

    absent = {label("owner"): ABSENT, label("team-owner"): ABSENT}
    clash = {label("owner"): "ann", label("team-owner"): "bob", label("team"): ABSENT}
    assert expedition.journal.drafts == [
        Draft("prod-a", JOBS, TO_PATCH, {**absent, label("team"): "blue"}, 0),
        Draft("prod-a", JOBS, DONE, {**absent, label("team"): "red"}, 0, None, Reason.ALREADY_SET),
        Draft(
            "prod-a",
            JOBS,
            CLASHING,
            clash,
            0,
            None,
            Reason.CLASH,
            "metadata.labels.team-owner is already 'bob', but owner is 'ann'",
        ),
    ]
    assert expedition.survey.found == expedition.progress.found == 3


@pytest.mark.parametrize(
    ("change", "asked"),
    [
        (MetadataChange(labels={"team": "red"}), 0),
        (MetadataChange(annotations={"team": None}), 0),
        (MetadataChange(rename_labels={"team": "group"}), 0),
        (BodyPatch(PatchType.STRATEGIC, {"metadata": {"labels": {"team": "red"}}}), 1),
    ],
    ids=str,
)
async def test_merge_rules_are_looked_up_for_a_body_only(
    change: PlanChange, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookups: list[Resource] = []

    def look_up(server: ServerMerging, resource: Resource) -> MergeRules:
        lookups.append(resource)
        return merge_rules(resource, server.release)

    monkeypatch.setattr(ServerMerging, "rules", look_up)
    planned = replace(seen_job({"team": "blue"}), whole={"metadata": {"labels": {"team": "blue"}}})
    cluster = FakeCluster(VirtualClock(), listing={"": [Page([planned])]})
    one = Survey(change, JournalWriter(FakeJournal()), FakeProgress(), max_targets=None)
    await one.run([ListQuery(cluster, 0, JOBS, None, "", "")])

    assert len(lookups) == asked


async def test_clashes_are_counted_and_the_first_is_named() -> None:
    expedition = Expedition({"a": [Page([CLASHING, TO_PATCH])], "b": [Page([CLASHING])]})

    await expedition.run()

    assert expedition.survey.clashes == 2
    assert expedition.survey.first_clash.startswith("jobs.batch team-a/clashing: metadata.labels")


async def test_drafts_name_the_block_that_selected_them() -> None:
    expedition = Expedition({"a": [Page([TO_PATCH])], "b": [Page([TO_PATCH]), Page([DONE])]})

    await expedition.run()

    blocks = [(draft.seen.name, draft.block) for draft in expedition.journal.drafts]
    assert sorted(blocks) == [("done", 1), ("to-patch", 0), ("to-patch", 1)]


async def test_empty_pages_are_pages() -> None:
    expedition = Expedition({"a": [Page([]), Page([TO_PATCH]), Page([])]})

    await expedition.run()

    assert len(expedition.journal.drafts) == 1


async def test_nothing_to_list_is_nothing_found() -> None:
    expedition = Expedition({})

    await expedition.run()

    assert expedition.survey.found == 0


async def test_inconsistent_pages_are_counted_by_cluster() -> None:
    pages: list[Page | Exception] = [Page([TO_PATCH]), Page([DONE], inconsistent=True)]
    expedition = Expedition({"a": pages})

    await expedition.run()

    assert expedition.survey.inconsistent == Counter({"prod-a": 1})


async def test_max_targets_stops_the_survey_at_the_page_too_many() -> None:
    expedition = Expedition(
        {"a": [Page([TO_PATCH]), Page([DONE]), Page([CLASHING])]}, max_targets=1
    )

    with pytest.raises(Refused, match="2 found when the survey stopped, 1 allowed"):
        await expedition.run()

    assert len(expedition.journal.drafts) == 2


async def test_an_object_that_two_blocks_list_counts_once_against_max_targets() -> None:
    expedition = Expedition({"a": [Page([TO_PATCH])], "b": [Page([TO_PATCH])]}, max_targets=1)

    await expedition.run()

    assert expedition.journal.found() == 1


async def test_distinct_objects_are_counted_again_only_when_there_can_be_too_many() -> None:
    # Four blocks list the same 100 objects, one a page; 200 are allowed.
    pages = [Page([replace(TO_PATCH, uid=f"uid-{number}")]) for number in range(100)]
    expedition = Expedition({block: list(pages) for block in "abcd"}, max_targets=200)
    counted = 0
    count = expedition.journal.found

    def found() -> int:
        nonlocal counted
        counted += 1
        return count()

    expedition.journal.found = found  # type: ignore[method-assign] # counts the calls
    await expedition.run()
    assert expedition.survey.found == 400
    assert 1 <= counted <= 4


async def test_an_error_of_one_query_is_raised_as_it_is_and_stops_the_others() -> None:
    gone = ClusterError("prod-a: the list of jobs.batch broke off")
    pages: list[Page | Exception] = [Page([TO_PATCH])] * 5
    expedition = Expedition({"a": [Page([DONE]), gone], "b": pages})
    expedition.cluster.latency = 1.0

    with pytest.raises(ClusterError) as raised:
        await expedition.run()

    assert raised.value is gone
    assert expedition.clock.monotonic() == 2.0


async def test_an_error_keeps_its_own_cause() -> None:
    cause = OSError("connection reset")
    gone = ClusterError("prod-a: the list of jobs.batch broke off")
    gone.__cause__ = cause

    with pytest.raises(ClusterError) as raised:
        await Expedition({"a": [gone]}).run()

    assert raised.value.__cause__ is cause


async def test_a_few_lists_are_under_way_at_once_and_no_more() -> None:
    listing: dict[str, list[Page | Exception]] = {
        f"app={number}": [Page([TO_PATCH])] for number in range(3 * CONCURRENT_LISTS)
    }
    expedition = Expedition(listing)
    expedition.cluster.latency = 1.0

    await expedition.run()

    assert expedition.clock.monotonic() == 3.0


def test_a_list_query_is_shown_by_kind_namespace_and_cluster() -> None:
    cluster = FakeCluster(VirtualClock())

    assert str(ListQuery(cluster, 0, JOBS, "team-a", "", "")) == (
        "jobs.batch in namespace team-a of prod-a"
    )
    assert (
        str(ListQuery(cluster, 0, JOBS, None, "", "")) == "jobs.batch in all namespaces of prod-a"
    )
