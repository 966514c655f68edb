"""Which refusals are identical. Covered: names, uids and numbers do not count, other words do."""

from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.model.target import Target, TargetId
from fleetpatch.rules.running.limits import part_of, refusal
from tests.engine.scripted import TARGET
from tests.values import replace


def named(name: str) -> Target:
    return replace(TARGET, name=name)


def refused(detail: str, reason: Reason = Reason.REJECTED, status: int = 422) -> Settlement:
    return Settlement(TargetId(1), reason, status, detail=detail)


def test_refusals_that_differ_only_in_names_and_numbers_are_identical() -> None:
    one = refusal(named("etl-a"), refused('422 jobs.batch "etl-a" is invalid: uid 17'))
    two = refusal(named("etl-b"), refused('422 jobs.batch "etl-b" is invalid: uid 99'))

    assert one == two != ""


def test_another_status_or_another_message_is_another_refusal() -> None:
    texts = {
        refusal(TARGET, refused("is invalid")),
        refusal(TARGET, refused("is forbidden", Reason.FORBIDDEN, 403)),
        refusal(TARGET, refused("is immutable")),
    }

    assert len(texts) == 3


def test_an_outcome_without_a_refusal_has_no_refusal_text() -> None:
    for reason in (Reason.PATCHED, Reason.DRIFTED, Reason.EXHAUSTED, Reason.CONFLICT):
        assert refusal(TARGET, refused("whatever", reason)) == ""


def test_a_part_is_a_kind_in_a_namespace() -> None:
    assert part_of(TARGET) == ("jobs.batch", "team-a")
