"""The result of a server-side apply, and what one object needs for it.

Covered: fields set and kept, fields that the manager applied before and leaves out now, with one
owner and with several; no-ops; that only named and removed fields are touched.
Left out: lists, and conflicts with other managers, which the server reports (tests/differential,
tests/e2e).
"""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.model.change import BodyPatch, PatchType
from fleetpatch.model.fields import ABSENT, label
from fleetpatch.model.target import Seen
from fleetpatch.rules.patching.server_side_apply import applied
from fleetpatch.rules.planning.planner import NeedsPatch, Unchanged, need
from tests.fakes import JOB_RULES
from tests.rules.patching.owners import owner

US = "fleetpatch"


def owned_labels(*keys: str) -> Any:
    return {"f:metadata": {"f:labels": {".": {}, **{f"f:{key}": {} for key in keys}}}}


def job(labels: dict[str, str], *owners: Any) -> Any:
    return {
        "metadata": {"labels": labels, "managedFields": list(owners)},
        "spec": {"suspend": True},
    }


def labels_after(document: Any, labels: dict[str, str]) -> Any:
    after = applied(document, {"metadata": {"labels": labels}}, US, JOB_RULES)
    return after["metadata"]["labels"]


def need_of(document: Any, configuration: Any) -> object:
    seen = Seen("team-a", "job-1", "uid-1", "10", whole=document)
    return need(BodyPatch(PatchType.APPLY, configuration, US), seen, JOB_RULES)


def test_named_fields_are_set_and_the_others_stay() -> None:
    document = job({"app": "etl", "team": "red"})

    after = applied(
        document, {"metadata": {"labels": {"team": "blue"}}, "spec": {"a": [1]}}, US, JOB_RULES
    )

    assert after["metadata"]["labels"] == {"app": "etl", "team": "blue"}
    assert after["spec"] == {"suspend": True, "a": [1]}


def test_a_field_that_was_applied_before_and_is_left_out_now_is_removed() -> None:
    document = job({"app": "etl", "old": "1"}, owner(US, owned_labels("old")))

    assert labels_after(document, {"new": "2"}) == {"app": "etl", "new": "2"}


def test_a_field_that_another_manager_owns_as_well_stays() -> None:
    ours, theirs = owner(US, owned_labels("old")), owner("other", owned_labels("old"), "Update")

    assert labels_after(job({"old": "1"}, ours, theirs), {"new": "2"}) == {"old": "1", "new": "2"}


def test_a_field_that_another_manager_applied_stays() -> None:
    document = job({"old": "1"}, owner("other", owned_labels("old")))

    assert labels_after(document, {"new": "2"}) == {"old": "1", "new": "2"}


def test_a_field_that_we_patched_and_did_not_apply_stays() -> None:
    document = job({"old": "1"}, owner(US, owned_labels("old"), "Update"))

    assert labels_after(document, {"new": "2"}) == {"old": "1", "new": "2"}


def test_entries_of_lists_are_left_to_the_server() -> None:
    fields: Any = {"f:spec": {"f:containers": {'k:{"name":"main"}': {".": {}, "f:image": {}}}}}
    document = {**job({}, owner(US, fields)), "spec": {"containers": [{"name": "main"}]}}

    assert (
        applied(document, {"metadata": {"labels": {}}}, US, JOB_RULES)["spec"] == document["spec"]
    )


def test_the_values_before_include_removed_and_added_fields() -> None:
    document = job({"old": "1"}, owner(US, owned_labels("old")))

    assert need_of(document, {"metadata": {"labels": {"new": "2"}}}) == NeedsPatch(
        before={label("new"): ABSENT, label("old"): "1"},
        wanted={label("new"): "2", label("old"): ABSENT},
    )


def test_an_apply_is_not_needed_if_the_values_hold_under_any_owner() -> None:
    configuration = {"apiVersion": "batch/v1", "kind": "Job", "spec": {"suspend": True}}

    assert isinstance(need_of(job({"a": "1"}), configuration), Unchanged)


@given(
    st.dictionaries(st.sampled_from("abcd"), st.sampled_from("12")),
    st.dictionaries(st.sampled_from("abcd"), st.sampled_from("12")),
    st.sets(st.sampled_from("abcd"), min_size=1),
    st.sets(st.sampled_from("abcd"), min_size=1),
)
def test_each_label_has_the_value_of_its_owners(
    now: dict[str, str], wanted: dict[str, str], ours: set[str], theirs: set[str]
) -> None:
    document = job(now, owner(US, owned_labels(*ours)), owner("other", owned_labels(*theirs)))

    after = labels_after(document, wanted)

    dropped = {key for key in ours - theirs if key not in wanted}
    # If the last one is removed, the server leaves null.
    assert (after or {}) == {
        key: value for key, value in {**now, **wanted}.items() if key not in dropped
    }
