"""The survey of a plan with expressions: page, `where`, values, drafts.

Covered: objects that do not match, computed labels and bodies, values that are not valid, errors.
Left out: the expressions themselves (tests/evaluation), by a scripted evaluator here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fleetpatch.engine.survey import ListQuery, Survey
from fleetpatch.engine.writer import JournalWriter
from fleetpatch.model.change import BodyPatch, MetadataChange, PatchType, PlanChange
from fleetpatch.model.computed import Expression
from fleetpatch.model.fields import ABSENT, label
from fleetpatch.model.outcome import Reason
from fleetpatch.model.ports import Draft, Evaluated, ListedCluster, MissingKey, Page, Subject
from tests.fakes import JOBS, FakeCluster, FakeJournal, FakeProgress, VirtualClock, seen_job
from tests.values import replace

TEAM, TIER = label("team"), label("tier")
CHANGE = MetadataChange(
    labels={"stage": "prod"}, expressions={TEAM: Expression("a"), TIER: Expression("b")}
)
JOB = seen_job({"team": "blue"}, uid="1")
WHOLE = replace(
    JOB, whole={"metadata": {"name": "etl", "labels": {"team": "blue"}}, "spec": {"a": 1}}
)


@dataclass
class ScriptedExpressions:
    """Implements the port Expressions by a function."""

    answer: Callable[[Subject], Evaluated]
    subjects: list[Subject] = field(default_factory=list)

    def listing(
        self, cluster: ListedCluster, *_block: object, **_complete: object
    ) -> ListedCluster:
        return cluster

    def reads_whole(self, block: int) -> bool:  # noqa: ARG002 - the port has it
        return False

    def owner_part(self, owner: object) -> None:
        raise AssertionError(owner)

    async def evaluate(
        self,
        cluster: str,  # noqa: ARG002 - the port has it
        block: int,  # noqa: ARG002 - the port has it
        subjects: Sequence[Subject],
    ) -> Sequence[Evaluated]:
        self.subjects += subjects
        return [self.answer(one) for one in subjects]

    async def matches(self, cluster: str, block: int, subject: Subject) -> Evaluated:
        raise AssertionError(cluster, block, subject)


async def surveyed(
    result: Evaluated, change: PlanChange = CHANGE, seen: object = JOB
) -> tuple[Survey, list[Draft]]:
    cluster = FakeCluster(VirtualClock(), listing={"": [Page([seen])]})  # type: ignore[list-item]
    journal = FakeJournal()
    survey = Survey(
        change,
        JournalWriter(journal),
        FakeProgress(),
        max_targets=None,
        expressions=ScriptedExpressions(lambda _: result),
    )
    await survey.run([ListQuery(cluster, 0, JOBS, None, "", "")])
    return survey, list(journal.drafts)


async def test_an_object_that_does_not_match_is_no_target() -> None:
    survey, drafts = await surveyed(Evaluated(matches=False))

    assert (survey.found, drafts) == (0, [])


async def test_the_computed_labels_are_the_wanted_values_of_the_target() -> None:
    _, (draft,) = await surveyed(Evaluated(values={TEAM: "red", TIER: None}))

    assert draft.wanted == {label("stage"): "prod", TEAM: "red", TIER: ABSENT}
    assert draft.before == {label("stage"): ABSENT, TEAM: "blue", TIER: ABSENT}


async def test_an_absent_optional_leaves_the_label_as_it_is() -> None:
    _, (draft,) = await surveyed(Evaluated(values={TEAM: ABSENT, TIER: "gold"}))

    assert draft.wanted == {label("stage"): "prod", TIER: "gold"}
    assert TEAM not in draft.before


async def test_an_object_with_the_computed_values_needs_no_patch() -> None:
    change = MetadataChange(expressions={TEAM: Expression("a")})
    _, (draft,) = await surveyed(Evaluated(values={TEAM: "blue"}), change)

    assert draft.ends is Reason.ALREADY_SET


async def test_the_values_of_a_body_are_kept_with_the_target() -> None:
    body = {"spec": {"a": {"cel": "x"}, "b": [{"cel": "y"}]}}
    values = {("spec", "a"): 2, ("spec", "b", "0"): ABSENT}
    _, (draft,) = await surveyed(
        Evaluated(values=values), BodyPatch(PatchType.MERGE, body), seen=WHOLE
    )

    assert draft.computed == values
    assert draft.wanted == {("spec", "a"): 2, ("spec", "b"): []}


async def test_a_value_that_is_not_text_ends_the_target_and_names_the_way_out() -> None:
    survey, (draft,) = await surveyed(Evaluated(values={TEAM: 7, TIER: ABSENT}))

    assert draft.ends is Reason.INAPPLICABLE
    assert draft.detail == (
        "metadata.labels.team: is the number 7, and must be text; write string(...) around the"
        " expression"
    )
    assert survey.errors.count == 1


async def test_a_value_that_no_label_can_have_ends_the_target() -> None:
    _, (draft,) = await surveyed(Evaluated(values={TEAM: "a b", TIER: ABSENT}))

    assert draft.ends is Reason.INAPPLICABLE
    assert "'a b' is not a valid label value" in draft.detail


async def test_errors_are_counted_with_the_keys_that_are_missing() -> None:
    error = Evaluated(error="no row", missing_keys=(MissingKey("costs", "red"),))
    survey, (draft,) = await surveyed(error)

    assert (draft.ends, draft.detail) == (Reason.INAPPLICABLE, "no row")
    assert survey.errors.keys() == [("costs", "red", 1)]
    assert survey.errors.first == ["jobs.batch team-a/etl-1 in cluster prod-a: no row"]


async def test_expressions_see_the_type_of_an_object_whose_list_lacks_it() -> None:
    evaluator = ScriptedExpressions(lambda _: Evaluated(matches=False))
    cluster = FakeCluster(VirtualClock(), listing={"": [Page([JOB])]})
    survey = Survey(
        CHANGE,
        JournalWriter(FakeJournal()),
        FakeProgress(),
        max_targets=None,
        expressions=evaluator,
    )
    await survey.run([ListQuery(cluster, 0, JOBS, None, "", "")])

    (subject,) = evaluator.subjects
    assert subject.object["kind"] == "Job"
    assert subject.object["metadata"]["labels"] == {"team": "blue"}
