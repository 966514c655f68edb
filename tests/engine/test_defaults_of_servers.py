"""A server adds defaults to the entries of a list, which a patch that replaces the list lacks.

Covered, for merge and JSON patches over arbitrary lists: the outcome is `applied` if and only if
the object has changed, and `unchanged` otherwise, also if the answer is lost or a cache answers
with the old object; the same plan once more is `unchanged`; an undo restores the list.
Left out: webhooks that put a removal back (tests/rules/answers/test_holding.py).
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.engine.policy import PatchPolicy
from fleetpatch.model.answer import Answer, NoAnswer, Reply, Silence
from fleetpatch.model.change import FIELD_MANAGER, BodyPatch, Change, PatchType, Restoration
from fleetpatch.model.equality import deep_equal
from fleetpatch.model.outcome import Outcome, Settlement
from fleetpatch.model.target import Seen, Target
from fleetpatch.rules.planning.planner import NeedsPatch, need
from fleetpatch.rules.planning.undo import compared, draft_of
from tests.engine.scripted import ScriptedPatcher, always_matches
from tests.fakes import Call, DocumentStore, document, ok, seen_whole, target_with
from tests.rules.patching.owners import owner
from tests.values import replace

ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from("cd"),
        "image": st.sampled_from("xy"),
        "n": st.integers(1, 2),
        "mode": st.sampled_from("AB"),
    },
)
LISTS = st.lists(ENTRIES, min_size=1, max_size=2)
DEFAULTS = st.dictionaries(st.sampled_from(["n", "mode"]), st.just(1), max_size=2)
CHANGES: dict[str, Callable[[Any], BodyPatch]] = {
    "merge": lambda value: BodyPatch(PatchType.MERGE, {"spec": {"l": value}}),
    "json": lambda value: BodyPatch(
        PatchType.JSON, [{"op": "replace", "path": "/spec/l", "value": value}]
    ),
}


class Defaulting(DocumentStore):
    """A store of one object whose list gets defaults; we own the list once we have changed it."""

    def __init__(self, entries: Any, defaults: Any) -> None:
        self._defaults = defaults
        super().__init__([document("etl-1", "uid-1", spec={"l": self._with_defaults(entries)})])

    @property
    def seen(self) -> Seen:
        name = FIELD_MANAGER if self.writes["etl-1"] else "kubectl"
        owners = [owner(name, {"f:spec": {"f:l": {}}}, "Update")]
        return replace(seen_whole(self.documents["etl-1"]), managed_fields=owners)

    @property
    def entries(self) -> Any:
        return self.documents["etl-1"]["spec"]["l"]

    def answer(self, call: Call) -> Answer:
        """Answer a PATCH whose new list gets defaults."""
        body = call.body
        if call.type is PatchType.JSON:
            *tests, last = body
            body = [*tests, {**last, "value": self._with_defaults(last["value"])}]
        else:
            body = {**body, "spec": {"l": self._with_defaults(body["spec"]["l"])}}
        answer = self.patch(replace_body(call, body))
        return ok(self.seen) if answer.seen else answer

    def _with_defaults(self, entries: Any) -> Any:
        return [{**self._defaults, **entry} for entry in entries]


def replace_body(call: Call, body: Any) -> Call:
    return Call(call.verb, call.target, call.at, body, type=call.type)


def settled(change: Change, target: Target, server: Defaulting, fault: str = "") -> Settlement:
    """Patch the object; the first PATCH meets a fault."""
    faults = [fault]

    def answer(call: Call) -> Reply:
        old, now = server.seen, faults.pop() if faults else ""
        if now == "lost":
            return NoAnswer(Silence.RESET)
        answered = server.answer(call)
        if now == "cached" and answered.seen:
            return ok(old)
        return NoAnswer(Silence.RESET) if now == "done, and lost" else answered

    scripted = ScriptedPatcher(PatchPolicy(change, always_matches))
    scripted.cluster.patches, scripted.cluster.reads = answer, lambda _call: ok(server.seen)
    return asyncio.run(scripted.settle(target))


@pytest.mark.parametrize("fault", ["", "lost", "done, and lost", "cached"])
@pytest.mark.parametrize("kind", CHANGES)
@given(first=LISTS, wanted=LISTS, defaults=DEFAULTS)
def test_the_outcome_is_that_of_the_server_and_an_undo_restores_the_list(
    kind: str, fault: str, first: Any, wanted: Any, defaults: Any
) -> None:
    server, change = Defaulting(first, defaults), CHANGES[kind](wanted)
    before = server.entries
    planned = need(change, server.seen)
    if not isinstance(planned, NeedsPatch):
        return
    target = target_with(server.seen, planned.before, planned.wanted)

    ended = settled(change, target, server, fault)

    has_changed = not deep_equal(server.entries, before)
    assert ended.outcome is (Outcome.APPLIED if has_changed else Outcome.UNCHANGED)
    again = need(change, server.seen)
    if isinstance(again, NeedsPatch):
        same = target_with(server.seen, again.before, again.wanted)
        assert settled(change, same, server).outcome is Outcome.UNCHANGED
    if has_changed:
        back = Restoration(whole=True)
        draft = draft_of(change, target, ended)
        assert draft is not None
        draft = compared(draft, server.seen, back)
        undoing = target_with(draft.seen, draft.before, draft.wanted)
        assert settled(back, undoing, server, fault).outcome is Outcome.APPLIED
        assert deep_equal(server.entries, before)
